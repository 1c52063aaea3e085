//! Keepers: the parents of processes for which bounds hold, so that a bound reaches all that was ever started below one.
//!
//! A program that forks, ends, and calls `setsid` in its child has cut itself off: it is in no group and below nobody that the server knows. But the
//! kernel gives orphans to the nearest *subreaper* above them. So where a process has bounds, the server does not start it itself: it
//! starts a keeper, this very program once more ([`run_if_asked`]), which is a subreaper. That forks a *holder*, which starts the process exactly as the
//! server would have, and says how it exits. Whatever is started below stays below, however it is done; and nobody is left exactly when the keeper has no
//! child any more, which the kernel tells it without a race.
//!
//! The server does the killing itself and needs no help for it; a keeper kills, too, once the server ends the conversation or is gone. What is below
//! runs as the same user and may send signals to its keeper. *Stopped*, it goes on being the one to whom orphans fall, and the server wakes
//! it; it has a clock of its own, should the server be stopped. *Killed*, it leaves its orphans to the guardian above the server, where they are found and
//! ended at once: a process that cannot be held to its bounds does not go on. A keeper cannot be traced, and takes no other signal.
//!
//! What a process without bounds costs is not changed by any of this.

mod house;
mod kept;
mod messages;
mod orphans;
mod start;
mod striker;

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::limits;

pub(crate) use kept::Kept;
pub(crate) use start::{Failure, start};

/// What a keeper is called as argv\[0\], and with nothing else; that is how it knows what it is.
const NAME: &CStr = c"lockgate-keeper";

/// Whether this program becomes a keeper when it is started as one.
static ANNOUNCED: AtomicBool = AtomicBool::new(false);

/// To be the first thing in `main` of a program that starts processes with bounds. In the server it does nothing; where the program was started to be a keeper, it is
/// one, and does **not return**. Without this call an [`crate::Engine`] refuses to start what has bounds.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    if name.is_some_and(|name| name.as_encoded_bytes() == NAME.to_bytes())
        && arguments.next().is_none()
    {
        house::keep()
    }
    ANNOUNCED.store(true, Ordering::Relaxed);
}

/// Whether this program has offered itself: [`run_if_asked`] was called.
pub fn is_offered() -> bool {
    ANNOUNCED.load(Ordering::Relaxed)
}

/// Who keeps what has bounds.
#[derive(Clone, Debug)]
pub(crate) enum Keepers {
    /// This program.
    Program(CString),
    /// Nobody can: such starts are refused.
    Missing,
    /// Nobody, and it is started all the same.
    Unneeded,
}

impl Keepers {
    /// This very program, also if its file has been replaced meanwhile, if it can.
    pub(crate) fn of_this_program() -> Keepers {
        match is_offered() {
            true => Keepers::Program(c"/proc/self/exe".to_owned()),
            false => Keepers::Missing,
        }
    }
}

/// How long to wait between two strikes at what does not want to end.
struct Pauses {
    begun: Instant,
    pause: Duration,
}

impl Pauses {
    fn begin() -> Pauses {
        Pauses {
            begun: Instant::now(),
            pause: limits::STRIKE_PAUSE,
        }
    }

    /// After a strike that hit so many.
    fn after(&mut self, struck: usize) -> Duration {
        if struck == 0 || self.begun.elapsed() > limits::STRIKE_PATIENCE {
            self.pause = (self.pause * 2).min(limits::STRIKE_PAUSE_LAST);
        }
        self.pause
    }
}
