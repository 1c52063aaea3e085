//! The terminal we are on: raw while a remote one is shown in it, and always put back.

use std::io::{IsTerminal, stdin, stdout};

use lockgate_wire::process::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// What a terminal has that says nothing of its size.
const ROWS: u16 = 24;
const COLS: u16 = 80;

/// Raw mode of the terminal on stdin, until dropped: also when the command fails or panics. The signals that would end
/// us are handled while it exists (`follow`), so they come by here too.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// `None` when stdin is no terminal.
    pub(crate) fn enter() -> Option<Raw> {
        let before = tcgetattr(stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &raw).ok()?;
        Some(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

/// Whether a person sits at both ends.
pub(crate) fn is_interactive() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// The size of the window, if there is one.
pub(crate) fn size() -> Option<TerminalSize> {
    let size = tcgetwinsize(stdout())
        .or_else(|_| tcgetwinsize(stdin()))
        .ok()?;
    // A zero is a side that nobody set.
    let or = |side: u16, usual: u16| if side == 0 { usual } else { side };
    (size.ws_row > 0 || size.ws_col > 0).then(|| TerminalSize {
        rows: or(size.ws_row, ROWS),
        cols: or(size.ws_col, COLS),
    })
}
