//! What a keeper does. It has one thread, no runtime and nothing of the server's: it has a *holder* start the process, and waits until nobody is left.
//!
//! The holder is a fork of it, and the parent of that one process: it waits for it and says how it exited. So the keeper itself needs the exit status of
//! nobody, and has the kernel reap all that falls to it. If it had to do that itself, whoever stops it would have its zombies fill the system, and
//! hide among them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, RawPid, Signal, WaitOptions, WaitStatus};

use super::Pauses;
use super::messages::{Order, Word};
use crate::descendants::{self, Stat};
use crate::descriptors;
use crate::sys::{self, ChildStdio, Forked};

/// The whole life of a keeper.
pub(super) fn keep() -> ! {
    // No socket there: somebody has called us by this name for fun.
    let Some(control) = sys::inherited(sys::CONTROL) else {
        sys::exit_now(2);
    };
    // Without a word the server takes this for what it is: no keeper.
    let code = i32::from(serve(&File::from(control)).is_err());
    sys::exit_now(code)
}

fn serve(server: &File) -> io::Result<()> {
    let _ = rustix::thread::set_name(c"lockgate-keep");
    // Whoever could trace it would have it let others go.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let wakes = sys::watch_children()?;
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own))?;
    let order = order(server)?;
    let stdio = descriptors::take_stdio()?;
    match sys::fork()? {
        Forked::Child => hold(own, server, order, stdio),
        Forked::Parent { child } => {
            drop(stdio);
            // While it cannot go without a trace.
            let holder = Stat::of(child.as_raw_pid()).map(|stat| (child.as_raw_pid(), stat));
            sys::forget_children();
            // What the clock cannot hold is no bound.
            let deadline = order.time.and_then(|time| Instant::now().checked_add(time));
            drop(order);
            attend(server, &wakes, holder, deadline);
            Ok(())
        }
    }
}

fn order(mut server: &File) -> io::Result<Order> {
    let mut len = [0; 8];
    server.read_exact(&mut len)?;
    let mut bytes = Vec::new();
    server
        .take(u64::from_le_bytes(len))
        .read_to_end(&mut bytes)?;
    Ok(Order::decode(&bytes).ok_or(io::ErrorKind::InvalidData)?)
}

/// The whole life of a holder: starts the process, keeps none of its descriptors, and waits for it.
fn hold(keeper: Pid, mut server: &File, order: Order, [stdin, stdout, stderr]: [OwnedFd; 3]) -> ! {
    let _ = rustix::thread::set_name(c"lockgate-hold");
    // It holds the keeper's end of the conversation, too, and the server has to see the keeper go.
    let bound = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if bound.is_err() || rustix::process::getppid() != Some(keeper) {
        sys::exit_now(1);
    }
    let stdio = match &order.terminal {
        Some(path) => ChildStdio::Tty(path),
        None => ChildStdio::Pipes {
            stdin: Some(stdin.as_fd()),
            stdout: stdout.as_fd(),
            stderr: stderr.as_fd(),
        },
    };
    match order.prepared.launch(&stdio) {
        Ok(process) => {
            say(server, Word::Started(process.as_raw_pid()));
            drop((order, stdin, stdout, stderr));
            // Until it answers, the server may not know the process by a descriptor, and the number must not become another's.
            let _ = server.read(&mut [0]);
            say(server, Word::Exited(exit_code(process)));
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
            say(server, Word::Refused(errno));
        }
    }
    sys::exit_now(0)
}

/// Until nobody is left. Whoever goes on is killed when the time is over, and when the server is gone or has ended the conversation.
fn attend(
    server: &File,
    wakes: &OwnedFd,
    mut holder: Option<(RawPid, Stat)>,
    deadline: Option<Instant>,
) {
    let own = rustix::process::getpid();
    let lists = descendants::has_children_lists();
    let mut wanted = true;
    let mut pauses: Option<Pauses> = None;
    while has_children() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let late = left == Some(Duration::ZERO);
        if late && pauses.is_none() {
            say(server, Word::Late);
        }
        let pause = if !wanted || late {
            let struck = descendants::kill_below(own, lists, |_| true);
            Some(pauses.get_or_insert_with(Pauses::begin).after(struck))
        } else {
            // Whoever has woken us may have found the holder asleep.
            let there = holder.filter(|(pid, stat)| descendants::strike(*pid, stat, Signal::CONT));
            if there.is_none() && holder.take().is_some() {
                say(server, Word::Alone);
            }
            left
        };
        wanted &= !sleep(wakes, wanted.then_some(server), pause);
    }
    say(server, Word::Empty);
}

/// There is a child as long as anybody is below.
fn has_children() -> bool {
    !matches!(
        rustix::io::retry_on_intr(|| rustix::process::wait(WaitOptions::NOHANG)),
        Err(Errno::CHILD)
    )
}

/// Until a child has ended, somebody wakes us, the server has no more to say (true), or so long.
fn sleep(wakes: &OwnedFd, server: Option<&File>, pause: Option<Duration>) -> bool {
    let pause = pause.and_then(|pause| Timespec::try_from(pause).ok());
    let mut watched = vec![PollFd::new(wakes, PollFlags::IN)];
    // What it says is for the holder.
    watched.extend(server.map(|server| PollFd::new(server, PollFlags::RDHUP)));
    let ready = poll(&mut watched, pause.as_ref()).is_ok();
    // Emptied before the next look at who is there, so that no end is missed.
    let _ = rustix::io::read(wakes, &mut [0_u8; 4096]);
    ready
        && watched
            .get(1)
            .is_some_and(|server| !server.revents().is_empty())
}

/// That it does not arrive means that the server is gone, which is noticed anyway.
fn say(mut server: &File, word: Word) {
    let _ = server.write_all(&word.to_bytes());
}

/// Waits for the process; gives the status, or 128 + the signal.
fn exit_code(process: Pid) -> i32 {
    let waited =
        rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(process), WaitOptions::empty()));
    let status: Option<WaitStatus> = waited.ok().flatten().map(|(_, status)| status);
    let code = status.and_then(|status| status.exit_status());
    let signal = status.and_then(|status| status.terminating_signal());
    code.or(signal.map(|signal| 128 + signal)).unwrap_or(-1)
}
