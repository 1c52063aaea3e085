//! Every bound of the bench in one place: a load generator that can hang or run away measures nothing.

use std::time::Duration;

/// Longest silence on a socket before a measure is given up. A reference server under load has been
/// seen to need several seconds for one confined call.
pub(crate) const SILENCE: Duration = Duration::from_secs(20);
/// How long events with lower numbers may come after `process/closed` (they may be sent by other tasks).
pub(crate) const LATECOMERS: Duration = Duration::from_secs(2);
/// Longest wait for a started server to print its URL.
pub(crate) const START: Duration = Duration::from_secs(30);
/// How long a server may take to end after SIGTERM before it is killed.
pub(crate) const STOP: Duration = Duration::from_secs(2);
/// Largest message accepted from a server: the protocol's ceiling of 64 MiB.
pub(crate) const MESSAGE: usize = 64 << 20;
/// Read buffer for small messages; larger ones are zero-filled by the library at each read.
pub(crate) const SMALL_READS: usize = 8 << 10;
/// Read buffer for connections that carry output or large files.
pub(crate) const LARGE_READS: usize = 128 << 10;
/// What one read of a wave's answers takes at most.
pub(crate) const WAVE_READS: usize = 16 << 10;
/// Calls in flight for the rates: what a busy harness has been seen to use.
pub(crate) const IN_FLIGHT: usize = 16;
/// Untimed calls at the start of each batch, for caches, pools and warm instances.
pub(crate) const WARM_UP: usize = 5;
/// A batch takes at least that many samples even if its time is over (a confined call of the
/// reference takes tens of milliseconds).
pub(crate) const FEWEST: usize = 3;
/// A batch that takes longer than this ends with whatever it has, but at least one sample.
pub(crate) const LONGEST_BATCH: Duration = Duration::from_secs(1);
/// A server that takes longer than this for a batch is asked for `SLOW_ROUNDS` only.
pub(crate) const SLOW_BATCH: Duration = Duration::from_secs(2);
/// Rounds of a slow server.
pub(crate) const SLOW_ROUNDS: usize = 2;
/// Pause before a harness asks again whether an executor has registered.
pub(crate) const REGISTERED_YET: Duration = Duration::from_millis(20);
/// Bytes of a file that a flood of writes writes at a time.
pub(crate) const FLOOD_WRITE: usize = 8 << 20;
/// Idle connections of the memory measure.
pub(crate) const IDLE_CONNECTIONS: usize = 1_000;
/// Sessions with a scope each of the memory measure.
pub(crate) const SCOPES: usize = 1_000;
/// Sessions that make their first confined call in one batch.
pub(crate) const FIRST_CALLS: usize = 40;
/// Entries of the listed directory.
pub(crate) const LISTED: usize = 1_000;
/// Directories of the walked tree, and files in each: 50,000 entries, as many as the protocol lets one walk return.
pub(crate) const WALKED: (usize, usize) = (500, 99);
/// A flood child ends by itself after that long, whatever becomes of its server.
pub(crate) const FLOOD: Duration = Duration::from_secs(60);
/// What the `lockgate-bench` needs of descriptors: idle connections and some.
pub(crate) const DESCRIPTORS: u64 = 4_096;
