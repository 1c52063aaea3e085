//! Which component may be a policy: one of the contract's world, that asks for nothing beyond it.
//!
//! Joining it to what the gate gives is the test, and it is wasmtime's own; what is here is the account of why a component
//! did not pass, since that is read by somebody who has just written one.

use lockgate_engine::{Binary, EngineError, Guest, interface, version};
use wasmtime::Engine;

use crate::error::ModuleError;
use crate::scope::{CONFIG, LOG, OPTIONS};

/// What a policy exports.
pub(crate) const EVALUATOR: &str = "lockgate:policy/evaluator@0.1.1";

/// The interfaces' package, and the versions that are this one's: `0.1.` and any number. docs/policies.md says why.
const PACKAGE: &str = "lockgate:policy/";
const VERSION: &str = "0.1.1";
const COMPATIBLE: &str = "0.1.";

/// Names told in one message: a component that was built for another world asks for dozens.
const NAMES_TOLD: usize = 4;

/// What is no component is told before the engine sees it: the engine's words for it do not help who built one by mistake.
pub(crate) fn is_component(bytes: &[u8]) -> Result<(), ModuleError> {
    match Binary::of(bytes) {
        Binary::Component => Ok(()),
        Binary::Module => Err(ModuleError::CoreModule),
        Binary::Other => Err(ModuleError::NotWebAssembly),
    }
}

/// Why the component could not be joined to what the gate gives.
pub(crate) fn refusal(guest: &Guest, engine: &Engine, error: EngineError) -> ModuleError {
    let called = guest.called(engine);
    let exported: Vec<String> = guest
        .component()
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let other_version = called
        .iter()
        .chain(&exported)
        .find(|name| name.starts_with(PACKAGE) && !is_compatible(name));
    if let Some(found) = other_version {
        return contract(found);
    }
    // What only a later version has, in an interface that is here or in one that is not.
    let later = called
        .iter()
        .find(|name| name.starts_with(PACKAGE) && is_later(name));
    if let Some(found) = later {
        return contract(found);
    }
    let too_much: Vec<&str> = called
        .iter()
        .map(String::as_str)
        .filter(|name| !is_given(name))
        .collect();
    if too_much.is_empty() {
        // The names are right, so it is what they stand for: made by hand.
        return ModuleError::Misfit(error.to_string());
    }
    let mut told = too_much[..too_much.len().min(NAMES_TOLD)].join(", ");
    if too_much.len() > NAMES_TOLD {
        told.push_str(&format!(" and {} more", too_much.len() - NAMES_TOLD));
    }
    let hint = match too_much.iter().all(|name| name.starts_with("wasi:")) {
        true => " (what a language brings along can be given to it empty: `wasi = \"empty\"`)",
        false => "",
    };
    ModuleError::Imports(told, hint)
}

/// Why there is no `evaluator` to call in it.
pub(crate) fn no_evaluator(guest: &Guest, engine: &Engine) -> ModuleError {
    let found = guest
        .component()
        .component_type()
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .find(|name| interface(name) == interface(EVALUATOR));
    match found {
        Some(found) if is_compatible(&found) => {
            ModuleError::Misfit("it does not export both `describe` and `evaluate`".to_owned())
        }
        Some(found) => contract(&found),
        None => ModuleError::NoEvaluator(EVALUATOR.to_owned()),
    }
}

fn contract(found: &str) -> ModuleError {
    ModuleError::Contract {
        found: found.to_owned(),
        expected: format!("{}@{VERSION}", interface(found)),
    }
}

fn is_given(name: &str) -> bool {
    [CONFIG, LOG, OPTIONS]
        .into_iter()
        .any(|given| interface(given) == interface(name))
}

fn is_compatible(name: &str) -> bool {
    version(name).is_some_and(|version| version.starts_with(COMPATIBLE))
}

/// Of a version that takes this one's place: it may have more to call.
fn is_later(name: &str) -> bool {
    let number = |version: &str| version.strip_prefix(COMPATIBLE)?.parse::<u64>().ok();
    version(name).and_then(number) > number(VERSION)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_of_the_wit_folder() {
        let wit = include_str!("../../../wit/policy/types.wit");
        assert!(wit.contains(&format!("package lockgate:policy@{};", super::VERSION)));
        for name in [super::EVALUATOR, super::CONFIG, super::LOG, super::OPTIONS] {
            assert_eq!(super::version(name), Some(super::VERSION));
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let is_later = |version| super::is_later(&format!("lockgate:policy/log@{version}"));
        assert!(is_later("0.1.2") && is_later("0.1.10"));
        for not in ["0.1.0", "0.1.1", "0.2.0", "0.1.x", "1"] {
            assert!(!is_later(not), "{not}");
        }
        assert!(!super::is_later("lockgate:policy/log"));
    }
}
