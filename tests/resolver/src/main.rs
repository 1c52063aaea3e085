//! Where paths lead, by `pathrs`: one path a line comes in, one line goes out.
//!
//! `DEVICE INODE` of what is there, links followed; `error NUMBER` as the system has it; `failed KIND` for all else. Paths are asked from the
//! root directory that is the first argument.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use pathrs::error::{Error, ErrorKind};
use pathrs::{Handle, Root};

fn main() -> io::Result<()> {
    let root = std::env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: lockgate-resolver ROOT"))?;
    let root = Root::open(root).map_err(io::Error::other)?;
    let mut answers = io::stdout().lock();
    for path in io::stdin().lock().lines() {
        match resolve(&root, &path?) {
            Ok(found) => {
                let found = File::from(OwnedFd::from(found)).metadata()?;
                writeln!(answers, "{} {}", found.dev(), found.ino())?;
            }
            Err(error) => match error.kind() {
                ErrorKind::OsError(Some(number)) => writeln!(answers, "error {number}")?,
                kind => writeln!(answers, "failed {kind:?}")?,
            },
        }
        answers.flush()?;
    }
    Ok(())
}

/// Times that a path is asked for again while names elsewhere are being exchanged: then `..` makes the kernel unsure (`EAGAIN`).
const TRIES: u32 = 10_000;

fn resolve(root: &Root, path: &str) -> Result<Handle, Error> {
    for _ in 1..TRIES {
        match root.resolve(path) {
            Err(error) if error.can_retry() => {}
            answer => return answer,
        }
    }
    root.resolve(path)
}
