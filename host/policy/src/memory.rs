//! How much one instance of a policy holds: all its memories together are held to the policy's ceiling, each table to the gate's.

use lockgate_engine::{Ceiling, Ceilings};
use wasmtime::{ResourceLimiter, Result};

use crate::limits;

/// What an instance holds, and how much it may.
pub(crate) struct Memory {
    ceilings: Ceilings,
    /// Bytes of all memories. They never shrink.
    pub(crate) bytes: usize,
}

impl Memory {
    pub(crate) fn at_most(bytes: usize) -> Memory {
        Memory {
            ceilings: Ceilings {
                memory_bytes: bytes,
                table_elements: limits::TABLE_ELEMENTS,
            },
            bytes: 0,
        }
    }

    pub(crate) fn ceilings(&mut self) -> &mut Ceilings {
        &mut self.ceilings
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let all = self.bytes.saturating_add(desired.saturating_sub(current));
        if all > self.ceilings.memory_bytes {
            return Err(wasmtime::Error::new(Ceiling::Memory(
                self.ceilings.memory_bytes,
            )));
        }
        let may = self.ceilings.memory_growing(current, desired, maximum)?;
        self.bytes = all;
        Ok(may)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.ceilings.table_growing(current, desired, maximum)
    }

    fn instances(&self) -> usize {
        self.ceilings.instances()
    }

    fn tables(&self) -> usize {
        self.ceilings.tables()
    }

    fn memories(&self) -> usize {
        self.ceilings.memories()
    }
}
