//! The limits of the capability filesystem, each with its reason. `lockgate doctor` prints them.

/// Most bytes that one whole-file read may return; the protocol's number (section 5.1). Larger files are read in blocks.
pub const MAX_READ_BYTES: u64 = 512 * 1024 * 1024;

/// Deepest level that a walk may be asked for; the protocol's number (`fs/walk`).
pub const MAX_WALK_DEPTH: usize = 64;

/// Most directories that one walk may open; the protocol's number (`fs/walk`).
pub const MAX_WALK_DIRECTORIES: usize = 10_000;

/// Most entries that one walk may return; the protocol's number (`fs/walk`).
pub const MAX_WALK_ENTRIES: usize = 50_000;

/// A walk stops (and says so) when the paths it has collected come to this many bytes: what the protocol keeps the answer to.
pub const MAX_WALK_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Deepest directory that a recursive copy or removal enters. It only has to end a tree that grows while it is
/// being worked on; no path of the protocol (4,095 bytes) reaches a deeper directory in one call.
pub const MAX_TREE_DEPTH: usize = 2_048;
