//! The stock guest with more memory from the beginning than any guest may grow to: it fits the world, and cannot be started.

use std::sync::atomic::AtomicU8;

use lockgate_guest_fs::{FileGuest, bindings};

bindings::export!(FileGuest with_types_in bindings);

/// Twice the ceiling. It takes no room in the component, only in its memory.
#[used]
static ROOM: [AtomicU8; 32 << 20] = [const { AtomicU8::new(0) }; 32 << 20];
