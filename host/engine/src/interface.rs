//! The interfaces of a component by name, for the account of why it was not admitted.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;

use crate::guest::Guest;

impl Guest {
    /// The imports in which there is something to call. Interfaces that only name types for others ask for nothing.
    pub fn called(&self, engine: &Engine) -> Vec<String> {
        let ty = self.component.component_type();
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
}

fn is_callable(item: &ComponentItem) -> bool {
    !matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_))
}

/// An interface's name without its version.
pub fn interface(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

/// The version in an interface's name.
pub fn version(name: &str) -> Option<&str> {
    name.split_once('@').map(|(_, version)| version)
}
