//! Our stdin, for a command elsewhere. That command may never read it, and still we have to look for what is typed: so
//! where stdin is a terminal we leave to others what they wait for, the pager behind us in a pipeline above all.

use std::io::{IsTerminal, Read};
use std::thread::sleep;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp};
use tokio::sync::mpsc;

/// One read.
const INPUT: usize = 32 * 1024;

/// How often we look whether a terminal is ours again. Nothing tells us.
const OTHERS: Duration = Duration::from_millis(50);

/// Chunk by chunk, to its end. A thread reads it that is left behind: a blocked read of stdin cannot be cancelled, and
/// the runtime would wait for it. `raw` says that we made the terminal raw, so every key is for us.
pub(crate) fn chunks(raw: bool) -> mpsc::Receiver<Vec<u8>> {
    let (chunks, receiver) = mpsc::channel(2);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let shared = !raw && stdin.is_terminal();
        let mut buffer = vec![0; INPUT];
        loop {
            if shared {
                wait_for_our_turn();
            }
            match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(len) => {
                    if chunks.blocking_send(buffer[..len].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // As an end: there will be no more.
                Err(error) => return tracing::debug!(%error, "stdin cannot be read"),
            }
        }
    });
    receiver
}

/// Until something is typed on our terminal that is meant for us.
fn wait_for_our_turn() {
    loop {
        if is_for_others() {
            sleep(OTHERS);
            continue;
        }
        let mut terminal = [PollFd::from_borrowed_fd(
            rustix::stdio::stdin(),
            PollFlags::IN,
        )];
        // Who waits here must not be in the read: a pager that starts meanwhile would lose its first key to us.
        let _ = poll(&mut terminal, None);
        if !is_for_others() {
            return;
        }
    }
}

/// In the background, where a read would stop us, or while the program that reads our output takes single keys.
fn is_for_others() -> bool {
    let terminal = rustix::stdio::stdin();
    let background = tcgetpgrp(terminal).is_ok_and(|group| group != getpgrp());
    let pager = !std::io::stdout().is_terminal()
        && tcgetattr(terminal).is_ok_and(|now| !now.local_modes.contains(LocalModes::ICANON));
    background || pager
}
