//! What a keeper does. It has one thread, no runtime and nothing of the server's: it starts one process, reaps all that falls to it, and reports.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

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
    let Some(leader) = begin(&mut server)? else {
        return Ok(());
    };
    // It knows the process by a descriptor now, or it is gone.
    let answered = is_there(&mut server);
    attend(&mut server, &ends, leader, answered);
    Ok(())
}

/// Starts the process, and keeps none of its descriptors.
fn begin(server: &mut File) -> io::Result<Option<Pid>> {
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
    Ok(started.ok())
}

/// Until nobody is left. Whoever goes on is killed as soon as the server is gone or has ended the conversation: `wanted` until then.
fn attend(server: &mut File, ends: &OwnedFd, leader: Pid, mut wanted: bool) {
    let own = rustix::process::getpid();
    let lists = descendants::has_children_lists();
    let mut pauses: Option<Pauses> = None;
    while reap(|pid, code| {
        if pid == leader {
            say(server, Word::Exited(code));
        }
    }) {
        let mut timeout = None;
        if !wanted {
            let struck = descendants::kill_below(own, lists, |_| true);
            let pauses = pauses.get_or_insert_with(Pauses::begin);
            timeout = Timespec::try_from(pauses.after(struck)).ok();
        }
        let mut watched = vec![PollFd::new(ends, PollFlags::IN)];
        if wanted {
            watched.push(PollFd::new(&*server, PollFlags::IN));
        }
        let failed =
            matches!(poll(&mut watched, timeout.as_ref()), Err(error) if error != Errno::INTR);
        let told = watched
            .get(1)
            .is_some_and(|server| !server.revents().is_empty());
        // Emptied before the next look at who has ended, so that no end is missed.
        let _ = rustix::io::read(ends, &mut [0_u8; 4096]);
        if failed || (told && !is_there(server)) {
            wanted = false;
        }
    }
    say(server, Word::Empty);
}

/// Waits for a byte of the server; false at the end of the conversation.
fn is_there(server: &mut File) -> bool {
    matches!(server.read(&mut [0]), Ok(1..))
}

/// That it does not arrive means that the server is gone, which is noticed anyway.
fn say(server: &mut File, word: Word) {
    let _ = server.write_all(&word.to_bytes());
}

/// Reaps everything that has ended; false when there is no child left at all. A child of ours is there as long as anybody is below.
fn reap(mut each: impl FnMut(Pid, i32)) -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => each(pid, exit_code(status)),
            Ok(None) => return true,
            Err(Errno::INTR) => {}
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
