//! What all policies of a gate run in: one engine with its clock, the interfaces that they are given, and so many places for decisions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lockgate_engine::{CacheChoice, Engine, EngineError, Options, Shape};
use wasmtime::component::Linker;

use crate::empty_wasi;
use crate::error::{Failure, PolicyError};
use crate::limits;
use crate::places::{self, Place, Places, Seat};
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
            instances: places::MOST + limits::WARM_AT_ONCE,
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
            places: Places::new(),
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

    /// Waits for a place among the decisions that are being made, so long at most. `seat` is that of the policy.
    pub(crate) fn place<'a>(
        &'a self,
        seat: &'a Seat,
        time: Duration,
    ) -> Result<Place<'a>, Failure> {
        self.places.take(seat, time)
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
