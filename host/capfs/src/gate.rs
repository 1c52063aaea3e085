//! The gate: the engine, the guest, the root directory, and the warm instances of all scopes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lockgate_engine::{Digest, Engine, Fault, Guest};
use lockgate_grant::Grants;
use wasmtime::Store;
use wasmtime::component::HasSelf;

use crate::admission::{self, GuestError};
use crate::kernel::bindings::exports::lockgate::files::operations::Guest as Operations;
use crate::kernel::bindings::{FileGuest, FileGuestPre, lockgate, wasi};
use crate::kernel::root::Root;
use crate::kernel::{Kernel, log};
use crate::options::{GuestSource, Times};
use crate::own::Own;
use crate::warm::{ScopeId, Warm};

/// The component that this crate was built with; `guest/dist` has it with the digest of its sources.
const STOCK_GUEST: &[u8] = include_bytes!("../../../guest/dist/fs.wasm");

pub(crate) struct Gate {
    engine: Engine,
    guest: FileGuestPre<Kernel>,
    digest: Digest,
    guest_logs: bool,
    log: log::Writer,
    root: Arc<Root>,
    own: Own,
    times: Times,
    warm: Mutex<Warm<Instance>>,
    next_scope: AtomicU64,
}

/// A guest with all that it holds.
pub(crate) struct Instance {
    store: Store<Kernel>,
    guest: FileGuest,
}

impl Gate {
    /// Loads the guest. One that was brought is tried before it is trusted with a request: it must start.
    pub(crate) fn new(
        engine: Engine,
        source: &GuestSource,
        root: Root,
        own: Own,
        times: Times,
    ) -> Result<Gate, GuestError> {
        let (component, pin) = match source {
            GuestSource::Stock => (STOCK_GUEST, None),
            GuestSource::Component { bytes, pin } => (&**bytes, *pin),
        };
        admission::is_component(component)?;
        let guest = engine.load(component, pin)?;
        let brought = matches!(source, GuestSource::Component { .. });
        let ready = ready(&engine, &guest, brought)
            .map_err(|error| admission::refusal(&guest, engine.wasmtime(), &error))?;
        let guest_logs = brought && admission::logs(&guest, engine.wasmtime());
        let gate = Gate {
            engine,
            guest: ready,
            digest: guest.digest(),
            guest_logs,
            log: log::Writer::new(),
            root: Arc::new(root),
            own,
            times,
            warm: Mutex::default(),
            next_scope: AtomicU64::new(0),
        };
        if brought {
            gate.instantiate(&Arc::new(Grants::none()), times.operation)
                .map_err(GuestError::Start)?;
        }
        Ok(gate)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn guest_logs(&self) -> bool {
        self.guest_logs
    }

    /// Where guests' lines are written.
    pub(crate) fn log(&self) -> &log::Writer {
        &self.log
    }

    pub(crate) fn times(&self) -> Times {
        self.times
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// What no scope may write.
    pub(crate) fn own(&self) -> &Own {
        &self.own
    }

    pub(crate) fn new_scope(&self) -> ScopeId {
        self.next_scope.fetch_add(1, Ordering::Relaxed)
    }

    /// The scope's warm instance.
    pub(crate) fn take_warm(&self, scope: ScopeId) -> Option<Instance> {
        self.warm().take(scope)
    }

    /// A new instance. Where the pool is full, idle instances make room until there is none left.
    pub(crate) fn instantiate(
        &self,
        grants: &Arc<Grants>,
        time: Duration,
    ) -> Result<Instance, Fault> {
        loop {
            let mut store = self.engine.store(Kernel::new(
                grants.clone(),
                self.root.clone(),
                self.own.clone(),
            ));
            store.limiter(|kernel| &mut kernel.memory);
            store.data_mut().set_deadline(Instant::now() + time);
            let running = self.engine.limit_time(&mut store, time);
            let guest = self.guest.instantiate(&mut store);
            drop(running);
            match guest.map_err(Fault::from) {
                Ok(guest) => return Ok(Instance { store, guest }),
                Err(Fault::PoolFull) => {
                    drop(store);
                    let evicted = self.warm().evict();
                    if evicted.is_none() {
                        return Err(Fault::PoolFull);
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Keeps an instance for the scope's next request.
    pub(crate) fn give_back(&self, scope: ScopeId, instance: Instance) {
        // Dropped after the lock is.
        let _no_room = self.warm().give(scope, instance);
    }

    /// Drops the instances of a scope that is no more.
    pub(crate) fn forget(&self, scope: ScopeId) {
        let _instances = self.warm().forget(scope);
    }

    pub(crate) fn give_up_unused(&self, time: Duration) {
        let _instances = self.warm().unused_for(time);
    }

    pub(crate) fn warm_instances(&self) -> usize {
        self.warm().len()
    }

    fn warm(&self) -> MutexGuard<'_, Warm<Instance>> {
        // Nothing in there can be left half done by a panic.
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins a guest to what it may call: these three interfaces, a log if it was brought, and nothing else. One that wants more does
/// not start.
fn ready(engine: &Engine, guest: &Guest, brought: bool) -> wasmtime::Result<FileGuestPre<Kernel>> {
    let mut linker = engine.linker::<Kernel>();
    let files = &mut linker;
    wasi::filesystem::types::add_to_linker::<Kernel, HasSelf<Kernel>>(files, |kernel| kernel)?;
    wasi::filesystem::preopens::add_to_linker::<Kernel, HasSelf<Kernel>>(files, |kernel| kernel)?;
    lockgate::files::extra::add_to_linker::<Kernel, HasSelf<Kernel>>(files, |kernel| kernel)?;
    if brought {
        log::link(files)?;
    }
    FileGuestPre::new(linker.instantiate_pre(guest.component())?)
}

impl Instance {
    /// Calls the guest, which has this much time.
    pub(crate) fn call<T>(
        &mut self,
        engine: &Engine,
        time: Duration,
        call: impl FnOnce(&Operations, &mut Store<Kernel>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.store.data_mut().set_deadline(Instant::now() + time);
        let running = engine.limit_time(&mut self.store, time);
        let answer = call(self.guest.lockgate_files_operations(), &mut self.store);
        drop(running);
        answer.map_err(Fault::from)
    }

    /// Its next call is held to these.
    pub(crate) fn hold_to(&mut self, grants: &Arc<Grants>) {
        self.store.data_mut().hold_to(grants);
    }

    /// What it told its operator since it was asked last.
    pub(crate) fn take_lines(&mut self) -> log::Lines {
        std::mem::take(&mut self.store.data_mut().lines)
    }

    /// Bytes of its memory, which never shrinks.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory.bytes
    }
}
