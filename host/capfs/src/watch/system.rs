//! The process's inotify instance: which of its watches concerns whom, and the thread that hands events on.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use super::watched::{Watch, What};
use crate::limits;
use crate::operation::FsError;

/// What is asked of the kernel for who awaits names. A directory that two watches have in common is watched once, for what both ask.
const ARRIVALS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::MASK_ADD);

/// What is asked for everybody else.
const ALL: WatchFlags = ARRIVALS
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::EXCL_UNLINK);

/// Bytes of events that one read takes.
const BUFFER: usize = 16 * 1024;

pub(super) struct System {
    inotify: Arc<OwnedFd>,
    routes: Mutex<Routes>,
    /// Closed with this: the thread sees the end of it.
    _alive: OwnedFd,
}

#[derive(Default)]
struct Routes {
    /// Whom each of the kernel's watches concerns.
    concerned: HashMap<i32, Vec<Weak<Watch>>>,
    /// How often one was given back to the kernel.
    removals: u64,
}

/// Times that a directory is watched again because the kernel's watch may just have been given back by another.
const TRIES: u32 = 16;

/// Something that the kernel has told.
pub(super) struct Event {
    pub(super) wd: i32,
    pub(super) what: ReadFlags,
    /// In the watched directory; empty for the directory itself.
    pub(super) name: Box<[u8]>,
}

impl System {
    pub(super) fn start() -> Result<Arc<System>, FsError> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let inotify = Arc::new(inotify.map_err(|errno| match errno {
            Errno::MFILE => FsError::Watch(
                "the system has no inotify instance left (fs.inotify.max_user_instances)",
            ),
            Errno::NOSYS => FsError::Watch("this system has no inotify"),
            errno => errno.into(),
        })?);
        let (gone, alive) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let system = Arc::new(System {
            inotify: Arc::clone(&inotify),
            routes: Mutex::default(),
            _alive: alive,
        });
        let this = Arc::downgrade(&system);
        std::thread::Builder::new()
            .name("watcher".to_owned())
            .spawn(move || run(&this, &inotify, &gone))
            .map_err(|_| FsError::Watch("the system has no thread left to watch with"))?;
        Ok(system)
    }

    /// Has a directory watched for `watch`.
    pub(super) fn add(
        &self,
        directory: impl AsFd,
        what: What,
        watch: &Weak<Watch>,
    ) -> Result<i32, FsError> {
        for _ in 0..TRIES {
            let removals = {
                let routes = self.routes();
                if routes.concerned.len() >= limits::WATCHED_IN_ALL {
                    return Err(FsError::Watch(
                        "all clients together watch as many directories as they may",
                    ));
                }
                routes.removals
            };
            // Asks the file system whether it may, which may hang: nothing is held meanwhile.
            let wd = self.ask(directory.as_fd(), what)?;
            let mut routes = self.routes();
            if routes.removals != removals && !routes.concerned.contains_key(&wd) {
                // It may have been the watch of this directory.
                continue;
            }
            let concerned = routes.concerned.entry(wd).or_default();
            if !concerned.iter().any(|other| other.ptr_eq(watch)) {
                concerned.push(Weak::clone(watch));
            }
            return Ok(wd);
        }
        Err(Errno::BUSY.into())
    }

    fn ask(&self, directory: BorrowedFd<'_>, what: What) -> Result<i32, FsError> {
        let asked = match what {
            What::Arrivals => ARRIVALS,
            What::All | What::AllBelow => ALL,
        };
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        inotify::add_watch(&self.inotify, path, asked).map_err(|errno| match errno {
            Errno::NOSPC => FsError::Watch(
                "the system's limit of watches is reached (fs.inotify.max_user_watches)",
            ),
            // The descriptor is there: what is missing is the way to name it.
            Errno::NOENT => FsError::Watch("watching needs /proc, which is not mounted here"),
            errno => errno.into(),
        })
    }

    /// Has a directory watched for `watch` no more.
    pub(super) fn remove(&self, wd: i32, watch: &Weak<Watch>) {
        let mut routes = self.routes();
        let Some(concerned) = routes.concerned.get_mut(&wd) else {
            return;
        };
        concerned.retain(|other| !other.ptr_eq(watch));
        if concerned.is_empty() {
            routes.concerned.remove(&wd);
            routes.removals += 1;
            // Fails where the directory itself is gone: then the kernel has done it.
            let _ = inotify::remove_watch(&self.inotify, wd);
        }
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event to those whom it concerns.
    fn pass_on(&self, event: &inotify::Event<'_>) {
        let name = event.file_name().map_or(&[][..], |name| name.to_bytes());
        let lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
        // Taken out first: the last hold on a watch may be let go of here, and that asks for the routes.
        let concerned: Vec<_> = {
            let routes = self.routes();
            let all = routes.concerned.values().flatten();
            let these = routes.concerned.get(&event.wd()).into_iter().flatten();
            match lost {
                true => all.filter_map(Weak::upgrade).collect(),
                false => these.filter_map(Weak::upgrade).collect(),
            }
        };
        for watch in concerned {
            watch.happened(Event {
                wd: event.wd(),
                what: event.events(),
                name: Box::from(name),
            });
        }
    }
}

/// The thread: waits for events until nobody watches any more.
fn run(system: &Weak<System>, inotify: &OwnedFd, gone: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    loop {
        let mut ready = [
            PollFd::new(inotify, PollFlags::IN),
            PollFd::new(gone, PollFlags::empty()),
        ];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return tracing::error!(%error, "watching has ended"),
        }
        if !ready[1].revents().is_empty() {
            return;
        }
        let Some(system) = system.upgrade() else {
            return;
        };
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        loop {
            match events.next() {
                Ok(event) => system.pass_on(&event),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return tracing::error!(%error, "watching has ended"),
            }
        }
    }
}
