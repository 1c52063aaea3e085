//! `posix_spawn` with what a child needs.

use std::ffi::{CStr, CString, c_char, c_int, c_short};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::process::Pid;

/// What [`spawn`] runs.
pub(crate) struct Launch<'a> {
    /// An absolute path: nothing is searched.
    pub(crate) program: &'a CStr,
    pub(crate) argv: &'a [CString],
    /// `NAME=value`.
    pub(crate) env: &'a [CString],
    pub(crate) cwd: &'a CStr,
    pub(crate) stdio: &'a ChildStdio<'a>,
    /// One descriptor more, as [`CONTROL`]: only a keeper has it.
    pub(crate) control: Option<BorrowedFd<'a>>,
}

/// The number of [`Launch::control`] in the child.
pub(crate) const CONTROL: c_int = 3;

/// The child's descriptors 0, 1 and 2. The ones given are above 2 (std sees to that at start) and close-on-exec.
pub(crate) enum ChildStdio<'a> {
    /// The path of a terminal's slave side. Opened by the child, which leads a session by then and has no terminal yet, so it becomes the
    /// controlling one.
    Tty(&'a CStr),
    Pipes {
        stdin: Option<BorrowedFd<'a>>,
        stdout: BorrowedFd<'a>,
        stderr: BorrowedFd<'a>,
    },
    /// `/dev/null`.
    Nothing,
}

/// Starts a child: new session, all signals at their defaults and unblocked (Rust ignores SIGPIPE; a child must not), only descriptors 0 to
/// 2 (and a keeper's). glibc does this with CLONE_VM | CLONE_VFORK, so the cost does not grow with the memory of the caller, who waits until the
/// child's exec.
pub(crate) fn spawn(launch: &Launch<'_>) -> io::Result<Pid> {
    let mut actions = Actions::new()?;
    match launch.stdio {
        ChildStdio::Tty(path) => {
            actions.open(0, path, libc::O_RDWR)?;
            actions.dup2(0, 1)?;
            actions.dup2(0, 2)?;
        }
        ChildStdio::Nothing => {
            actions.open(0, c"/dev/null", libc::O_RDWR)?;
            actions.dup2(0, 1)?;
            actions.dup2(0, 2)?;
        }
        ChildStdio::Pipes {
            stdin,
            stdout,
            stderr,
        } => {
            match stdin {
                Some(stdin) => actions.dup2(stdin.as_raw_fd(), 0)?,
                None => actions.open(0, c"/dev/null", libc::O_RDONLY)?,
            }
            actions.dup2(stdout.as_raw_fd(), 1)?;
            actions.dup2(stderr.as_raw_fd(), 2)?;
        }
    }
    let first_free = match launch.control {
        // Also if it has that number already: it is kept at the exec then.
        Some(control) => {
            actions.dup2(control.as_raw_fd(), CONTROL)?;
            CONTROL + 1
        }
        None => CONTROL,
    };
    // Before the directory is entered: no spelling of it can reach a descriptor of ours (CVE-2024-21626).
    actions.close_from(first_free)?;
    actions.chdir(launch.cwd)?;
    let attributes = Attributes::new()?;
    let argv = pointers(launch.argv);
    let env = pointers(launch.env);
    let mut pid: libc::pid_t = 0;
    // SAFETY: every pointer is valid for the whole call: the arrays end with a null pointer and their strings are borrowed by `launch`.
    // posix_spawn does not write to the strings, its `*mut` is history.
    check(unsafe {
        libc::posix_spawn(
            &mut pid,
            launch.program.as_ptr(),
            &actions.0,
            &attributes.0,
            argv.as_ptr(),
            env.as_ptr(),
        )
    })?;
    Pid::from_raw(pid).ok_or_else(|| io::Error::other("posix_spawn gave no pid"))
}

fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr().cast_mut())
        .chain([ptr::null_mut()])
        .collect()
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Actions> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: initializes what it is given; read only after it succeeded.
        unsafe {
            check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
            Ok(Actions(actions.assume_init()))
        }
    }

    fn open(&mut self, fd: c_int, path: &CStr, flags: c_int) -> io::Result<()> {
        // SAFETY: initialized above; glibc copies the path.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(&mut self.0, fd, path.as_ptr(), flags, 0)
        })
    }

    fn dup2(&mut self, from: c_int, to: c_int) -> io::Result<()> {
        // SAFETY: initialized above.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, from, to) })
    }

    fn close_from(&mut self, from: c_int) -> io::Result<()> {
        // SAFETY: initialized above.
        check(unsafe { libc::posix_spawn_file_actions_addclosefrom_np(&mut self.0, from) })
    }

    fn chdir(&mut self, path: &CStr) -> io::Result<()> {
        // SAFETY: initialized above; glibc copies the path.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&mut self.0, path.as_ptr()) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialized, and destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Attributes> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: initializes what it is given; read only after it succeeded. The sets are initialized before they are passed.
        unsafe {
            check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
            let mut attributes = Attributes(attributes.assume_init());
            let mut signals = MaybeUninit::uninit();
            libc::sigfillset(signals.as_mut_ptr());
            check(libc::posix_spawnattr_setsigdefault(
                &mut attributes.0,
                signals.as_ptr(),
            ))?;
            libc::sigemptyset(signals.as_mut_ptr());
            check(libc::posix_spawnattr_setsigmask(
                &mut attributes.0,
                signals.as_ptr(),
            ))?;
            let mut flags = c_int::from(libc::POSIX_SPAWN_SETSID);
            flags |= libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
            check(libc::posix_spawnattr_setflags(
                &mut attributes.0,
                flags as c_short,
            ))?;
            Ok(attributes)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialized, and destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

/// The posix_spawn family returns its error instead of setting errno.
fn check(code: c_int) -> io::Result<()> {
    match code {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}
