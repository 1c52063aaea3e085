//! What a small call costs in process, and beside it over stdio where the program is named:
//! `cargo run --release --example in_process -- target/release/lockgate`.

use std::process::Command;
use std::time::{Duration, Instant};

use lockgate_client::executor::{self, Files};
use lockgate_client::{AbsPath, Client, ClientError, ConnectOptions};

const CALLS: usize = 20_000;
const STARTS: usize = 500;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let here = lockgate_local::start(
        lockgate_local::Options::default(),
        ConnectOptions::default(),
    );
    measure("in process", &here.await?, folder.path()).await?;
    if let Some(program) = std::env::args_os().nth(1) {
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "stdio"]);
        let client = Client::spawn_stdio(command, ConnectOptions::default()).await?;
        measure("stdio", &client, folder.path()).await?;
    }
    Ok(())
}

async fn measure(way: &str, client: &Client, folder: &std::path::Path) -> Result<(), ClientError> {
    let path = AbsPath::parse(folder.join("file")).expect("a path");
    client.write(&path, &[b'x'; 4096], None).await?;
    let mut status = Vec::with_capacity(CALLS);
    let mut metadata = Vec::with_capacity(CALLS);
    let mut read = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        status.push(timed(client.status()).await?);
        metadata.push(timed(Files::metadata(client, &path, None)).await?);
        read.push(timed(client.read(&path, None)).await?);
    }
    let command = executor::Command::new(AbsPath::root(), ["/bin/true"]);
    let mut runs = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        runs.push(timed(executor::run(client, &command, 0)).await?);
    }
    for (what, times) in [
        ("status", status),
        ("metadata", metadata),
        ("read 4 KiB", read),
        ("run /bin/true", runs),
    ] {
        let (p50, p99) = percentiles(times);
        println!("{way:12} {what:14} p50 {p50:>10.1?}  p99 {p99:>10.1?}");
    }
    Ok(())
}

async fn timed<T>(
    call: impl Future<Output = Result<T, ClientError>>,
) -> Result<Duration, ClientError> {
    let begun = Instant::now();
    call.await?;
    Ok(begun.elapsed())
}

fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
