//! Starting a keeper and, through it, the process.

use std::ffi::CStr;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::kept::Kept;
use super::messages::{Order, Word};
use super::orphans::{Before, Hunt};
use super::{NAME, striker};
use crate::descendants::{self, Stat};
use crate::descriptors;
use crate::limits;
use crate::prepared::Prepared;
use crate::support::Support;
use crate::sys::{self, ChildStdio, Launch};

/// Why there is no process.
pub(crate) enum Failure {
    /// It could not be started, as without a keeper.
    Refused(io::Error),
    /// The keeper could not, or did not do its work.
    Keeper(io::Error),
}

/// A keeper, seen from its parent. Its number is its own until it is reaped, which is the last that happens here.
pub(super) struct Keeper {
    pid: Pid,
    before: Before,
    /// What is below it is found by lists of children.
    lists: bool,
}

impl Keeper {
    fn start(program: &CStr, control: &UnixStream, stdio: &ChildStdio<'_>) -> io::Result<Keeper> {
        let before = Before::now();
        let pid = sys::spawn(&Launch {
            program,
            argv: &[NAME.to_owned()],
            // Not the client's: some variables tell the loader what to do, and this one is trusted.
            env: &[],
            cwd: c"/",
            stdio,
            control: Some(control.as_fd()),
        })?;
        // What it starts has that from the first instant on.
        descriptors::restore(pid);
        Ok(Keeper {
            pid,
            before,
            lists: false,
        })
    }

    /// Lets it go on, if somebody stopped it.
    pub(super) fn wake(&self) {
        let _ = rustix::process::kill_process(self.pid, Signal::CONT);
    }

    /// Kills what is below it, as far as it is found now; gives the number.
    pub(super) fn strike(&self, wanted: impl Fn(&Stat) -> bool) -> usize {
        descendants::kill_below(self.pid, self.lists, wanted)
    }

    /// Sends a signal to what is below it.
    pub(super) fn signal(&self, signal: Signal, wanted: impl Fn(&Stat) -> bool) {
        descendants::signal_below(self.pid, self.lists, signal, wanted);
    }

    /// Ends it, if it has not, and begins to look for those that it has left to others.
    pub(super) fn hunt(self) -> Hunt {
        Hunt::for_those_after(self.before.clone())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        let _ = rustix::io::retry_on_intr(|| {
            rustix::process::waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED)
        });
    }
}

/// Starts a process below a keeper of its own. A runtime must be entered. Blocks.
pub(crate) fn start(
    program: &CStr,
    prepared: &Prepared,
    stdio: &ChildStdio<'_>,
    time: Option<Duration>,
    support: Support,
) -> Result<Arc<Kept>, Failure> {
    striker::prepare().map_err(Failure::Keeper)?;
    let (mut own, control) = UnixStream::pair().map_err(Failure::Keeper)?;
    let silence = Some(limits::KEEPER_SILENCE);
    own.set_read_timeout(silence)
        .and_then(|()| own.set_write_timeout(silence))
        .map_err(Failure::Keeper)?;
    let (terminal, of_keeper) = match stdio {
        // Nothing to hand on: the process opens it.
        ChildStdio::Tty(path) => (Some(*path), &ChildStdio::Nothing),
        pipes => (None, pipes),
    };
    let mut keeper = Keeper::start(program, &control, of_keeper).map_err(Failure::Keeper)?;
    // From here on, only the keeper has that end.
    drop(control);
    let order = Order::encode(
        prepared,
        terminal,
        time.and_then(|time| time.checked_add(limits::KEEPER_GRACE)),
    );
    match ask(&mut own, &keeper, &order) {
        Ok(Word::Started(pid)) => match Pid::from_raw(pid) {
            Some(pid) => {
                // Asked now that it cannot be traced any more: some systems hide such processes (`hidepid`).
                keeper.lists = support.children && descendants::has_list(keeper.pid);
                Kept::new(pid, support, keeper, own)
            }
            None => Err(failed(keeper, io::ErrorKind::InvalidData.into())),
        },
        Ok(Word::Refused(errno)) => Err(Failure::Refused(io::Error::from_raw_os_error(errno))),
        Ok(_) => Err(failed(keeper, io::ErrorKind::InvalidData.into())),
        // It may have started the process already.
        Err(error) => Err(failed(keeper, error)),
    }
}

pub(super) fn failed(keeper: Keeper, error: io::Error) -> Failure {
    keeper.strike(|_| true);
    let mut hunt = keeper.hunt();
    while hunt.strike().is_none() {
        std::thread::sleep(limits::ORPHANS_PAUSE);
    }
    Failure::Keeper(error)
}

/// Gives the order and waits for the first word, however long the program takes to be loaded.
fn ask(own: &mut UnixStream, keeper: &Keeper, order: &[u8]) -> io::Result<Word> {
    let len = (order.len() as u64).to_le_bytes();
    let mut rest = &[&len[..], order].concat()[..];
    while !rest.is_empty() {
        let written = patiently(keeper, || own.write(rest))?;
        rest = &rest[written..];
    }
    let mut bytes = [0; Word::LEN];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += patiently(keeper, || own.read(&mut bytes[filled..]))?;
    }
    Word::of_bytes(bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Some bytes more, there or back. A keeper that takes its time may have been stopped by somebody.
fn patiently(keeper: &Keeper, mut step: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match step() {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => keeper.wake(),
            result => return result,
        }
    }
}
