//! One watch: a directory, or all below one, and what was seen to change there.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lockgate_grant::AbsPath;
use rustix::fs::FileType;
use rustix::fs::inotify::ReadFlags;

use super::changes::{ChangeKind, Changes, Gathered};
use super::system::{Event, System};
use super::{WatchQuota, Watcher};
use crate::kernel::Place;
use crate::limits;
use crate::operation::FsError;
use crate::tree::Ground;

/// What a watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Names that come to be in one directory.
    Arrivals,
    /// All that happens in one directory.
    All,
    /// And below it.
    AllBelow,
}

/// A watch. Ends when it is dropped.
pub struct Watch {
    system: Arc<System>,
    quota: WatchQuota,
    ground: Box<dyn Ground>,
    /// Free of links.
    root: AbsPath,
    what: What,
    wake: Box<dyn Fn() + Send + Sync>,
    this: Weak<Watch>,
    waiting: Mutex<Waiting>,
    /// What is watched, by the kernel's numbers. Held while events are worked on.
    directories: Mutex<HashMap<i32, Place>>,
    gathered: Mutex<Gathered>,
}

/// Events that nobody has looked at yet.
#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    lost: bool,
    /// [`Watch::work`] was asked for, or is at it.
    asked: bool,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("root", &self.root)
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(super) fn begin(
        watcher: &Watcher,
        quota: &WatchQuota,
        ground: Box<dyn Ground>,
        root: AbsPath,
        what: What,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<Arc<Watch>, FsError> {
        let watch = Arc::new_cyclic(|this| Watch {
            system: Arc::clone(&watcher.system),
            quota: quota.clone(),
            ground,
            root,
            what,
            wake,
            this: Weak::clone(this),
            waiting: Mutex::default(),
            directories: Mutex::default(),
            gathered: Mutex::default(),
        });
        watch.enter(&mut lock(&watch.directories), watch.root.clone(), None)?;
        Ok(watch)
    }

    /// Something was told about one of the directories. Never blocks for long.
    pub(super) fn happened(&self, event: Event) {
        let ask = {
            let mut waiting = lock(&self.waiting);
            match waiting.events.len() < limits::WATCH_EVENTS
                && !event.what.contains(ReadFlags::QUEUE_OVERFLOW)
            {
                true => waiting.events.push(event),
                false => waiting.lost = true,
            }
            !std::mem::replace(&mut waiting.asked, true)
        };
        if ask {
            (self.wake)();
        }
    }

    /// Looks at what has happened; may block. True when there is something to tell.
    pub fn work(&self) -> bool {
        let mut directories = lock(&self.directories);
        loop {
            let (events, lost) = {
                let mut waiting = lock(&self.waiting);
                if waiting.events.is_empty() && !waiting.lost {
                    waiting.asked = false;
                    return !lock(&self.gathered).is_empty();
                }
                (
                    std::mem::take(&mut waiting.events),
                    std::mem::take(&mut waiting.lost),
                )
            };
            lock(&self.gathered).overflowed |= lost;
            let mut looked_at = HashMap::new();
            for event in events {
                crate::workers::alive();
                self.look_at(&mut directories, &mut looked_at, &event);
            }
        }
    }

    /// [`Watch::work`] was not done: marks that something was lost. Unless it `hangs`, it is asked for again with the next event.
    pub fn missed(&self, hangs: bool) {
        lock(&self.gathered).overflowed = true;
        if !hangs {
            lock(&self.waiting).asked = false;
        }
    }

    /// What has changed since this was asked last; none when nothing has.
    pub fn changes(&self) -> Option<Changes> {
        lock(&self.gathered).take()
    }

    fn look_at(
        &self,
        directories: &mut HashMap<i32, Place>,
        looked_at: &mut HashMap<i32, bool>,
        event: &Event,
    ) {
        let Some(place) = directories.get(&event.wd) else {
            return;
        };
        let gone = ReadFlags::DELETE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED;
        if event.what.intersects(gone) {
            return self.forget(directories, event.wd);
        }
        // Once for the events that came together, and after they came: what is in place now was when they did, or they are nobody's business.
        let moved = event.what.contains(ReadFlags::MOVE_SELF);
        let in_place = match looked_at.get(&event.wd) {
            Some(in_place) if !moved => *in_place,
            _ => place.is_in_place().unwrap_or(false),
        };
        looked_at.insert(event.wd, in_place);
        if !in_place {
            return self.forget(directories, event.wd);
        }
        if event.name.is_empty() || !place.names().shows(&event.name) {
            return;
        }
        let Ok(path) = place.path.join(OsStr::from_bytes(&event.name)) else {
            // Longer than any call can name.
            return;
        };
        let came = ReadFlags::CREATE | ReadFlags::MOVED_TO;
        let went = ReadFlags::DELETE | ReadFlags::MOVED_FROM;
        let kind = match event.what {
            what if what.intersects(came) => ChangeKind::Created,
            what if what.intersects(went) => ChangeKind::Removed,
            _ => ChangeKind::Modified,
        };
        // Another watch of this directory may have asked for more.
        if self.what == What::Arrivals && kind != ChangeKind::Created {
            return;
        }
        self.tell(&path, kind);
        if !event.what.contains(ReadFlags::ISDIR) || self.what != What::AllBelow {
            return;
        }
        match kind {
            ChangeKind::Created => {
                if self.enter(directories, path, Some(kind)).is_err() {
                    // It is there, and not all of it is watched.
                    lock(&self.gathered).overflowed = true;
                }
            }
            ChangeKind::Removed => {
                let below: Vec<i32> = directories
                    .iter()
                    .filter(|(_, place)| place.path.starts_with(&path))
                    .map(|(wd, _)| *wd)
                    .collect();
                for wd in below {
                    self.forget(directories, wd);
                }
            }
            ChangeKind::Modified => {}
        }
    }

    fn tell(&self, path: &AbsPath, kind: ChangeKind) {
        let below = path.as_bytes().get(self.root.as_bytes().len()..);
        let name = below.unwrap_or_default();
        let name = name.strip_prefix(b"/").unwrap_or(name);
        lock(&self.gathered).add(name, kind);
    }

    /// Begins to watch a directory, and where this watch is recursive what is below it. `tell` is what to say of what is found there.
    fn enter(
        &self,
        directories: &mut HashMap<i32, Place>,
        top: AbsPath,
        tell: Option<ChangeKind>,
    ) -> Result<(), FsError> {
        let mut left = vec![top.clone()];
        while let Some(path) = left.pop() {
            crate::workers::alive();
            let listing = match self.ground.list(&path) {
                Ok(listing) => listing,
                Err(error) if path == top && tell.is_none() => return Err(error),
                // What may not be listed is not watched; what is gone was told, or will be.
                Err(_) => continue,
            };
            self.watch(directories, &listing)?;
            if self.what != What::AllBelow {
                return Ok(());
            }
            // Listed after it is watched: what comes in between is told twice rather than never.
            let Ok(mut listing) = self.ground.list(&path) else {
                continue;
            };
            while let Ok(Some(entry)) = listing.next() {
                let Ok(child) = path.join(OsStr::from_bytes(&entry.name)) else {
                    continue;
                };
                if let Some(kind) = tell {
                    self.tell(&child, kind);
                }
                if entry.kind == FileType::Directory {
                    if directories.len() + left.len() >= limits::WATCHED_DIRECTORIES {
                        return Err(too_many());
                    }
                    left.push(child);
                }
            }
        }
        Ok(())
    }

    fn watch(
        &self,
        directories: &mut HashMap<i32, Place>,
        listing: &crate::kernel::Listing,
    ) -> Result<(), FsError> {
        if self.quota.used.fetch_add(1, Ordering::Relaxed) >= limits::WATCHED_DIRECTORIES {
            self.quota.used.fetch_sub(1, Ordering::Relaxed);
            return Err(too_many());
        }
        let added = self.system.add(listing, self.what, &self.this);
        let known = match added {
            Ok(wd) => directories.insert(wd, listing.place().clone()).is_some(),
            Err(_) => true,
        };
        // One that was watched already was counted already.
        if known {
            self.quota.used.fetch_sub(1, Ordering::Relaxed);
        }
        added.map(|_| ())
    }

    fn forget(&self, directories: &mut HashMap<i32, Place>, wd: i32) {
        let Some(place) = directories.remove(&wd) else {
            return;
        };
        self.system.remove(wd, &self.this);
        self.quota.used.fetch_sub(1, Ordering::Relaxed);
        if place.path == self.root {
            self.tell(&place.path, ChangeKind::Removed);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let directories = std::mem::take(&mut *lock(&self.directories));
        self.quota
            .used
            .fetch_sub(directories.len(), Ordering::Relaxed);
        for wd in directories.into_keys() {
            self.system.remove(wd, &self.this);
        }
    }
}

fn too_many() -> FsError {
    FsError::Watch(
        "there are more directories than one client may watch: watch fewer, or without recursive",
    )
}
