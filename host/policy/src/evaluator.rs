//! What all policies of a gate run in: one engine with its clock, the interfaces that they are given, and so many places for decisions.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_engine::{CacheChoice, Engine, EngineError, Options, Shape};
use wasmtime::component::Linker;

use crate::empty_wasi;
use crate::error::{Failure, PolicyError};
use crate::limits;
use crate::scope::{self, Scope};
use crate::settings::Wasi;

/// Runs policies.
pub struct Evaluator {
    pub(crate) engine: Engine,
    plain: Linker<Scope>,
    with_wasi: Linker<Scope>,
    places: Places,
    warm: Arc<AtomicU32>,
}

/// Leave to keep one instance warm; dropping it gives it back.
pub(crate) struct WarmTicket(Arc<AtomicU32>);

impl Evaluator {
    /// Starts an engine. Compiled code is kept where `cache` says.
    pub fn new(cache: CacheChoice) -> Result<Arc<Evaluator>, PolicyError> {
        let engine = Engine::new(&Options {
            instances: limits::DECISIONS_AT_ONCE + limits::WARM_AT_ONCE,
            keep_resident: limits::KEEP_RESIDENT_BYTES,
            shape: Shape {
                core_instances: limits::CORE_INSTANCES,
                memories: limits::MEMORIES,
                tables: limits::TABLES,
            },
            tick: limits::TICK,
            cache,
        })?;
        let given = || {
            let mut plain = engine.linker();
            scope::link(&mut plain)?;
            let mut with_wasi = plain.clone();
            empty_wasi::link(&mut with_wasi)?;
            Ok((plain, with_wasi))
        };
        // The names are constants; only one that is given twice would be refused.
        let (plain, with_wasi) = given()
            .map_err(|error: wasmtime::Error| EngineError::Settings(format!("{error:#}")))?;
        Ok(Arc::new(Evaluator {
            engine,
            plain,
            with_wasi,
            places: Places::new(limits::DECISIONS_AT_ONCE),
            warm: Arc::default(),
        }))
    }

    /// What a policy is given.
    pub(crate) fn linker(&self, wasi: Wasi) -> &Linker<Scope> {
        match wasi {
            Wasi::None => &self.plain,
            Wasi::Empty => &self.with_wasi,
        }
    }

    /// What wasmtime came out as.
    pub fn engine(&self) -> &lockgate_engine::Report {
        self.engine.report()
    }

    /// Waits for a place among the decisions that are being made, so long at most.
    pub(crate) fn place(&self, time: Duration) -> Result<Place<'_>, Failure> {
        self.places.take(time)
    }

    /// Leave to keep an instance warm, if there is room in the pool for one more.
    pub(crate) fn warm_ticket(&self) -> Option<WarmTicket> {
        // Counted first, so that two at once cannot both take the last.
        let ticket = WarmTicket(self.warm.clone());
        let before = self.warm.fetch_add(1, Ordering::Relaxed);
        (before < limits::WARM_AT_ONCE).then_some(ticket)
    }
}

impl Drop for WarmTicket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Evaluator").field(self.engine()).finish()
    }
}

/// No more than there are instances in the pool beside the warm ones, so that the pool is never full.
struct Places {
    state: Mutex<Free>,
    freed: Condvar,
}

struct Free {
    places: u32,
    /// Decisions that wait for one. Only then is it a system call to give one back.
    waiting: u32,
}

/// One of the places; dropping it gives it back.
pub(crate) struct Place<'a>(&'a Places);

impl Places {
    fn new(free: u32) -> Places {
        Places {
            state: Mutex::new(Free {
                places: free,
                waiting: 0,
            }),
            freed: Condvar::new(),
        }
    }

    fn take(&self, time: Duration) -> Result<Place<'_>, Failure> {
        let mut free = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if free.places == 0 {
            let until = Instant::now() + time;
            while free.places == 0 {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Failure::Busy);
                }
                free.waiting += 1;
                free = self
                    .freed
                    .wait_timeout(free, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                free.waiting -= 1;
            }
        }
        free.places -= 1;
        Ok(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut free = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        free.places += 1;
        if free.waiting > 0 {
            self.0.freed.notify_one();
        }
    }
}
