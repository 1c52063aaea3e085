//! Which component may be the file guest: one for our world, that asks for nothing beyond it and starts.
//!
//! Joining it to what the gate gives is the test, and it is wasmtime's own; what is here is the account of why a component
//! did not pass, since that is read by somebody who has just written one.

use lockgate_engine::{Binary, EngineError, Fault, Guest, interface, version};
use wasmtime::Engine;

/// What a file guest exports.
const OPERATIONS: &str = "lockgate:files/operations";

/// The version of the `lockgate:files` package in `wit/`.
const VERSION: &str = "0.1.0";

/// What a file guest may call.
const GIVEN: [&str; 3] = [
    "lockgate:files/extra",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
];

/// Names told in one message: a guest that was built for another world asks for dozens.
const NAMES_TOLD: usize = 4;

/// What one that was brought by configuration may call besides.
pub(crate) const LOG: &str = "lockgate:files/log@0.1.0";

/// Why a component cannot be the file guest.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// A core module: the linker was told to make one, or not told anything.
    #[error(
        "it is a core WebAssembly module and no component; build it with `-C linker=wasm-component-ld` (docs/guests.md)"
    )]
    Module,
    /// Neither a module nor a component.
    #[error("it is no WebAssembly component")]
    NotWebAssembly,
    /// The engine does not take it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It calls what no file guest is given.
    #[error(
        "it asks for {0}, and a file guest gets files and nothing else; build it for wasm32-unknown-unknown and without what \
         needs more (docs/guests.md)"
    )]
    Imports(String),
    /// It was made against another version of the interfaces.
    #[error(
        "it is made for {found}, and this is {expected}; build it again with the wit folder of this version"
    )]
    Version {
        /// The interface as the component names it.
        found: String,
        /// As it is here.
        expected: String,
    },
    /// It is a component for something else.
    #[error("it is no file guest: it does not export {OPERATIONS}@{VERSION}")]
    NoOperations,
    /// It has the interface's name but not its functions.
    #[error(
        "it does not fit {OPERATIONS}@{VERSION}: {0}; build it again with the wit folder of this version"
    )]
    Misfit(String),
    /// It came to grief before it was asked for anything.
    #[error("it fails when it is started: {0}")]
    Start(Fault),
}

/// What is no component is told before the engine sees it: the engine's words for it do not help who built one by mistake.
pub(crate) fn is_component(bytes: &[u8]) -> Result<(), GuestError> {
    match Binary::of(bytes) {
        Binary::Component => Ok(()),
        Binary::Module => Err(GuestError::Module),
        Binary::Other => Err(GuestError::NotWebAssembly),
    }
}

/// Whether it writes log lines.
pub(crate) fn logs(guest: &Guest, engine: &Engine) -> bool {
    guest.called(engine).iter().any(|name| name == LOG)
}

/// Why the component could not be joined to what the gate gives; `error` is what the engine said.
pub(crate) fn refusal(guest: &Guest, engine: &Engine, error: &wasmtime::Error) -> GuestError {
    let called = guest.called(engine);
    let other_version = |name: &&String| {
        let known = is_given(name);
        known && interface(name).starts_with("lockgate:") && version(name) != Some(VERSION)
    };
    let ty = guest.component().component_type();
    let operations = ty
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .find(|name| interface(name) == OPERATIONS);
    let made_for_other = operations
        .as_ref()
        .filter(|name| version(name) != Some(VERSION))
        .or_else(|| called.iter().find(other_version));
    if let Some(found) = made_for_other {
        return GuestError::Version {
            expected: format!("{}@{VERSION}", interface(found)),
            found: found.clone(),
        };
    }
    if operations.is_none() {
        return GuestError::NoOperations;
    }
    let too_much: Vec<_> = called
        .iter()
        .map(String::as_str)
        .filter(|name| !is_given(name))
        .collect();
    match too_much.len() {
        0 => GuestError::Misfit(format!("{error:#}")),
        many => {
            let mut told = too_much[..many.min(NAMES_TOLD)].join(", ");
            if many > NAMES_TOLD {
                told.push_str(&format!(" and {} more", many - NAMES_TOLD));
            }
            GuestError::Imports(told)
        }
    }
}

fn is_given(name: &str) -> bool {
    GIVEN.contains(&interface(name)) || interface(name) == interface(LOG)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_of_the_wit_folder() {
        let wit = include_str!("../../../wit/files/extra.wit");
        assert!(wit.starts_with(&format!("package lockgate:files@{};", super::VERSION)));
    }
}
