//! What a keeper does. It has one thread, no runtime and nothing of the server's: it starts one process, reaps all that falls to it, and reports.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, WaitOptions, WaitStatus};

use super::Pauses;
use super::messages::{Order, Word};
use crate::descendants;
use crate::descriptors;
use crate::sys::{self, ChildStdio};

/// The whole life of a keeper.
pub(super) fn keep() -> ! {
    // No socket there: somebody has called us by this name for fun.
    let Some(control) = sys::inherited(sys::CONTROL) else {
        sys::exit_now(2);
    };
    // Without a word the server takes this for what it is: no keeper.
    let code = i32::from(serve(File::from(control)).is_err());
    sys::exit_now(code)
}

fn serve(mut server: File) -> io::Result<()> {
    let _ = rustix::thread::set_name(c"lockgate-keep");
    // Whoever could trace it would have it let others go.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let ends = sys::watch_children()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let Some((leader, deadline)) = begin(&mut server)? else {
        return Ok(());
    };
    attend(&mut server, &ends, leader, deadline);
    Ok(())
}

/// Starts the process, and keeps none of its descriptors. With when it has to end, if ever.
fn begin(server: &mut File) -> io::Result<Option<(Pid, Option<Instant>)>> {
    let mut len = [0; 8];
    server.read_exact(&mut len)?;
    let mut bytes = Vec::new();
    let rest: &File = server;
    rest.take(u64::from_le_bytes(len)).read_to_end(&mut bytes)?;
    let order = Order::decode(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    drop(bytes);
    let [stdin, stdout, stderr] = descriptors::take_stdio()?;
    let stdio = match &order.terminal {
        Some(path) => ChildStdio::Tty(path),
        None => ChildStdio::Pipes {
            stdin: Some(stdin.as_fd()),
            stdout: stdout.as_fd(),
            stderr: stderr.as_fd(),
        },
    };
    let started = order.prepared.launch(&stdio);
    say(
        server,
        match &started {
            Ok(pid) => Word::Started(pid.as_raw_pid()),
            Err(error) => Word::Refused(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())),
        },
    );
    // What the clock cannot hold is no bound.
    let deadline = order.time.and_then(|time| Instant::now().checked_add(time));
    Ok(started.ok().map(|leader| (leader, deadline)))
}

/// Until nobody is left. Whoever goes on is killed when the time is over, and when the server is gone or has ended the conversation.
fn attend(server: &mut File, ends: &OwnedFd, leader: Pid, deadline: Option<Instant>) {
    let own = rustix::process::getpid();
    let lists = descendants::has_children_lists();
    let mut hearing = Hearing::Nothing;
    let mut pauses: Option<Pauses> = None;
    // Before the server has answered it may not know the process by a descriptor, and the number must not become another's.
    while hearing == Hearing::Nothing || reap(leader, |code| say(server, Word::Exited(code))) {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let late = left == Some(Duration::ZERO);
        if late && pauses.is_none() {
            say(server, Word::Late);
        }
        let pause = if hearing == Hearing::End || late {
            let struck = descendants::kill_below(own, lists, |_| true);
            Some(pauses.get_or_insert_with(Pauses::begin).after(struck))
        } else {
            left
        };
        if sleep(ends, (hearing != Hearing::End).then_some(&*server), pause) {
            hearing = match server.read(&mut [0]) {
                Ok(1..) => Hearing::Answer,
                _ => Hearing::End,
            };
        }
    }
    say(server, Word::Empty);
}

/// What has come of the server.
#[derive(PartialEq, Eq)]
enum Hearing {
    Nothing,
    /// It has taken over the process.
    Answer,
    /// It is gone, or wants everything to be ended.
    End,
}

/// Until a child has ended, the server says something (true), or so long.
fn sleep(ends: &OwnedFd, server: Option<&File>, pause: Option<Duration>) -> bool {
    let pause = pause.and_then(|pause| Timespec::try_from(pause).ok());
    let mut watched = vec![PollFd::new(ends, PollFlags::IN)];
    watched.extend(server.map(|server| PollFd::new(server, PollFlags::IN)));
    let ready = poll(&mut watched, pause.as_ref()).is_ok();
    // Emptied before the next look at who has ended, so that no end is missed.
    let _ = rustix::io::read(ends, &mut [0_u8; 4096]);
    ready
        && watched
            .get(1)
            .is_some_and(|server| !server.revents().is_empty())
}

/// That it does not arrive means that the server is gone, which is noticed anyway.
fn say(mut server: &File, word: Word) {
    let _ = server.write_all(&word.to_bytes());
}

/// Reaps everything that has ended; false when there is no child left at all. There is one as long as anybody is below.
fn reap(leader: Pid, mut exited: impl FnMut(i32)) -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == leader => exited(exit_code(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// The status, or 128 + the signal.
fn exit_code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => -1,
    }
}
