//! Ceilings of the wire, each with its reason. `lockgate doctor` prints them.

/// Largest message in either direction, on every transport: 64 MiB, what clients of today accept and send at most.
pub const MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Most JSON values in one message (as the reference has it): a message of the full size made of `[[],[],...` would
/// otherwise grow to gigabytes once decoded.
pub const JSON_VALUES: usize = 262_144;

/// Messages up to this size cannot hold [`JSON_VALUES`] values (a value takes two bytes with its separator), so they are
/// not counted.
pub const JSON_VALUES_SCAN_FROM: usize = 2 * JSON_VALUES;

/// Longest `handleId` of `fs/open`, in bytes (as the reference has it).
pub const HANDLE_ID_BYTES: usize = 32;

/// Largest `len` of `fs/readBlock` and largest chunk of `fs/writeBlock`, in bytes: 1 MiB, so that a block answer stays far
/// below the message ceiling and other answers get through between blocks.
pub const BLOCK_BYTES: u64 = 1024 * 1024;

/// Largest `maxDepth` of `fs/walk`.
pub const WALK_DEPTH: u64 = 64;

/// Largest `maxDirectories` of `fs/walk`.
pub const WALK_DIRECTORIES: u64 = 10_000;

/// Largest `maxEntries` of `fs/walk`.
pub const WALK_ENTRIES: u64 = 50_000;

/// Most operations of one `lockgate/fs/batch`: thousands of small files take a few round trips, and none holds up the file requests behind
/// it for long.
pub const BATCH_OPERATIONS: usize = 1_024;

/// Largest `mode` of `lockgate/fs/setMode` and `replaceFile`: the nine permission bits. Set-user-id and the like are nobody's to give.
pub const MODE: u32 = 0o777;

/// Longest `target` of `lockgate/fs/symlink`, in bytes: the system's own bound (`PATH_MAX` with its end).
pub const LINK_TARGET_BYTES: usize = 4_095;

/// Most paths of one `fs/watchMissing`. Clients send one for each directory above theirs.
pub const MISSING_PATHS: usize = 256;

/// Longest `toolCallId` in `process/start` metadata that is kept; longer ones are ignored, as the protocol says.
pub const TOOL_CALL_ID_BYTES: usize = 256;

/// Roots of one `capabilityRoots/discoverV1`: an agent has one for each of its plugins, and a few places of skills.
pub const DISCOVER_ROOTS: usize = 64;
/// Levels, directories and entries below a root that are looked through: a plugin that came with its dependencies is no catalogue of skills.
pub const DISCOVER_DEPTH: usize = 8;
/// See [`DISCOVER_DEPTH`].
pub const DISCOVER_DIRECTORIES: usize = 2_000;
/// See [`DISCOVER_DEPTH`].
pub const DISCOVER_ENTRIES: usize = 20_000;
/// Skills of one root that are read; an agent is told of each of them.
pub const DISCOVER_SKILLS: usize = 512;
/// Of one skill or manifest. They are texts for a model, which reads some kilobytes of them.
pub const DISCOVER_FILE_BYTES: u64 = 1 << 20;
/// Of all that is read for one request, as JSON: as much as the answer to a batch.
pub const DISCOVER_BYTES: usize = 8 << 20;
