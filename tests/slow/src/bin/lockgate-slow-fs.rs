//! The FUSE server: `lockgate-slow-fs DIRECTORY`.
//!
//! Says `mounted` on stdout, then a line for each answer that it holds. Reads commands, a line each: `go` gives what is held and
//! holds nothing more, `hold` holds again. At the end of its input it gives everything, unmounts and ends.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use fuser::MountOption;
use lockgate_slow::{Held, Tree};

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("lockgate-slow-fs: which directory? usage: lockgate-slow-fs DIRECTORY");
        return ExitCode::from(2);
    };
    match serve(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "lockgate-slow-fs: cannot mount on {}: {error}",
                directory.display()
            );
            ExitCode::FAILURE
        }
    }
}

fn serve(directory: &std::path::Path) -> io::Result<()> {
    let held = Held::new();
    let options = [MountOption::FSName("lockgate-slow".to_owned())];
    let session = fuser::spawn_mount2(Tree::new(held.clone()), directory, &options)?;
    say("mounted")?;
    for line in io::stdin().lock().lines() {
        match line?.as_str() {
            "go" => held.let_go(),
            "hold" => held.hold_again(),
            other => eprintln!("lockgate-slow-fs: no command {other}; there are go and hold"),
        }
        say("done")?;
    }
    held.let_go();
    drop(session);
    // Where a file is still open the call above leaves it mounted; lazily it goes. Nothing to do is no failure.
    let _ = Command::new("umount")
        .arg("-l")
        .arg(directory)
        .stderr(Stdio::null())
        .status();
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}
