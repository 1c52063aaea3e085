//! The limits of the engine, each with its reason. `lockgate doctor` prints them.

use std::time::Duration;

/// Component instances that may be alive at once in one engine. Each idle one of the file guest holds 24 KiB and four memory
/// maps, and Linux allows a process 65,530 maps: a thousand is far inside that and costs 24 MiB.
pub const INSTANCES: u32 = 1_000;

/// Core instances and tables for each component instance in the pool: a component is its module and the shims that join it to its imports.
pub const CORE_INSTANCES_PER_COMPONENT: u32 = 4;

/// Largest linear memory that any guest may have, whatever its own ceiling says.
pub const MAX_MEMORY_BYTES: usize = 256 * 1024 * 1024;

/// Native stack that guest code may use. Blocking threads have 2 MiB; the host's own calls below the guest need their part of it.
pub const MAX_GUEST_STACK_BYTES: usize = 512 * 1024;

/// Ceiling of a guest's linear memory where its gate sets none: the file guest works in one page of stack and a few of heap.
pub const DEFAULT_MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// Ceiling of a guest's table elements where its gate sets none: function pointers of one module.
pub const DEFAULT_TABLE_ELEMENTS: usize = 10_000;

/// Core instances in one store: a policy in Python has 38 of them, since each interface that it does without is a module of its own.
pub const MAX_CORE_INSTANCES_PER_STORE: usize = 64;

/// Tables and memories in one store.
pub const MAX_TABLES_AND_MEMORIES_PER_STORE: usize = 16;

/// How often a running call's deadline is looked at where a gate asks for nothing finer. Deadlines are late by two of these at most, on a machine that has time for its threads.
pub const TICK: Duration = Duration::from_millis(5);

/// The clock thread goes on for this many ticks after the last call, so that a burst of calls wakes it once.
pub const TICKS_BEFORE_SLEEP: u32 = 20;

/// Largest component that is loaded: a policy in Python has 18 MB, and its snapshot 12 MB more.
pub const MAX_COMPONENT_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a given-back memory that stay mapped where instances are not kept warm and the kernel says which pages were written: only these are
/// cleared, so more may stay than where all of it is. It is the initial memory of an ordinary guest; giving pages back and taking them again
/// is most of what a fresh instance costs.
pub const SCANNED_KEEP_RESIDENT: usize = 2 * 1024 * 1024;

/// The same for a table: some thousand functions.
pub const TABLE_KEEP_RESIDENT: usize = 64 * 1024;

/// How often the image of a component's memory is made where the kernel says that it is busy. It waits 75 ms itself each time before it says so.
pub const IMAGE_ATTEMPTS: u32 = 8;
