//! The limits of the capability filesystem, each with its reason. `lockgate doctor` prints them.

use std::time::Duration;

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

/// Entries of one listing that leaves nothing out. Seven JSON values tell one, and a message has room for 262,144.
pub const LISTED_ENTRIES: usize = 32_768;

/// Bytes that their names come to: written as JSON, six times as much at the worst, they still fit into a message of 64 MiB.
pub const LISTED_NAME_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of guest memory. Names and paths need some KiB; the directories that a removal has still to enter need the most.
pub const GUEST_MEMORY_BYTES: usize = 16 * 1024 * 1024;

/// An instance whose memory has grown past this is not kept: memory never shrinks, and a thousand of these would be half a gigabyte.
pub const WARM_INSTANCE_BYTES: usize = 512 * 1024;

/// Handles that a guest may hold at once; ours holds five.
pub const HANDLES: usize = 64;

/// Instances kept warm in one scope, so that a few requests at once find one each.
pub const WARM_PER_SCOPE: usize = 4;

/// Instances kept warm in all: half of the pool, so that there is always room for new ones. About 24 KiB each.
pub const WARM_INSTANCES: usize = 512;

/// Requests of one scope that may be running. More means that a disk or network hangs beneath them: those that come now are told so
/// instead of being stuck as well.
pub const RUNNING_PER_SCOPE: usize = 64;

/// Scopes that are remembered with their grants; some KiB each. The one that was used longest ago goes first, and is made again when it is asked for.
pub const SCOPES: usize = 4_096;

/// Bytes that remembered scopes take in all, profiles and grants: [`SCOPES`] ordinary ones. Whoever has profiles of a thousand entries made
/// pays with the scopes that were used longest ago.
pub const SCOPES_BYTES: usize = 128 * 1024 * 1024;

/// Bytes of one scope that is remembered; the largest profile that is accepted comes to less. More has a profile that grants everything and
/// says a great deal besides.
pub const SCOPE_BYTES: usize = 16 * 1024 * 1024;

/// Places of the embedder's own files that are kept after links lead elsewhere, for when they lead back: some hundred versions of some files.
pub const FORMER_OWN: usize = 512;

/// Looks at an own file before it is said that its name leads elsewhere than it seems: whoever exchanges files does it once or twice.
pub(crate) const OWN_LOOKS: usize = 3;

/// Time for an operation on one path. Generous: it is what ends a guest that has gone wrong, not a promise to clients.
pub const OPERATION_TIME: Duration = Duration::from_secs(30);

/// Time for copying or removing a tree, where size decides.
pub const TREE_TIME: Duration = Duration::from_secs(600);

/// What a call gets beyond its time before it is given up, thread and all: a guest's own deadline comes first where it can.
pub const GRACE: Duration = Duration::from_secs(2);

/// Threads for file calls. As many as a runtime usually has for calls that block: a thread that waits for a disk costs some 20 KiB.
pub const LIVE_THREADS: usize = 512;

/// Threads whose call hangs and was given up. Each keeps its stack, a guest instance and a descriptor or two, some 100 KiB. So many
/// do not hang by accident: what they wait for is dead, and more would only wait with them.
pub const ABANDONED_THREADS: usize = 128;

/// A thread for file calls ends after so long without one. Long enough for the pauses of somebody at work.
pub const IDLE_THREAD: Duration = Duration::from_secs(10);

/// Times that a look-up is asked again because the kernel was unsure (`EAGAIN` of `openat2`: a rename or mount went on elsewhere).
pub const LOOKUP_RETRIES: u32 = 64;

/// Times that opening starts over because something else stood at the path than a moment before.
pub const OPEN_RETRIES: u32 = 8;

/// Bytes of a log line of a guest: a path and some words. The rest of a longer one is cut off, and its length told.
pub const LOG_LINE_BYTES: usize = 1_024;

/// Log lines that one call into a guest may write; the others are counted.
pub const LOG_LINES_PER_CALL: usize = 64;

/// Log lines that all guests together may write in a second; the others are counted. A log is to be read, and to fit on the disk.
pub const LOG_LINES_PER_SECOND: usize = 1_000;

/// Times that another name is tried for a temporary file whose name is taken. One name in 2^64 is by chance; more are on purpose.
pub const NAME_RETRIES: u32 = 8;

/// Bytes of names that one system call of a listing gives; what the standard library takes.
pub const LISTING_BUFFER_BYTES: usize = 32 * 1024;

/// Entries that a listing reads ahead before it passes them on: most directories are read with one look whether they are still in place.
pub const LISTING_BATCH: usize = 256;

/// Entries that a guest gets with one call.
pub const ENTRIES_PER_CALL: u32 = 1_024;

/// Bytes that a guest reads with one standard `read`: the guest's memory is what pays.
pub const GUEST_READ_BYTES: usize = 64 * 1024;

/// Bytes of a file's list of extended attributes, and of one of them: the kernel's own bounds (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
pub const EXTENDED_ATTRIBUTE_BYTES: usize = 64 * 1024;

/// Bytes that the names of directories take which a download has still to enter. A million directories in one would otherwise be held at once.
pub const TREE_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// Longest text that may stand before an entry of a tar (its name, an extended header): a path has at most 4 KiB, the rest is attributes.
pub const TREE_EXTENSION_BYTES: usize = 64 * 1024;

/// Largest file in a tree, 16 TiB, as ext4 has it: what says more lies.
pub const TREE_FILE_BYTES: u64 = 16 << 40;

/// A file of a tree that says that it has no more than this is read before its length is told: then what is told is what is there. It is held in memory meanwhile.
pub const TREE_AHEAD_BYTES: u64 = 64 * 1024;

/// Contents of a file in a tree that says that it is empty, as those of /proc do: a tar tells lengths first, so they are held in memory. What has more is to be read by itself.
pub const TREE_UNSAID_BYTES: u64 = 1024 * 1024;

/// Things left out that a report names; of the others it says how many there were.
pub const TREE_REPORTED: usize = 200;

/// Longest name in a report; what is longer was refused for its length and is cut.
pub const TREE_NAME_BYTES: usize = 1_024;

/// Old contents that are kept in memory while they are overwritten, where the filesystem can run out of room in the middle of that
/// (copy-on-write, network). Source code and most of what is edited is smaller; of more, a failure says what is left.
pub const KEPT_BYTES: u64 = 4 * 1024 * 1024;

/// Notes that have their place in the ledger from the beginning, so that a full disk does not keep it from being written: large
/// overwrites that run at the same time. More make it longer.
pub const LEDGER_NOTES: usize = 16;

/// Directories that one client may have under watch; a large project has some thousands. The kernel takes about 1 KiB for each.
pub const WATCHED_DIRECTORIES: usize = 16_384;

/// Directories under watch in all: below what systems give a user by default (`fs.inotify.max_user_watches`), who runs editors, too.
pub const WATCHED_IN_ALL: usize = 65_536;

/// Events that wait to be looked at in one watch. More come only when a file system is slower than what happens in it.
pub const WATCH_EVENTS: usize = 1_024;

/// Names in one notification of changes, and kept for the next while that one waits for its reader.
pub const WATCH_CHANGES: usize = 1_024;

/// Bytes of these names.
pub const WATCH_CHANGE_BYTES: usize = 128 * 1024;
