//! How large a guest may grow, and the name of the ceiling that it hit.
//!
//! A refused growth ends the call at once with the ceiling in the error. Answering the guest "no" instead would let it
//! abort by itself, and all that the host would see is the `unreachable` instruction.

use wasmtime::ResourceLimiter;

use crate::limits;

/// What one store's guest may have. Counted a memory and a table each, not in sum: our guests have one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Bytes of a linear memory.
    pub memory_bytes: usize,
    /// Elements of a table.
    pub table_elements: usize,
}

/// The ceiling that a guest ran into, and its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ceiling {
    /// A linear memory would have grown past this many bytes.
    #[error("its memory may not grow past {0} bytes")]
    Memory(usize),
    /// A table would have grown past this many elements.
    #[error("its table may not grow past {0} elements")]
    Table(usize),
}

/// Store data that carries ceilings, so that [`crate::Engine::store`] can install them.
pub trait HasCeilings {
    /// The ceilings of this store.
    fn ceilings(&mut self) -> &mut Ceilings;
}

impl Default for Ceilings {
    fn default() -> Self {
        Ceilings {
            memory_bytes: limits::DEFAULT_MEMORY_BYTES,
            table_elements: limits::DEFAULT_TABLE_ELEMENTS,
        }
    }
}

impl ResourceLimiter for Ceilings {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let ceiling = self.memory_bytes.min(limits::MAX_MEMORY_BYTES);
        if desired > ceiling {
            return Err(wasmtime::Error::new(Ceiling::Memory(ceiling)));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            return Err(wasmtime::Error::new(Ceiling::Table(self.table_elements)));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        limits::MAX_CORE_INSTANCES_PER_STORE
    }

    fn tables(&self) -> usize {
        limits::MAX_TABLES_AND_MEMORIES_PER_STORE
    }

    fn memories(&self) -> usize {
        limits::MAX_TABLES_AND_MEMORIES_PER_STORE
    }
}
