//! Every number of this crate, each with its reason. `lockgate doctor` prints them.

use std::time::Duration;

/// Output kept per process (as the reference has it); the oldest whole chunks go first.
pub const RETAINED_BYTES: usize = 1024 * 1024;

/// Chunks kept per process: many tiny chunks must not cost more than the bytes in them.
pub const RETAINED_CHUNKS: usize = 50_000;

/// The most that one read takes from a child, and so the largest chunk. Large chunks are what makes a flood cheap (4 KiB: 343 MiB/s,
/// 64 KiB: 1,512), and 64 KiB is what a pipe holds.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Room in the ring beyond what is retained, so that one read fits before anything has to be evicted.
pub const RING_SLACK: usize = CHUNK_BYTES;

/// How the ring grows: a `true` costs the first step, a command with a page of output the second, a flood the last.
pub const RING_STEPS: [usize; 3] = [4 * 1024, 64 * 1024, RETAINED_BYTES + RING_SLACK];

/// At the end of the ring, a rest smaller than this is left unused: reading into it would only make a splinter of a chunk.
pub const RING_SPLINTER: usize = 4 * 1024;

/// How far an attached, moving reader may lag before the child is paced. Less than [`RETAINED_BYTES`] by two full chunks of each stream
/// (one being read, one found in the pipe at exit), so that nothing is evicted under a reader that keeps up.
pub const PACE_LAG_BYTES: u64 = 768 * 1024;

/// The same for a reader that acknowledges what it has read, perhaps from far away: 40 MiB a second at 100 ms of round trip.
pub const HELD_LAG_BYTES: u64 = 4 * 1024 * 1024;

/// Output kept of a process that such a reader holds up, with the same two chunks of each stream to spare.
pub const HELD_BYTES: usize = HELD_LAG_BYTES as usize + RETAINED_BYTES - PACE_LAG_BYTES as usize;

/// Processes that keep so much at once: 208 MiB beyond what all processes may keep. Others are held up at [`PACE_LAG_BYTES`].
pub const HELD_AT_ONCE: usize = 64;

/// Chunks that a reader may leave unacknowledged before the child is paced: half of [`RETAINED_CHUNKS`], for output in single bytes gets there first.
pub const PACE_CHUNKS: u64 = RETAINED_CHUNKS as u64 / 2;

/// How long a child is paced without any progress of the reader. After that the reader counts as stalled, and the child goes on.
pub const PACE_PATIENCE: Duration = Duration::from_millis(50);

/// A read below this is small: the child writes lines, not blocks.
pub const SMALL_READ: usize = 4 * 1024;

/// After so many small reads in a row, with nothing written to the child meanwhile, it is chatty. The first bytes of a command and
/// the echo of a key are never held back.
pub const CHATTY_STREAK: u32 = 8;

/// What a chatty child is given to write more before the next read: 474 frames instead of 6,763 for the same output.
pub const CHATTY_PAUSE: Duration = Duration::from_millis(1);

/// Full reads in a row after which the reading task lets others run: 256 KiB are some 100 microseconds, so an interrupt is not kept waiting.
pub const READS_BEFORE_YIELD: u32 = 4;

/// A terminal that the poller holds for hung up but that has no end yet is looked at this often.
pub const HUNG_UP_PAUSE: Duration = Duration::from_millis(10);

/// Writes that wait for a child's stdin (the reference holds 128, too, then the caller awaits).
pub const STDIN_QUEUE: usize = 128;

/// Bytes that wait for a child's stdin. The protocol bounds only their number, and 128 messages of 64 MiB would be 8 GiB. One larger
/// write is taken alone.
pub const STDIN_QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// A terminal whose size nobody said (as the reference has it).
pub const DEFAULT_ROWS: u16 = 24;
/// See [`DEFAULT_ROWS`].
pub const DEFAULT_COLS: u16 = 80;

/// Where programs are looked for when the child has no PATH.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long a terminated process may take to be gone before its exit is reported all the same. SIGKILL takes microseconds; longer
/// means that the kernel holds it (a dead network mount) or that it runs as someone else.
pub const TERMINATE_PATIENCE: Duration = Duration::from_secs(1);

/// Rounds of stopping what is below a process before all of it is killed. Each round finds what was forked during the one before;
/// after this many it is a fork bomb, and killing goes on with what is known.
pub const DESCENT_ROUNDS: usize = 16;

/// Descendants that are followed below one process. A bound on work, far above what any build starts.
pub const DESCENDANTS: usize = 65_536;

/// On kernels before 6.9: the first pause before an exited process whose group may live on is looked at again. Doubles each time.
pub const REAP_PAUSE_FIRST: Duration = Duration::from_millis(250);
/// See [`REAP_PAUSE_FIRST`]: a daemon that a command left behind is looked at this often at last.
pub const REAP_PAUSE_LAST: Duration = Duration::from_secs(30);

/// How long a server may take to end its sessions after a guardian was killed. It promises two seconds.
pub const ORPHANED_PATIENCE: Duration = Duration::from_secs(3);

/// How long a guardian tries to empty the house after the server is gone. What is left then cannot be killed (it sleeps in the kernel).
pub const GUARDIAN_PATIENCE: Duration = Duration::from_secs(10);

/// Between two strikes at what is below a keeper, by the server and by the keeper each, until nobody is left there.
pub const STRIKE_PAUSE: Duration = Duration::from_millis(5);
/// A strike that hits nobody, because what is left runs as somebody else, doubles the pause up to this.
pub const STRIKE_PAUSE_LAST: Duration = Duration::from_secs(1);
/// After so long one that hits does, too: what it hits sleeps in the kernel.
pub const STRIKE_PATIENCE: Duration = Duration::from_secs(10);

/// A keeper that has not spoken for so long though it should have is woken, in case somebody stopped it. Starting a program takes a hundredth of that.
pub const KEEPER_SILENCE: Duration = Duration::from_secs(1);

/// So much later than the server a keeper ends everything by itself when the time is over: the server is the one to tell about it, unless somebody has stopped
/// that.
pub const KEEPER_GRACE: Duration = Duration::from_millis(500);

/// How long orphans of a keeper that was killed are looked for, at most.
pub const ORPHANS_PATIENCE: Duration = Duration::from_secs(10);
/// Looks in a row that find none of them before it counts as true: one look alone can miss what is just being forked.
pub const ORPHANS_QUIET_LOOKS: usize = 5;
/// Between two looks for them.
pub const ORPHANS_PAUSE: Duration = Duration::from_millis(2);
