//! Where paths lead, by `pathrs`: one path a line comes in, one line goes out.
//!
//! `DEVICE INODE` of what is there, links followed; `error NUMBER` as the system has it; `failed KIND` for all else. Paths are asked from the
//! root directory that is the first argument.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use pathrs::Root;
use pathrs::error::ErrorKind;

fn main() -> io::Result<()> {
    let root = std::env::args_os()
        .nth(1)
        .ok_or_else(|| io::Error::other("usage: lockgate-resolver ROOT"))?;
    let root = Root::open(root).map_err(io::Error::other)?;
    let mut answers = io::stdout().lock();
    for path in io::stdin().lock().lines() {
        match root.resolve(path?) {
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
