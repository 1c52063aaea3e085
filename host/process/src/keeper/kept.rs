//! A process below its keeper, as the server holds it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::Pauses;
use super::messages::Word;
use super::orphans::Hunt;
use super::start::{Failure, Keeper, failed};
use super::striker;
use crate::limits;
use crate::signal::Signal;
use crate::supervise::Stop;
use crate::support::Support;
use crate::sys;

/// A process that a keeper has started, and all that is below that keeper.
pub(crate) struct Kept {
    pid: Pid,
    group_pidfd: bool,
    holds: Mutex<Holds>,
    /// Everything is to be ended.
    ending: Stop,
    progress: watch::Sender<Progress>,
}

/// What is given back once nobody is left.
struct Holds {
    /// None as soon as it is reaped: its number may be a stranger's then.
    keeper: Option<Keeper>,
    /// The process's.
    pidfd: Option<Arc<AsyncFd<OwnedFd>>>,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    /// How the process ended.
    exit: Option<i32>,
    /// The keeper had to end it, because its time was over.
    late: bool,
    /// The keeper was killed, or the holder.
    lost: bool,
    /// Nobody is left.
    gone: bool,
}

impl Kept {
    /// Takes over what the keeper has just started, and answers it.
    pub(super) fn new(
        pid: Pid,
        support: Support,
        keeper: Keeper,
        mut control: StdStream,
    ) -> Result<Arc<Kept>, Failure> {
        let pidfd = support
            .pidfd
            .then(|| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
            .and_then(Result::ok)
            .and_then(|fd| sys::watched(fd, Interest::READABLE).ok())
            .map(Arc::new);
        let taken = io::Write::write_all(&mut control, &[0])
            .and_then(|()| control.set_nonblocking(true))
            .and_then(|()| UnixStream::from_std(control));
        let control = match taken {
            Ok(control) => control,
            Err(error) => return Err(failed(keeper, error)),
        };
        let kept = Arc::new(Kept {
            pid,
            group_pidfd: support.group_pidfd && pidfd.is_some(),
            holds: Mutex::new(Holds {
                keeper: Some(keeper),
                pidfd,
            }),
            ending: Stop::default(),
            progress: watch::Sender::default(),
        });
        tokio::spawn(Arc::clone(&kept).attend(control));
        Ok(kept)
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for the exit; gives the status, or 128 + the signal.
    pub(crate) async fn exited(&self) -> i32 {
        let progress = self
            .reaches(|progress| progress.exit.is_some() || progress.gone)
            .await;
        progress.exit.unwrap_or(-1)
    }

    /// Whether the keeper has ended it because its time was over, and the server had not.
    pub(crate) fn was_late(&self) -> bool {
        self.progress.borrow().late
    }

    /// Waits until the keeper or the holder was killed; for ever if they are not.
    pub(crate) async fn lost(&self) {
        self.reaches(|progress| progress.lost).await;
    }

    /// Waits until nobody is left.
    pub(crate) async fn gone(&self) {
        self.reaches(|progress| progress.gone).await;
    }

    async fn reaches(&self, wanted: impl FnMut(&Progress) -> bool) -> Progress {
        let mut progress = self.progress.subscribe();
        // The sender is ours, so there is no error.
        let reached = progress.wait_for(wanted).await.map(|progress| *progress);
        reached.unwrap_or_default()
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.progress.borrow().gone
    }

    /// Sends a signal to the group of the process.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let holds = self.holds();
        if let Some(pidfd) = holds.pidfd.as_ref().filter(|_| self.group_pidfd) {
            return match sys::signal_group_of(pidfd.get_ref(), Some(signal.raw())) {
                Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(()),
                result => result,
            };
        }
        // Its number may be given away while we look, as the keeper reaps it: so each member is signalled by itself. All are below the keeper.
        if let Some(keeper) = &holds.keeper {
            let own = self.pid.as_raw_pid();
            keeper.signal(signal.raw(), |stat| stat.group == own);
        }
        Ok(())
    }

    /// Begins to end everything that was ever started below the keeper, and goes on with it until [`Kept::gone`].
    pub(crate) fn end(&self) {
        self.ending.tell();
    }

    /// [`Kept::end`], of which much has happened when this returns.
    pub(crate) fn kill_tree(&self) {
        self.end();
        self.strike();
    }

    /// Kills the group, and with `session` also the jobs of a shell.
    pub(crate) fn kill_now(&self, session: bool) {
        let own = self.pid.as_raw_pid();
        if session && let Some(keeper) = &self.holds().keeper {
            keeper.strike(|stat| stat.session == own && stat.group != own);
        }
        if let Err(error) = self.signal(Signal::KILL) {
            tracing::warn!(pid = own, %error, "cannot kill a process group");
        }
    }

    /// Gives the number of processes that were struck.
    fn strike(&self) -> usize {
        self.holds().keeper.as_ref().map_or(0, |keeper| {
            // First: it reaps what dies.
            keeper.wake();
            keeper.strike(|_| true)
        })
    }

    /// Hears the keeper to its end.
    async fn attend(self: Arc<Kept>, control: UnixStream) {
        let emptied = self.listen(control).await;
        if !emptied {
            self.progress.send_modify(|progress| progress.lost = true);
            self.kill_now(false);
        }
        let keeper = self.holds().keeper.take();
        // Reaps it, and nobody uses its number any more.
        let hunt = striker::does(move || keeper.map(Keeper::hunt)).await;
        if !emptied && !over(hunt.flatten()).await {
            tracing::error!(
                pid = self.pid.as_raw_pid(),
                "a keeper was killed, and what it kept may be running without bounds"
            );
        }
        self.holds().pidfd = None;
        self.progress.send_modify(|progress| progress.gone = true);
    }

    /// Until the keeper has nobody left (true), or ends without having said so.
    async fn listen(self: &Arc<Kept>, control: UnixStream) -> bool {
        let mut said = Vec::with_capacity(Word::LEN);
        let mut ending = None;
        let mut pause = limits::KEEPER_SILENCE;
        // Something should be said soon, unless somebody has stopped them.
        let mut silent = false;
        loop {
            tokio::select! {
                word = hear(&control, &mut said) => match word {
                    Some(Word::Exited(code)) => {
                        // Now the keeper has to say that it is alone.
                        silent = true;
                        self.progress.send_modify(|progress| progress.exit = Some(code));
                    }
                    Some(Word::Late) => self.progress.send_modify(|progress| progress.late = progress.exit.is_none()),
                    Some(Word::Alone) => {
                        silent = false;
                        self.forsaken();
                    }
                    Some(Word::Empty) => return true,
                    _ => return false,
                },
                () = self.ending.told(), if ending.is_none() => {
                    ending = Some(Pauses::begin());
                    pause = Duration::ZERO;
                    let _ = rustix::net::shutdown(&control, rustix::net::Shutdown::Write);
                }
                () = self.leader_ended(), if !silent && self.progress.borrow().exit.is_none() => silent = true,
                () = tokio::time::sleep(pause), if silent || ending.is_some() => match &mut ending {
                    Some(pauses) => {
                        let this = Arc::clone(self);
                        let struck = striker::does(move || this.strike()).await;
                        pause = pauses.after(struck.unwrap_or(0));
                    }
                    None => {
                        if let Some(keeper) = &self.holds().keeper {
                            keeper.wake();
                        }
                    }
                }
            }
        }
    }

    /// The holder was killed, unless it has said all that it had to, or we did it.
    fn forsaken(&self) {
        if self.progress.borrow().exit.is_none() && !self.ending.is_told() {
            self.progress.send_modify(|progress| progress.lost = true);
            self.end();
        }
    }

    /// Waits until the process has ended, as far as that can be seen from here: its holder is about to say how.
    async fn leader_ended(&self) {
        let pidfd = self.holds().pidfd.clone();
        match pidfd {
            Some(pidfd) => drop(pidfd.readable().await),
            None => std::future::pending().await,
        }
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    /// Only before all are gone when no task attends any more (the runtime went first).
    fn drop(&mut self) {
        let begun = Instant::now();
        while self.strike() > 0 && begun.elapsed() < limits::KEEPER_SILENCE {}
    }
}

/// Hunts to the end; false if some may be left.
async fn over(mut hunt: Option<Hunt>) -> bool {
    while let Some(mut hunting) = hunt.take() {
        let struck = striker::does(move || (hunting.strike(), hunting)).await;
        match struck {
            Some((None, hunting)) => hunt = Some(hunting),
            Some((Some(all), _)) => return all,
            None => return false,
        }
        tokio::time::sleep(limits::ORPHANS_PAUSE).await;
    }
    false
}

/// The next word; `None` at the end. Safe to drop: what came of a word stays in `said`.
async fn hear(control: &UnixStream, said: &mut Vec<u8>) -> Option<Word> {
    loop {
        let mut bytes = [0; Word::LEN];
        control.readable().await.ok()?;
        match control.try_read(&mut bytes[..Word::LEN - said.len()]) {
            Ok(0) => return None,
            Ok(count) => said.extend(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        if let Ok(bytes) = <[u8; Word::LEN]>::try_from(said.as_slice()) {
            said.clear();
            return Word::of_bytes(bytes);
        }
    }
}
