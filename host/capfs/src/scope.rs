//! A scope: what one session may do under one permission profile, and how an operation runs inside it.
//!
//! Each takes the scope's warm instance, or a new one when that is busy, calls the guest once, and moves the bytes itself.
//! A guest that fails in any way costs this one request an error; its instance is dropped.

mod listing;
mod operations;
mod writing;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lockgate_grant::{AbsPath, Confined, Grants};
use rustix::io::Errno;
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::gate::{Gate, Instance};
use crate::kernel::bindings::exports::lockgate::files::operations::{
    Failure, Guest as Operations, Links,
};
use crate::kernel::bindings::wasi::filesystem::types::ErrorCode;
use crate::kernel::{Kernel, to_errno};
use crate::limits;
use crate::operation::{Follow, FsError};
use crate::options::Times;
use crate::warm::ScopeId;

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
