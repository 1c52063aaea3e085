//! What a component asks for and gives, for authors who look into one. Nothing of it is run.

use std::sync::Arc;

use crate::admission;
use crate::error::ModuleError;
use crate::evaluator::Evaluator;

/// The interfaces of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interfaces {
    /// Those of which it calls something.
    pub imports: Vec<String>,
    /// Those that it has.
    pub exports: Vec<String>,
}

impl Evaluator {
    /// The interfaces of a component, also of one that is no policy.
    pub fn interfaces(self: &Arc<Evaluator>, component: &[u8]) -> Result<Interfaces, ModuleError> {
        admission::is_component(component)?;
        let engine = &self.engine;
        let guest = engine.load(component, None).map_err(ModuleError::Engine)?;
        let exports = guest.component().component_type();
        let exports = exports.exports(engine.wasmtime());
        Ok(Interfaces {
            imports: guest.called(engine.wasmtime()),
            exports: exports.map(|(name, _)| name.to_owned()).collect(),
        })
    }
}
