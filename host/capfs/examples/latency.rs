//! What the gate costs in this process: the two commonest small calls, direct and through a warm scope, and a scope's first call.
//!
//! `cargo run --release -p lockgate-capfs --example latency`

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_capfs::{AbsPath, CapFs, Files, Follow, Options, Sandbox};
use lockgate_grant::profile::Access;

const CALLS: usize = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let directory = AbsPath::parse(home.path().canonicalize()?)?;
    let file = directory.join("file")?;
    std::fs::write(&file, vec![b'x'; 4096])?;

    let capfs = CapFs::new(Options::default())?;
    let sandbox =
        Sandbox::restricted([(AbsPath::root(), Access::Read), (directory, Access::Write)]);
    let sandbox = Arc::new(sandbox);
    let scoped = capfs.confine(&sandbox, 1)?;
    for (name, files) in [("direct", &Files::Direct), ("warm scope", &scoped)] {
        let metadata = median(CALLS, || files.metadata(&file, Follow::Links).map(drop))?;
        let read = median(CALLS, || {
            files
                .open(&file, Follow::Links)?
                .read_all(1 << 20)
                .map(drop)
        })?;
        let write = median(CALLS / 4, || {
            files.write_file(&file, &[b'y'; 4096], Follow::Links)
        })?;
        println!(
            "{name:12} metadata {metadata:>9.2?}   read 4 KiB {read:>9.2?}   write 4 KiB {write:>9.2?}"
        );
    }
    let mut session = 2;
    let first = median(CALLS / 20, || {
        session += 1;
        let answer = capfs
            .confine(&sandbox, session)
            .map(|files| files.metadata(&file, Follow::Links));
        capfs.forget(session);
        answer.map(drop)
    })?;
    let found = median(CALLS, || capfs.confine(&sandbox, 1).map(drop))?;
    println!("first call of a scope {first:.2?}, finding a known scope {found:.2?}");
    Ok(())
}

fn median<E>(calls: usize, mut call: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[calls / 2])
}
