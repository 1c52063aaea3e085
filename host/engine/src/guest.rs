//! A loaded component: checked against its pin, compiled, ready to be instantiated any number of times.

use wasmtime::component::{Component, InstancePre, Linker};

use crate::digest::Digest;
use crate::error::EngineError;

/// A compiled component and the digest of its bytes. Cheap to clone.
#[derive(Clone)]
pub struct Guest {
    pub(crate) component: Component,
    pub(crate) digest: Digest,
}

impl Guest {
    /// The digest of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The component, for wasmtime's own interfaces.
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// Joins the component to what `linker` gives. A component that wants more fails here, before anything of it has run.
    pub fn ready<T: 'static>(&self, linker: &Linker<T>) -> Result<InstancePre<T>, EngineError> {
        linker
            .instantiate_pre(&self.component)
            .map_err(|error| EngineError::Imports(format!("{error:#}")))
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Guest").field(&self.digest).finish()
    }
}
