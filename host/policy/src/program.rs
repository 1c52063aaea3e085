//! A policy's component as it can be run: joined to what it is given, instantiated, and called within its limits.

use std::sync::Arc;
use std::time::Duration;

use lockgate_engine::{Engine, Fault, Guest};
use wasmtime::Store;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, TypedFunc,
};

use crate::action::{Action, Shown, Subject};
use crate::admission::{self, EVALUATOR};
use crate::error::{Failure, ModuleError};
use crate::limits;
use crate::reply::{RawDescription, RawVerdict};
use crate::scope::Scope;
use crate::verdict::Verdict;

/// What `evaluate` takes.
type Question<'a> = (&'a Subject, Shown<'a>);

/// A component that can be run as a policy.
pub(crate) struct Program {
    ready: InstancePre<Scope>,
    describe: ComponentExportIndex,
    evaluate: ComponentExportIndex,
    config: Arc<str>,
    memory_bytes: usize,
}

/// A started policy.
pub(crate) struct Started {
    pub(crate) store: Store<Scope>,
    instance: Instance,
    /// Bytes of its memories when it had been started.
    began_with: usize,
}

impl Started {
    /// Bytes by which its memories have grown.
    pub(crate) fn growth(&self) -> usize {
        self.store.data().memory.bytes - self.began_with
    }

    /// Whether its memories have little in all, so that dropping it takes microseconds.
    pub(crate) fn is_small(&self) -> bool {
        self.store.data().memory.bytes <= limits::SMALL_BYTES
    }

    /// Calls a function without parameters of an instance that the component exports.
    pub(crate) fn call_export<Answer>(
        &mut self,
        instance: &str,
        function: &str,
    ) -> wasmtime::Result<Answer>
    where
        Answer: ComponentNamedList + Lift + 'static,
    {
        let Started {
            store,
            instance: own,
            ..
        } = self;
        let missing = || wasmtime::format_err!("{instance} has no {function}");
        let (_, exported) = own
            .get_export(&mut *store, None, instance)
            .ok_or_else(missing)?;
        let (_, index) = own
            .get_export(&mut *store, Some(&exported), function)
            .ok_or_else(missing)?;
        let function = own.get_typed_func::<(), Answer>(&mut *store, index)?;
        function.call(store, ())
    }
}

impl Program {
    pub(crate) fn new(
        engine: &Engine,
        linker: &Linker<Scope>,
        guest: &Guest,
        config: Arc<str>,
        memory_bytes: usize,
    ) -> Result<Program, ModuleError> {
        let ready = guest
            .ready(linker)
            .map_err(|error| admission::refusal(guest, engine.wasmtime(), error))?;
        let component = guest.component();
        let exported = |name| {
            let interface = component.get_export_index(None, EVALUATOR)?;
            component.get_export_index(Some(&interface), name)
        };
        let (Some(describe), Some(evaluate)) = (exported("describe"), exported("evaluate")) else {
            return Err(admission::no_evaluator(guest, engine.wasmtime()));
        };
        Ok(Program {
            ready,
            describe,
            evaluate,
            config,
            memory_bytes,
        })
    }

    /// A new instance; its start functions have the given time.
    pub(crate) fn start(&self, engine: &Engine, time: Duration) -> Result<Started, Fault> {
        let scope = Scope::new(self.memory_bytes, self.config.clone());
        let mut store = engine.store(scope);
        store.limiter(|scope| &mut scope.memory);
        store.set_hostcall_fuel(limits::REPLY_BYTES);
        store.set_max_component_handles(limits::HANDLES);
        let _running = engine.limit_time(&mut store, time);
        let instance = self.ready.instantiate(&mut store).map_err(named)?;
        let began_with = store.data().memory.bytes;
        Ok(Started {
            store,
            instance,
            began_with,
        })
    }

    /// Has it describe itself. It is here that a policy whose functions do not fit the contract is found out, whichever of them.
    pub(crate) fn describe(
        &self,
        engine: &Engine,
        started: &mut Started,
    ) -> Result<RawDescription, ModuleError> {
        let misfit = |error: wasmtime::Error| ModuleError::Misfit(format!("{error:#}"));
        self.evaluate_function(started).map_err(misfit)?;
        let describe: TypedFunc<(), (Result<RawDescription, String>,)> =
            typed(started, &self.describe).map_err(misfit)?;
        let _running = engine.limit_time(&mut started.store, limits::LOAD_TIME);
        let (answer,) = describe
            .call(&mut started.store, ())
            .map_err(|error| ModuleError::Start("asked to describe itself", named(error)))?;
        answer.map_err(|text| ModuleError::Refuses(message(text)))
    }

    /// Asks it.
    pub(crate) fn evaluate(
        &self,
        engine: &Engine,
        started: &mut Started,
        subject: &Subject,
        action: &Action,
        time: Duration,
    ) -> Result<Verdict, Failure> {
        let evaluate = self.evaluate_function(started).map_err(named)?;
        let _running = engine.limit_time(&mut started.store, time);
        started.store.data_mut().walk = action.walk();
        let answer = evaluate.call(&mut started.store, (subject, action.shown()));
        started.store.data_mut().walk = None;
        let (answer,) = answer.map_err(named)?;
        answer
            .map_err(|text| Failure::Error(message(text)))?
            .check()
            .map_err(Failure::Answer)
    }

    fn evaluate_function<'a>(
        &self,
        started: &mut Started,
    ) -> wasmtime::Result<TypedFunc<Question<'a>, (Result<RawVerdict, String>,)>> {
        typed(started, &self.evaluate)
    }
}

fn typed<Params, Answer>(
    started: &mut Started,
    index: &ComponentExportIndex,
) -> wasmtime::Result<TypedFunc<Params, Answer>>
where
    Params: ComponentNamedList + Lower,
    Answer: ComponentNamedList + Lift,
{
    started.instance.get_typed_func(&mut started.store, index)
}

/// What ended a call. An answer that is too large is ended by wasmtime, whose word for it nobody would understand.
fn named(error: wasmtime::Error) -> Fault {
    match Fault::from(&error) {
        Fault::Host(text) if text.contains("fuel allocated for hostcalls") => Fault::Host(format!(
            "it hands over more than {} bytes in one call",
            limits::REPLY_BYTES
        )),
        fault => fault,
    }
}

/// A text of the policy's for a message.
fn message(text: String) -> String {
    match text.len() <= limits::MESSAGE_BYTES {
        true => text,
        false => text
            .chars()
            .take(limits::MESSAGE_BYTES / 4)
            .chain(['…'])
            .collect(),
    }
}
