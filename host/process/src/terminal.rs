//! Pseudo-terminals: the master stays here, the slave is opened only by the child (see [`crate::sys::ChildStdio`]). If the server kept the slave open,
//! the end of the output would never come.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    InputModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
};

use crate::limits::{DEFAULT_COLS, DEFAULT_ROWS};

/// A new terminal of this size: the master, non-blocking and close-on-exec, and the path of the slave.
pub(crate) fn open(rows: u16, cols: u16) -> io::Result<(OwnedFd, CString)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    rustix::fs::fcntl_setfl(
        &master,
        rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::RDWR,
    )?;
    resize(&master, rows, cols)?;
    let mut modes = tcgetattr(&master)?;
    // Erasing takes a whole character: what is typed is UTF-8.
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&master, OptionalActions::Now, &modes)?;
    let slave = ptsname(&master, Vec::new())?;
    Ok((master, slave))
}

/// Zero lines or columns make programs divide by zero: the default is meant.
pub(crate) fn resize(master: impl AsFd, rows: u16, cols: u16) -> io::Result<()> {
    let size = Winsize {
        ws_row: if rows == 0 { DEFAULT_ROWS } else { rows },
        ws_col: if cols == 0 { DEFAULT_COLS } else { cols },
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(master, size)?)
}

/// The character that means end of file there now; `None` if the program has switched it off.
pub(crate) fn end_of_file(master: impl AsFd) -> Option<u8> {
    let modes = tcgetattr(master).ok()?;
    // _POSIX_VDISABLE is 0 on Linux.
    Some(modes.special_codes[SpecialCodeIndex::VEOF]).filter(|code| *code != 0)
}
