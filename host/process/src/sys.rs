//! The system calls that have no safe wrapper elsewhere: `posix_spawn`, the guardian's fork and its signals, a signal to a group through a
//! pidfd. All unsafe code of the crate is in this file; each block says why it is sound.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_short};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What [`spawn`] runs.
pub(crate) struct Launch<'a> {
    /// An absolute path: nothing is searched.
    pub(crate) program: &'a CStr,
    pub(crate) argv: &'a [CString],
    /// `NAME=value`.
    pub(crate) env: &'a [CString],
    pub(crate) cwd: &'a CStr,
    pub(crate) stdio: &'a ChildStdio<'a>,
}

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
}

/// Starts a child: new session, all signals at their defaults and unblocked (Rust ignores SIGPIPE; a child must not), only descriptors 0 to
/// 2. glibc does this with CLONE_VM | CLONE_VFORK, so the cost does not grow with the memory of the caller, who waits until the
/// child's exec.
pub(crate) fn spawn(launch: &Launch<'_>) -> io::Result<Pid> {
    let mut actions = Actions::new()?;
    match launch.stdio {
        ChildStdio::Tty(path) => {
            actions.open(0, path, libc::O_RDWR)?;
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
    // Before the directory is entered: no spelling of it can reach a descriptor of ours (CVE-2024-21626).
    actions.close_from(3)?;
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

/// Lets the runtime watch a descriptor. One must be entered, with I/O enabled.
pub(crate) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the AsyncFd owns the descriptor, and an OwnedFd stays open and the same until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Signals the process group that the process of this pidfd led (Linux 6.9): also after that process was reaped, and never a later group
/// that was given the same number. `None` only asks whether there is anyone.
pub(crate) fn signal_group_of(pidfd: impl AsFd, signal: Option<Signal>) -> io::Result<()> {
    let number = signal.map_or(0, Signal::as_raw);
    // SAFETY: takes no pointers except a null siginfo, which means "as kill would".
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            number,
            ptr::null::<libc::siginfo_t>(),
            libc::PIDFD_SIGNAL_PROCESS_GROUP,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Which of the two processes this is.
pub(crate) enum Forked {
    Parent { child: Pid },
    Child,
}

/// Forks a process that has one thread; anything may be done on both sides then.
pub(crate) fn fork() -> io::Result<Forked> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("there are threads already"));
    }
    // SAFETY: no other thread exists whose locks or half-done work the child could inherit (just counted; only this thread could start one).
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => match Pid::from_raw(pid) {
            Some(child) => Ok(Forked::Parent { child }),
            None => Err(io::Error::other("fork gave no pid")),
        },
    }
}

/// Ends the process without running what was registered for its exit: that belongs to the other side of the fork.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: always sound; it ends the process.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from 3 on. Only for the guardian, which has just been forked off from whatever owned them.
pub(crate) fn close_all_but_stdio() {
    // SAFETY: the caller never returns to code that owns one of these descriptors.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Signals that are blocked so that [`Blocked::wait`] can take them one by one.
pub(crate) struct Blocked {
    set: libc::sigset_t,
    before: libc::sigset_t,
}

/// A signal that came.
pub(crate) struct Caught {
    pub(crate) number: i32,
    /// Sent by a process to this one; not by the kernel to a terminal's whole foreground group.
    pub(crate) sent: bool,
}

impl Blocked {
    pub(crate) fn new(signals: &[Signal]) -> Blocked {
        let mut set = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are initialized by these calls, which cannot fail for valid signals.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
            }
            libc::sigemptyset(before.as_mut_ptr());
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr());
            Blocked {
                set: set.assume_init(),
                before: before.assume_init(),
            }
        }
    }

    /// Back to the mask of before.
    pub(crate) fn restore(self) {
        // SAFETY: `before` is what sigprocmask gave.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }

    /// Waits for one of the signals; `None` after the timeout, or when interrupted.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Option<Caught> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let number = match timeout {
            // SAFETY: valid pointers for the length of the call.
            None => unsafe { libc::sigwaitinfo(&self.set, info.as_mut_ptr()) },
            Some(timeout) => {
                let timeout = libc::timespec {
                    tv_sec: timeout.as_secs() as libc::time_t,
                    tv_nsec: timeout.subsec_nanos() as _,
                };
                // SAFETY: valid pointers for the length of the call.
                unsafe { libc::sigtimedwait(&self.set, info.as_mut_ptr(), &timeout) }
            }
        };
        if number <= 0 {
            return None;
        }
        // SAFETY: all zeroes is a valid siginfo, and the kernel has filled it.
        let info = unsafe { info.assume_init() };
        Some(Caught {
            number,
            sent: info.si_code <= libc::SI_USER,
        })
    }
}

/// Gives a signal its default action. The kernel knows the rest: an ignored SIGCHLD, inherited from some parents, would make every exit status unknown.
pub(crate) fn set_default(signal: Signal) {
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe { libc::signal(signal.as_raw(), libc::SIG_DFL) };
}

/// Lets a signal through that [`Blocked`] holds back.
pub(crate) fn unblock(signal: Signal) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is initialized before it is used.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
        libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}
