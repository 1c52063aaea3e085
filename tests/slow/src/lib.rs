//! A real file system that answers late, for the tests of calls that hang in the kernel.
//!
//! [`SlowFs`] starts `lockgate-slow-fs`, a FUSE server in a process of its own: a test that fails or is killed while one of its threads
//! waits in the file system must not be what that thread waits for. The server answers everything at once, but what is named `late-…`:
//! that it holds until it is told to go on. It never holds anything for longer than [`HELD_AT_MOST`], and goes when its test does: a file
//! system that never answers leaves threads behind that nothing can end.

mod held;
mod started;
mod tree;

pub use held::{HELD_AT_MOST, Held};
pub use started::{SlowFs, without_fuse};
pub use tree::Tree;
