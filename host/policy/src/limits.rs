//! The limits of the policy gate, each with its reason. `lockgate doctor` prints them.

use std::time::Duration;

/// How often a decision's deadline is looked at. It holds within two of these.
pub const TICK: Duration = Duration::from_millis(1);

/// Time for one decision where the operator says nothing. The stock policies take some 10 us; a busy machine may hold a thread up for longer than that.
pub const DECISION_TIME: Duration = Duration::from_millis(50);

/// Longest time for one decision that an operator may set: a client waits for it.
pub const MAX_DECISION_TIME: Duration = Duration::from_secs(10);

/// Time for starting a policy and for its `describe`, where it parses its configuration: thousands of rules take tens of milliseconds.
pub const LOAD_TIME: Duration = Duration::from_secs(10);

/// Bytes of a policy's memory where the operator says nothing. One in Python has 12 MiB before it is asked for the first time.
pub const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Elements of a policy's table: what languages with a runtime of their own need is 7,700.
pub const TABLE_ELEMENTS: usize = 20_000;

/// Decisions that are being made at once; more wait for one of them to end, but for one of each policy. Each takes a thread, and threads are what a server has
/// fewer of.
pub const DECISIONS_AT_ONCE: u32 = 64;

/// Policies that can be in a chain. Each is asked in turn, and the client waits for all of them.
pub const POLICIES: usize = 64;

/// Core instances, memories and tables of one policy that the pool has room for: one in Python has 38 modules, one in QuickJS three
/// memories and three tables.
pub const CORE_INSTANCES: u32 = 48;
/// See [`CORE_INSTANCES`].
pub const MEMORIES: u32 = 3;
/// See [`CORE_INSTANCES`].
pub const TABLES: u32 = 4;

/// Warm instances of all policies together. The pool has places for them beside those for decisions.
pub const WARM_AT_ONCE: u32 = 64;

/// Bytes of a given-back memory that stay mapped: what a decision of the stock policies touches.
pub const KEEP_RESIDENT_BYTES: usize = 256 * 1024;

/// Instances of a policy kept warm where the operator chose `instances = "reused"`. They take their places in the same pool.
pub const WARM_PER_POLICY: usize = 4;

/// Instances of a policy that have decided and wait to be dropped, where each decision has its own: those of a few decisions whose answers leave together.
pub const SPENT_PER_POLICY: usize = 4;

/// An instance is started before it is needed where the last start took no longer than this: whoever does it has other connections to serve.
pub const QUICK_START: Duration = Duration::from_micros(100);

/// For such a start, which was quick the last time.
pub const PREPARE_TIME: Duration = Duration::from_millis(1);

/// For all policies of a chain together, after an answer. What is left then is for the time after the next one.
pub const PREPARE_ALL: Duration = Duration::from_micros(500);

/// Bytes of an instance's memories up to which it waits to be asked or dropped: what [`WARM_AT_ONCE`] of them hold is bounded, and so is the time for dropping one.
pub const SMALL_BYTES: usize = 4 * 1024 * 1024;

/// A warm instance whose memory has grown by more than this since it started is not kept: memories never shrink.
pub const WARM_GROWTH_BYTES: usize = 1024 * 1024;

/// Largest configuration text of a policy: a rule file of tens of thousands of rules.
pub const CONFIG_BYTES: usize = 4 * 1024 * 1024;

/// Largest signature file: one line is 120 bytes.
pub const SIGNATURE_FILE_BYTES: usize = 4 * 1024;

/// Bytes that may leave a policy in one call: an answer, or a line of its log. Larger ends the call.
pub const REPLY_BYTES: usize = 1024 * 1024;

/// A reason or a prompt: a paragraph. What is longer is no message for anybody.
pub const MESSAGE_BYTES: usize = 4 * 1024;

/// A rule's name, an environment variable's name.
pub const NAME_BYTES: usize = 256;

/// `details` of a verdict; the contract's number (`wit/policy/types.wit`).
pub const DETAILS_BYTES: usize = 16 * 1024;

/// Entries of one narrowing's grant. Each is looked up in the file system when a scope is made of them.
pub const GRANT_ENTRIES: usize = 256;

/// Environment variables that one verdict may drop.
pub const DROPPED_VARIABLES: usize = 256;

/// A policy's name for itself; the contract's number.
pub const POLICY_NAME_BYTES: usize = 64;

/// A policy's summary: one line in `doctor` and `inspect`.
pub const SUMMARY_BYTES: usize = 256;

/// Lines that one call of a policy may log; more are dropped and counted.
pub const LOG_LINES_PER_CALL: usize = 32;

/// Bytes of one of them; what is longer is cut.
pub const LOG_LINE_BYTES: usize = 1024;

/// Bytes that a policy with `wasi = "empty"` may write to each of standard output and standard error in one call; as much as its lines may have.
pub const OUTPUT_BYTES: usize = LOG_LINES_PER_CALL * LOG_LINE_BYTES;

/// Handles that such a policy may hold at once. There is little to hold: streams, and what waits for them.
pub const HANDLES: usize = 256;

/// Decisions at once that may be slower than this, on average, before they are moved off the connection's own thread.
pub const QUICK: Duration = Duration::from_micros(250);

/// Time for a decision on a thread that has other work to do. Far more than [`QUICK`]: on a machine that is busy a thread is held up by that much now and then. What
/// takes longer is given up and made again on a thread of its own, within the policy's own time.
pub const AT_ONCE: Duration = Duration::from_millis(1);

/// Bytes of decision log that wait to be written: some ten thousand decisions.
pub const LOG_QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// How long a decision waits for room in the log's queue, once, before it goes on without its line.
pub const LOG_PATIENCE: Duration = Duration::from_millis(100);

/// How long a decision waits for its line to be written where the operator would have nothing done that is not logged.
pub const LOG_PATIENCE_REQUIRED: Duration = Duration::from_secs(5);

/// How long the end of a gate waits for its log to be written.
pub const LOG_PATIENCE_AT_END: Duration = Duration::from_secs(2);

/// Longest line of the decision log with all of its action: a command line of the largest kind is longer, and is cut.
pub const DECISION_LINE_BYTES: usize = 256 * 1024;

/// Bytes at the beginning of a text that stay where an action is cut: most of a path of the longest kind.
pub const CUT_BEGINNING_BYTES: usize = 3 * 1024;

/// Likewise at its end.
pub const CUT_END_BYTES: usize = 1024;

/// Bytes of a list that stay, encoded: more than one text of which each byte is encoded by six.
pub const CUT_LIST_BYTES: usize = 32 * 1024;

/// Bytes of a policy's narrowing, encoded, up to which the decision log has all of it: some hundred entries. Of a longer one it has a digest.
pub const LOGGED_NARROWING_BYTES: usize = 16 * 1024;

/// How long somebody has to agree where the operator says nothing.
pub const ASK_TIME: Duration = Duration::from_secs(300);

/// What one policy's remembered answers take, about: some thousand small ones.
pub const REMEMBERED_BYTES: usize = 2 << 20;

/// The largest answer that is remembered, with its question.
pub const REMEMBERED_ANSWER_BYTES: usize = 8 << 10;
