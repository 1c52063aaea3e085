//! Which component may be a policy: one of the contract's world, that asks for nothing beyond it.
//!
//! Joining it to what the gate gives is the test, and it is wasmtime's own; what is here is the account of why a component
//! did not pass, since that is read by somebody who has just written one.

use lockgate_engine::{EngineError, Guest};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;

use crate::error::ModuleError;
use crate::scope::{CONFIG, LOG};

/// What a policy exports.
pub(crate) const EVALUATOR: &str = "lockgate:policy/evaluator@0.1.0";

/// The interfaces' package, and the versions that are this one's: `0.1.` and any number. docs/policies/versions.md says why.
const PACKAGE: &str = "lockgate:policy/";
const VERSION: &str = "0.1.0";
const COMPATIBLE: &str = "0.1.";

/// Names told in one message: a component that was built for another world asks for dozens.
const NAMES_TOLD: usize = 4;

/// How a module and a component begin: the magic number, a version, and which of the two it is.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// What is no component is told before the engine sees it: the engine's words for it do not help who built one by mistake.
pub(crate) fn is_component(bytes: &[u8]) -> Result<(), ModuleError> {
    match bytes {
        bytes if bytes.starts_with(COMPONENT) => Ok(()),
        bytes if bytes.starts_with(MODULE) => Err(ModuleError::CoreModule),
        _ => Err(ModuleError::NotWebAssembly),
    }
}

/// Why the component could not be joined to what the gate gives.
pub(crate) fn refusal(guest: &Guest, engine: &Engine, error: EngineError) -> ModuleError {
    let called = called(guest, engine);
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
    let too_much: Vec<&str> = called
        .iter()
        .map(String::as_str)
        .filter(|name| !is_given(name))
        .collect();
    if too_much.is_empty() {
        // The names are right, so it is what they stand for: made for a later version, or by hand.
        let later = called.iter().find(|name| version(name) != Some(VERSION));
        return match later {
            Some(found) => contract(found),
            None => ModuleError::Misfit(error.to_string()),
        };
    }
    let mut told = too_much[..too_much.len().min(NAMES_TOLD)].join(", ");
    if too_much.len() > NAMES_TOLD {
        told.push_str(&format!(" and {} more", too_much.len() - NAMES_TOLD));
    }
    ModuleError::Imports(told, "")
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

/// The imports in which there is something to call. Interfaces that only name types for others ask for nothing.
pub(crate) fn called(guest: &Guest, engine: &Engine) -> Vec<String> {
    let ty = guest.component().component_type();
    ty.imports(engine)
        .filter(|(_, item)| match &item.ty {
            ComponentItem::ComponentInstance(instance) => instance
                .exports(engine)
                .any(|(_, export)| is_callable(&export.ty)),
            item => is_callable(item),
        })
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn is_callable(item: &ComponentItem) -> bool {
    !matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_))
}

fn is_given(name: &str) -> bool {
    [CONFIG, LOG]
        .into_iter()
        .any(|given| interface(given) == interface(name))
}

fn is_compatible(name: &str) -> bool {
    version(name).is_some_and(|version| version.starts_with(COMPATIBLE))
}

fn interface(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

fn version(name: &str) -> Option<&str> {
    name.split_once('@').map(|(_, version)| version)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_of_the_wit_folder() {
        let wit = include_str!("../../../wit/policy/types.wit");
        assert!(wit.contains(&format!("package lockgate:policy@{};", super::VERSION)));
        for name in [super::EVALUATOR, super::CONFIG, super::LOG] {
            assert_eq!(super::version(name), Some(super::VERSION));
        }
    }
}
