//! A scope: what one session may do under one permission profile, and the operations that run inside it.
//!
//! Each operation takes the scope's warm instance, or a new one when that is busy, calls the guest once, and moves the bytes itself.
//! A guest that fails in any way costs this one request an error; its instance is dropped.

mod listing;
mod writing;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_grant::{AbsPath, Confined, Grants};
use rustix::io::Errno;
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::gate::{Gate, Instance};
use crate::kernel::bindings::exports::lockgate::files::operations::{
    Failure, Guest as Operations, Links, WriteHow,
};
use crate::kernel::bindings::wasi::clocks::wall_clock::Datetime;
use crate::kernel::bindings::wasi::filesystem::types::{DescriptorType, ErrorCode, NewTimestamp};
use crate::kernel::{Descriptor, Kernel, decode, encode, file_kind, to_errno};
use crate::operation::{Follow, FsError, Metadata, NewTimes, OpenFile};
use crate::options::Times;
use crate::warm::ScopeId;
use crate::{contents, limits};

/// What one session may do under one permission profile. Cheap to clone; the last one to go takes the warm instances with it.
#[derive(Clone)]
pub struct Scope {
    shared: Arc<Shared>,
}

struct Shared {
    gate: Arc<Gate>,
    id: ScopeId,
    /// What was granted when the scope was made.
    granted: Arc<Grants>,
    held_to: Mutex<HeldTo>,
    absent: Vec<AbsPath>,
    around_own: bool,
    running: AtomicUsize,
}

/// What is granted now: the embedder's own files may have come to be elsewhere since the scope was made, and nobody keeps a right to them.
struct HeldTo {
    /// Of the own places.
    generation: u64,
    grants: Arc<Grants>,
}

pub(crate) type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Scope {
    /// `generation` is that of the own places which `confined` was made with.
    pub(crate) fn new(gate: Arc<Gate>, confined: Confined, generation: u64) -> Scope {
        Scope::made(gate, confined, generation, false)
    }

    /// One that keeps nothing back but what is the embedder's own.
    pub(crate) fn around_own(gate: Arc<Gate>, confined: Confined, generation: u64) -> Scope {
        Scope::made(gate, confined, generation, true)
    }

    fn made(gate: Arc<Gate>, confined: Confined, generation: u64, around_own: bool) -> Scope {
        let id = gate.new_scope();
        let Confined { grants, absent } = confined;
        let granted = Arc::new(grants);
        Scope {
            shared: Arc::new(Shared {
                gate,
                id,
                held_to: Mutex::new(HeldTo {
                    generation,
                    grants: Arc::clone(&granted),
                }),
                granted,
                absent,
                around_own,
                running: AtomicUsize::new(0),
            }),
        }
    }

    /// What the scope holds.
    pub fn grants(&self) -> Arc<Grants> {
        self.shared.grants()
    }

    /// It keeps nothing back but what is the embedder's own.
    pub fn is_around_own(&self) -> bool {
        self.shared.around_own
    }

    /// Paths whose absence is part of what the scope's profile meant when the scope was made.
    pub(crate) fn absent(&self) -> &[AbsPath] {
        &self.shared.absent
    }

    /// Opens a regular file for reading.
    pub fn open(&self, path: &AbsPath, follow: Follow) -> Result<OpenFile, FsError> {
        self.run(self.times().operation, |guest, store| {
            read(guest, store, path, follow)
        })
    }

    /// [`Scope::open`] if it can be done at once, from memory: without waiting for a disk, a network or an instance.
    pub fn try_open(&self, path: &AbsPath, follow: Follow) -> Option<Result<OpenFile, FsError>> {
        self.attempt(|guest, store| read(guest, store, path, follow))
    }

    /// Makes `bytes` the contents of the file, in place; creates it where it is missing.
    pub fn write_file(&self, path: &AbsPath, bytes: &[u8], follow: Follow) -> Result<(), FsError> {
        contents::replace(self.writable(path, WriteHow::CREATE, follow)?, bytes)
    }

    /// Makes a directory; with `recursive` like `mkdir -p`.
    pub fn create_directory(
        &self,
        path: &AbsPath,
        recursive: bool,
        follow: Follow,
    ) -> Result<(), FsError> {
        self.run(self.times().operation, |guest, store| {
            guest.call_create_directory(store, &encode(path.as_bytes()), recursive, links(follow))
        })
    }

    /// Type, size and times of what the path leads to.
    pub fn metadata(&self, path: &AbsPath, follow: Follow) -> Result<Metadata, FsError> {
        self.run(self.times().operation, |guest, store| {
            metadata(guest, store, path, follow)
        })
    }

    /// [`Scope::metadata`] if it can be done at once, from memory: without waiting for a disk, a network or an instance.
    pub fn try_metadata(
        &self,
        path: &AbsPath,
        follow: Follow,
    ) -> Option<Result<Metadata, FsError>> {
        self.attempt(|guest, store| metadata(guest, store, path, follow))
    }

    /// The path without any link in it.
    pub fn canonicalize(&self, path: &AbsPath) -> Result<AbsPath, FsError> {
        let text = self.run(self.times().operation, |guest, store| {
            guest.call_canonicalize(store, &encode(path.as_bytes()))
        })?;
        AbsPath::from_bytes(&decode(&text)).map_err(|error| FsError::Gate(error.to_string()))
    }

    /// Removes a file, a link, or a directory.
    pub fn remove(
        &self,
        path: &AbsPath,
        recursive: bool,
        force: bool,
        follow: Follow,
    ) -> Result<(), FsError> {
        self.run(self.times().tree, |guest, store| {
            guest.call_remove(
                store,
                &encode(path.as_bytes()),
                recursive,
                force,
                links(follow),
            )
        })
    }

    /// Copies a file, a link, or a tree.
    pub fn copy(
        &self,
        source: &AbsPath,
        destination: &AbsPath,
        recursive: bool,
    ) -> Result<(), FsError> {
        self.run(self.times().tree, |guest, store| {
            let copied = guest.call_copy(
                &mut *store,
                &encode(source.as_bytes()),
                &encode(destination.as_bytes()),
                recursive,
            )?;
            // The guest knows the error's number; the kernel knows what it has left.
            Ok(match (copied, store.data_mut().torn.take()) {
                (Err(Failure::System(_)), Some(torn)) => Ok(Err(torn)),
                (copied, _) => copied.map(Ok),
            })
        })?
    }

    /// Gives a file, a link or a directory another name. What is at `destination` is replaced, with `overwrite`: a file by
    /// a file or link, an empty directory by a directory.
    pub fn rename(
        &self,
        source: &AbsPath,
        destination: &AbsPath,
        overwrite: bool,
    ) -> Result<(), FsError> {
        let (source, destination) = (encode(source.as_bytes()), encode(destination.as_bytes()));
        self.run(self.times().operation, |guest, store| {
            guest.call_rename(store, &source, &destination, overwrite)
        })
    }

    /// Makes a symbolic link at `path` that says `target`. Where that leads does not matter here: whoever goes through the gate follows
    /// it no further than the grants reach.
    pub fn symlink(&self, target: &OsStr, path: &AbsPath) -> Result<(), FsError> {
        self.make_link(target.as_bytes(), path, Follow::Links)
    }

    /// [`Scope::symlink`], or one that refuses links on the way to the name.
    pub(crate) fn make_link(
        &self,
        target: &[u8],
        path: &AbsPath,
        follow: Follow,
    ) -> Result<(), FsError> {
        let (target, path) = (encode(target), encode(path.as_bytes()));
        self.run(self.times().operation, |guest, store| {
            guest.call_make_symlink(store, &target, &path, links(follow))
        })
    }

    /// What the link at `path` says.
    pub(crate) fn read_link(&self, path: &AbsPath, follow: Follow) -> Result<Vec<u8>, FsError> {
        let target = self.run(self.times().operation, |guest, store| {
            guest.call_read_link(store, &encode(path.as_bytes()), links(follow))
        })?;
        Ok(decode(&target).into_owned())
    }

    /// Sets the nine permission bits of a file or directory.
    pub fn set_mode(&self, path: &AbsPath, mode: u32, follow: Follow) -> Result<(), FsError> {
        self.run(self.times().operation, |guest, store| {
            guest.call_set_mode(store, &encode(path.as_bytes()), mode, links(follow))
        })
    }

    /// Sets the times of a file or directory. Times before 1970 cannot be told to a guest and are invalid.
    pub fn set_times(
        &self,
        path: &AbsPath,
        times: NewTimes,
        follow: Follow,
    ) -> Result<(), FsError> {
        let (accessed, modified) = (timestamp(times.accessed)?, timestamp(times.modified)?);
        let path = encode(path.as_bytes());
        self.run(self.times().operation, |guest, store| {
            guest.call_set_times(store, &path, accessed, modified, links(follow))
        })
    }

    pub(crate) fn times(&self) -> Times {
        self.shared.gate.times()
    }

    /// Runs one operation in an instance of the scope.
    pub(crate) fn run<T>(
        &self,
        time: Duration,
        call: impl FnOnce(&Operations, &mut Store<Kernel>) -> Answer<T>,
    ) -> Result<T, FsError> {
        let shared = &*self.shared;
        let _running = Running::enter(shared)?;
        let grants = shared.grants();
        let instance = match shared.gate.take_warm(shared.id) {
            Some(instance) => instance,
            None => shared
                .gate
                .instantiate(&grants, time)
                .map_err(|fault| FsError::Gate(fault.to_string()))?,
        };
        shared.call(instance, &grants, time, call)
    }

    /// Runs one operation only if the scope has an instance at hand and the kernel answers from memory.
    fn attempt<T>(
        &self,
        call: impl FnOnce(&Operations, &mut Store<Kernel>) -> Answer<T>,
    ) -> Option<Result<T, FsError>> {
        let shared = &*self.shared;
        let _running = Running::enter(shared).ok()?;
        let instance = shared.gate.take_warm(shared.id)?;
        let grants = shared.grants();
        let answer = shared.call(instance, &grants, self.times().operation, |guest, store| {
            store.data_mut().cached_only = true;
            let answer = call(guest, store);
            store.data_mut().cached_only = false;
            if matches!(answer, Ok(Err(Failure::System(ErrorCode::WouldBlock)))) {
                // It will be asked again, and tells its story then.
                drop(std::mem::take(&mut store.data_mut().lines));
            }
            answer
        });
        match answer {
            Err(FsError::Os(Errno::AGAIN)) => None,
            answer => Some(answer),
        }
    }
}

impl Shared {
    /// What is granted now.
    fn grants(&self) -> Arc<Grants> {
        let mut held_to = self.held_to.lock().unwrap_or_else(PoisonError::into_inner);
        if held_to.generation != self.gate.own().generation() {
            let (generation, own) = self.gate.own().places();
            let granted = Grants::clone(&self.granted);
            *held_to = HeldTo {
                generation,
                grants: Arc::new(granted.within(Grants::around(&own))),
            };
        }
        Arc::clone(&held_to.grants)
    }

    fn call<T>(
        &self,
        mut instance: Instance,
        grants: &Arc<Grants>,
        time: Duration,
        call: impl FnOnce(&Operations, &mut Store<Kernel>) -> Answer<T>,
    ) -> Result<T, FsError> {
        instance.hold_to(grants);
        let called = instance.call(self.gate.engine(), time, call);
        let lines = instance.take_lines();
        self.gate.log().write(lines);
        match called {
            Ok(answer) => {
                if instance.memory_bytes() <= limits::WARM_INSTANCE_BYTES {
                    self.gate.give_back(self.id, instance);
                }
                answer.map_err(failure)
            }
            Err(fault) => {
                tracing::warn!(%fault, "file guest failed; its instance is replaced");
                Err(FsError::Gate(fault.to_string()))
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.gate.forget(self.id);
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("id", &self.shared.id)
            .field("grants", &self.shared.granted)
            .finish()
    }
}

/// A request on its way through the scope.
struct Running<'a>(&'a Shared);

impl<'a> Running<'a> {
    fn enter(shared: &'a Shared) -> Result<Running<'a>, FsError> {
        let running = Running(shared);
        match shared.running.fetch_add(1, Ordering::Relaxed) {
            others if others < limits::RUNNING_PER_SCOPE => Ok(running),
            others => Err(FsError::Gate(format!(
                "{others} file requests of this session are still running: try again later"
            ))),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn read(
    guest: &Operations,
    store: &mut Store<Kernel>,
    path: &AbsPath,
    follow: Follow,
) -> Answer<OpenFile> {
    let opened = guest.call_open_read(&mut *store, &encode(path.as_bytes()), links(follow))?;
    taken(opened, store, |descriptor| match descriptor {
        Descriptor::File(file) if file.readable => Ok(OpenFile {
            fd: file.fd,
            size: file.size,
        }),
        Descriptor::File(_) => Err(ErrorCode::BadDescriptor),
        Descriptor::Directory { .. } => Err(ErrorCode::IsDirectory),
    })
}

fn metadata(
    guest: &Operations,
    store: &mut Store<Kernel>,
    path: &AbsPath,
    follow: Follow,
) -> Answer<Metadata> {
    store.data_mut().seen = None;
    let found = guest.call_metadata(&mut *store, &encode(path.as_bytes()), links(follow))?;
    let seen = store.data_mut().seen.take();
    Ok(found.map(|found| Metadata {
        is_directory: found.target.type_ == DescriptorType::Directory,
        is_file: found.target.type_ == DescriptorType::RegularFile,
        is_symlink: found.is_symlink,
        size: found.target.size,
        created_ms: found.target.created_ms,
        modified_ms: found.target.modified_ms,
        mode: found.target.mode,
        kind: file_kind(found.target.type_),
        owner: seen.and_then(|seen| seen.owner_of(&found.target)),
    }))
}

/// Takes what the guest hands out: from here on it is the host's, and the guest's handle is gone.
fn taken<R: 'static, T>(
    handed: Result<Resource<R>, Failure>,
    store: &mut Store<Kernel>,
    take: impl FnOnce(R) -> Result<T, ErrorCode>,
) -> Answer<T> {
    let resource = match handed {
        Ok(resource) => resource,
        Err(failure) => return Ok(Err(failure)),
    };
    Ok(take(store.data_mut().table.delete(resource)?).map_err(Failure::System))
}

fn timestamp(time: Option<SystemTime>) -> Result<NewTimestamp, FsError> {
    let Some(time) = time else {
        return Ok(NewTimestamp::NoChange);
    };
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| Errno::INVAL)?;
    Ok(NewTimestamp::Timestamp(Datetime {
        seconds: since.as_secs(),
        nanoseconds: since.subsec_nanos(),
    }))
}

fn links(follow: Follow) -> Links {
    match follow {
        Follow::Links => Links::Follow,
        Follow::Nothing => Links::Refuse,
    }
}

fn failure(failure: Failure) -> FsError {
    match failure {
        // The kernel's word for a device, FIFO or socket that was to be opened.
        Failure::System(ErrorCode::NoSuchDevice) => FsError::NotRegular,
        Failure::System(code) => FsError::Os(to_errno(code)),
        Failure::SymbolicLink => FsError::SymbolicLink,
        Failure::CopyNeedsRecursive => FsError::CopyNeedsRecursive,
        Failure::CopyIntoItself => FsError::CopyIntoItself,
        Failure::CopyUnsupported => FsError::CopyUnsupported,
    }
}
