//! What can go wrong with a guest, by name: when it is loaded ([`EngineError`]) and when it runs ([`Fault`]).

use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::ceilings::Ceiling;
use crate::digest::Digest;
use crate::limits;

/// Why an engine or a guest could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused its settings, in the pool and without it.
    #[error("the WebAssembly engine cannot start on this machine: {0}")]
    Settings(String),
    /// The thread that advances deadlines could not be started.
    #[error("the thread that enforces deadlines cannot be started: {0}")]
    Clock(std::io::Error),
    /// The bytes are not the ones that were pinned.
    #[error(
        "the component has digest {found}, but {expected} is what was asked for: refusing to run it"
    )]
    Digest {
        /// What was pinned.
        expected: Digest,
        /// What the bytes are.
        found: Digest,
    },
    /// The component is larger than [`limits::MAX_COMPONENT_BYTES`].
    #[error("the component has {0} bytes; at most {limit} are accepted", limit = limits::MAX_COMPONENT_BYTES)]
    TooLarge(usize),
    /// The bytes are no component that this engine can run.
    #[error("not a component that can be loaded: {0}")]
    Invalid(String),
    /// The system did not give what the memories of its instances begin from.
    #[error("the image of its memory cannot be made: {0}")]
    Image(String),
    /// The component wants an import that its gate does not give.
    #[error("the component asks for more than it is given: {0}")]
    Imports(String),
}

/// What ended a call into a guest. After any of them the instance is spent: drop its store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The call's time was up.
    #[error("it ran past its deadline")]
    Deadline,
    /// The guest wanted to grow past a ceiling.
    #[error("{0}")]
    Ceiling(#[from] Ceiling),
    /// The guest recursed until its stack was full.
    #[error("its stack is full")]
    Stack,
    /// The guest gave up: a panic or an abort, which is what an `unreachable` instruction means in compiled code.
    #[error("it panicked or aborted")]
    Aborted,
    /// The instance had failed before and cannot be entered again.
    #[error("its instance failed in an earlier call")]
    Spent,
    /// As many instances as the engine allows are alive. Give one back and try again.
    #[error("no instance is free")]
    PoolFull,
    /// Another trap of the guest.
    #[error("it trapped: {0}")]
    Trap(String),
    /// An error that did not come from guest code: a host function refused, or a value could not be passed.
    #[error("{0}")]
    Host(String),
}

impl From<&wasmtime::Error> for Fault {
    fn from(error: &wasmtime::Error) -> Fault {
        if let Some(ceiling) = error.downcast_ref::<Ceiling>() {
            return Fault::Ceiling(*ceiling);
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Fault::PoolFull;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Fault::Deadline,
            Some(Trap::StackOverflow) => Fault::Stack,
            Some(Trap::UnreachableCodeReached) => Fault::Aborted,
            Some(Trap::CannotEnterComponent) => Fault::Spent,
            Some(trap) => Fault::Trap(trap.to_string()),
            // The root cause says what happened; the contexts above it are addresses in guest code.
            None => Fault::Host(error.root_cause().to_string()),
        }
    }
}

impl From<wasmtime::Error> for Fault {
    fn from(error: wasmtime::Error) -> Fault {
        Fault::from(&error)
    }
}
