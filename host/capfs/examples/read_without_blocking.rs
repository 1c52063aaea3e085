//! Reads many files at once from asynchronous code: each call is a future, no thread of the runtime is held, and a file system that does not
//! answer costs an error after a while instead of a thread for ever.
//!
//! `cargo run -p lockgate-capfs --example read_without_blocking`

use std::time::Duration;

use lockgate_capfs::{AbsPath, CapFs, Follow, Options, Times, Workers};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let directory = AbsPath::parse(home.path().canonicalize()?)?;
    let times = Times {
        operation: Duration::from_secs(5),
        ..Times::default()
    };
    let capfs = CapFs::new(Options {
        times,
        ..Options::default()
    })?;
    let files = capfs.scope().write(directory.clone()).open()?;
    let files = files.waiting(&Workers::default(), times.patience());

    let mut reads = Vec::new();
    for number in 0..10 {
        let path = directory.join(format!("file {number}"))?;
        let to = path.clone();
        let text = format!("text {number}");
        files
            .change(move |files| files.write_file(&to, text.as_bytes(), Follow::Links))
            .await?;
        // Begun now, awaited below: the ten run beside each other.
        reads.push(files.look(move |files| files.open(&path, Follow::Links)?.read_all(1 << 20)));
    }
    for (number, read) in reads.into_iter().enumerate() {
        assert_eq!(read.await?, format!("text {number}").as_bytes());
    }
    println!("read 10 files");
    Ok(())
}

#[test]
fn it_does_what_it_says() {
    main().expect("it ends well");
}
