//! What a policy has in its memory after `describe`, made the beginning of every instance.
//!
//! Parsing a configuration can take milliseconds, and each decision has an instance of its own. So the component is run once, until it has
//! described itself, and then written again with its memories and globals as they are (wasmtime's wizer does that). An instance of the
//! new component begins there at no cost: its memory is mapped from an image, and copied where it is written to.
//!
//! Not every component can be treated so: not one that consists of others, or that changes its tables as it runs, or that still holds something
//! of the host's. Those are run as they are, and parse their configuration when they are asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::component::{ComponentNamedList, Lift, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use crate::error::ModuleError;
use crate::evaluator::Evaluator;
use crate::limits;
use crate::program::{Program, Started};
use crate::reply::RawDescription;
use crate::settings::ModuleSettings;

/// What came of it.
pub(crate) enum Outcome {
    /// A component that begins where the other was after `describe`; and what that said.
    Taken(Box<Program>, RawDescription),
    /// It cannot be done; and what `describe` said, if it came so far.
    Refused(String, Option<RawDescription>),
}

/// Runs a component until it has described itself, and makes another of what it is then. An error is the policy's: it would fail without this, too.
pub(crate) fn take(
    evaluator: &Evaluator,
    bytes: &[u8],
    config: &Arc<str>,
    settings: &ModuleSettings,
    says: &str,
) -> Result<Outcome, ModuleError> {
    let engine = &evaluator.engine;
    let program = |bytes: &[u8], memory_bytes| {
        let guest = engine.load(bytes, None).map_err(ModuleError::Engine)?;
        Program::new(
            engine,
            evaluator.linker(settings.wasi),
            &guest,
            config.clone(),
            memory_bytes,
        )
    };
    let refused = |why: String| Ok(Outcome::Refused(why, None));
    let memory_bytes = settings.memory_bytes;
    let wizer = Wizer::new();
    let (context, instrumented) = match caught(|| wizer.instrument_component(bytes)) {
        Ok(both) => both,
        Err(why) => return refused(why),
    };
    // The page on which each memory says how large it is comes on top of what the policy may have.
    let measured = memory_bytes + limits::MEMORIES as usize * WASM_PAGE_BYTES;
    let first = match program(&instrumented, measured) {
        Err(ModuleError::Engine(error)) => return refused(error.to_string()),
        first => first?,
    };
    let mut started = first
        .start(engine, limits::LOAD_TIME)
        .map_err(|fault| ModuleError::Start("started", fault))?;
    let description = first.describe(engine, &mut started);
    started.store.data_mut().write_lines(says);
    let description = description?;
    let refused = |why: String, description| Ok(Outcome::Refused(why, Some(description)));
    if started.store.data().is_held() {
        return refused(
            "it holds streams or other things of the host's".to_owned(),
            description,
        );
    }
    let mut state = State {
        engine,
        started,
        failure: None,
    };
    state.started.store.set_hostcall_fuel(usize::MAX);
    let taken = caught(|| at_once(wizer.snapshot_component(&context, &mut state)));
    let rewritten = match (taken, state.failure) {
        (Ok(rewritten), None) => rewritten,
        (Ok(_), Some(error)) => return refused(format!("{error:#}"), description),
        (Err(why), _) => return refused(why, description),
    };
    match program(&rewritten, memory_bytes) {
        Ok(program) => Ok(Outcome::Taken(Box::new(program), description)),
        Err(error) => refused(error.to_string(), description),
    }
}

const WASM_PAGE_BYTES: usize = 64 * 1024;

/// Wizer panics on some shapes that nobody makes by accident. Nothing of it is used after that.
fn caught<T>(run: impl FnOnce() -> wasmtime::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome.map_err(|error| format!("{error:#}")),
        Err(_) => Err("the component has a shape that cannot be written again".to_owned()),
    }
}

/// Wizer asks for its answers to be awaited. These are there at once.
fn at_once<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(wasmtime::format_err!("it waits for something")),
    }
}

/// Reads an instance's memories and globals through the functions that wizer has added to it.
struct State<'a> {
    engine: &'a lockgate_engine::Engine,
    started: Started,
    /// The first thing that went wrong. There is no way to tell wizer, so it is given zeros, and nothing of what it makes is used.
    failure: Option<wasmtime::Error>,
}

impl State<'_> {
    fn call<Answer, T>(
        &mut self,
        instance: &str,
        function: &str,
        with: impl FnOnce(&Started, Answer) -> T,
    ) -> Option<T>
    where
        Answer: Lift + 'static,
        (Answer,): ComponentNamedList + Lift,
    {
        let _running = self
            .engine
            .limit_time(&mut self.started.store, limits::LOAD_TIME);
        match self.started.call_export::<(Answer,)>(instance, function) {
            Ok((answer,)) => Some(with(&self.started, answer)),
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        let mut contents = Some(contents);
        self.call(instance, func, |started, list: WasmList<u8>| {
            if let Some(contents) = contents.take() {
                contents(list.as_le_slice(&started.store));
            }
        });
        if let Some(contents) = contents {
            contents(&[]);
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func, |_, value| value)
            .unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func, |_, value| value)
            .unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call(instance, func, |_, value: f32| value.to_bits())
            .unwrap_or_default()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call(instance, func, |_, value: f64| value.to_bits())
            .unwrap_or_default()
    }
}
