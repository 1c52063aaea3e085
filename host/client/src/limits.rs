//! Ceilings and deadlines of a client, each with its reason.

use std::time::Duration;

/// For opening the connection (as the reference has it).
pub const CONNECT: Duration = Duration::from_secs(10);

/// For the answer to `initialize` (as the reference has it).
pub const INITIALIZE: Duration = Duration::from_secs(10);

/// Messages waiting to be sent; callers wait when it is full (as the reference has it).
pub const OUTBOUND: usize = 128;

/// Calls in flight (as the reference has it). `process/terminate` and `fs/close` go beyond it: cleaning up must not wait
/// for what it cleans up.
pub const IN_FLIGHT: usize = 1024;

/// Bytes of output kept for a reader of events that is behind. More is dropped and fetched again from the server, which
/// keeps 1 MiB itself; four times that rides out a slow terminal.
pub const EVENT_BYTES: usize = 4 * 1024 * 1024;

/// Events kept for a reader that is behind: output in single bytes must not cost gigabytes.
pub const EVENTS: usize = 16 * 1024;

/// Notifications of one watch kept for a reader that is behind. Each has the changes since the one before, so a few are plenty.
pub const CHANGES: usize = 16;

/// Pieces of an HTTP body kept for a reader that is behind; with one more its stream fails (as the reference has it), unless the connection waits
/// for its readers.
pub const BODY_PIECES: usize = 256;

/// The same where the executor hears how far a body was read ([`BODY_WINDOW`]): it counts bytes, so this is for small pieces, such as events, whose reader is slow.
pub const BODY_WINDOW_PIECES: usize = 16 * 1024;

/// Bytes of an HTTP body that may come beyond what was acknowledged: what a relay's window holds, and enough for 40 MiB/s at 100 ms.
pub const BODY_WINDOW: u64 = 4 << 20;

/// ... of which so many are read before that is acknowledged.
pub const BODY_ACKNOWLEDGE: u64 = BODY_WINDOW / 8;

/// How long an acknowledgement that had no room on the connection waits for the next attempt.
pub const BODY_ACKNOWLEDGE_AGAIN: Duration = Duration::from_millis(50);

/// Bytes of an HTTP body kept for a reader that is behind; with more its stream fails, unless the connection waits for its readers and the executor
/// is not told how far a body was read: such a one sends as fast as it can. Some windows.
pub const BODY_BYTES: u64 = 16 << 20;

/// Bytes of an HTTP body that is wanted in one piece: what a message holds. A body that goes on and on must not fill a harness's memory.
pub const HTTP_BODY: usize = 64 * 1024 * 1024;

/// Blocks of a file that are asked for at once, of a MiB each: four of them are what a relay's window holds, and enough for 40 MiB/s at 100 ms.
pub const BLOCKS_AHEAD: usize = 4;

/// Calls of one question about many paths that are in flight at once, where an executor knows no batches: far fewer than a connection has.
pub const SIDE_BY_SIDE: usize = 16;

/// How long a missing sequence number may be late before it is fetched. Servers may send events of one process from
/// several tasks, so a little disorder is normal.
pub const GAP: Duration = Duration::from_millis(200);

/// A websocket's read buffer. The library's 128 KiB are zeroed at connect and cost 3 us a message.
pub const READ_BUFFER: usize = 16 * 1024;

/// A websocket on which nothing was heard for so long is pinged. Middle boxes forget idle connections after a minute or more; and while nothing is read, because a reader of events is waited for,
/// the end of the connection shows in this only, soon enough for the 30 s for which servers keep a session.
pub const PING: Duration = Duration::from_secs(10);

/// ... and its link is given up when nothing came for so long: more than the 30 s after which servers ping by themselves, so that one
/// which is too busy to answer us is still heard.
pub const SILENCE: Duration = Duration::from_secs(35);

/// ... and whoever waits at it can say so when nothing came for so long: a few seconds after the ping, which a server answers at once.
pub const UNHEARD: Duration = Duration::from_secs(15);

/// The same of a stream through a rendezvous, whose physical connection is pinged after 20 s ([`lockgate_relay::limits::LINK_PING`]).
pub const STREAM_UNHEARD: Duration = Duration::from_secs(25);

/// How long writing what is queued, and then the goodbye of a websocket, may take each.
pub const GOODBYE: Duration = Duration::from_secs(1);

/// Between SIGTERM and SIGKILL for a server that was spawned (as the reference has it).
pub const TERMINATE: Duration = Duration::from_secs(2);

/// Longest line of a spawned server's stderr that is logged in one piece.
pub const STDERR_LINE: u64 = 8 * 1024;

/// Bytes of a spawned server's stderr that are kept for the error, should it turn out to be none: some lines, as long as people write them.
pub const STDERR_KEPT: usize = 4 * 1024;

/// ... and lines of these that the error shows.
pub const STDERR_LINES: usize = 10;

/// Bytes of the first line of a spawned program's stdout that the error shows, should it be no message: enough to recognize a banner.
pub const FIRST_LINE: usize = 160;

/// How long a spawned server that closed its stdout, or wrote there what is no message, is given to exit by itself, with a code that says something. An error that
/// tells of it waits as long again at most for its stderr to come to its end.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a spawned server that has exited is still listened to. What it wrote last is in the pipe and is read before
/// that; only something else that holds the pipe keeps it open longer.
pub const LINGER: Duration = Duration::from_secs(1);

/// Bytes of what is told of a server that breaks the protocol: enough to find the place, and a log can hold it.
pub const PROTOCOL_WORDS: usize = 1_000;

/// Questions of the executor's policies that may be out at once on a connection; more are refused. It is the server's own bound.
pub const APPROVALS: usize = 64;

/// Characters of the id of an environment (as the reference has it).
pub const ENVIRONMENT_ID: usize = 64;

/// Ids that an error lists where another one was asked for: what somebody still reads.
pub const IDS_TOLD: usize = 20;

/// Bytes of a file of environments: a hundred thousand of them. It is read as a whole, again whenever it changes.
pub const ENVIRONMENTS_FILE: u64 = 16 * 1024 * 1024;

/// How often a file of environments that is followed is looked at. A change is taken up after two of these at most: people who change such a
/// file wait for about a second without wondering, and a look costs microseconds.
pub const FOLLOW: Duration = Duration::from_millis(500);

/// How long a lost connection is tried to be brought back (as the reference has it): less than the 30 s for which servers keep a session without one.
pub const RESUME_WINDOW: Duration = Duration::from_secs(25);

/// Between attempts to come back to an executor (as the reference has it).
pub const RESUME_APART: Duration = Duration::from_millis(100);

/// Between the first and the second attempt through a rendezvous (as the reference has it); shortened by up to a half, so that
/// harnesses which lost the same one do not come back in the same instant.
pub const RESUME_RELAY_FIRST: Duration = Duration::from_millis(500);

/// What that grows to.
pub const RESUME_RELAY_MOST: Duration = Duration::from_secs(5);

/// How often a call that only looks is asked again when the link was lost before its answer came. Links that blink are back the next time; more
/// would be for a request that is itself what ends them.
pub const LOOKS_AGAIN: usize = 3;

/// Processes that are asked at once what they wrote while the connection was away. Each answer may have a megabyte, or four of a process that waits for its reader.
pub const RECOVER_AT_ONCE: usize = 16;

/// Bytes of output after which what was read is acknowledged, to servers that wait for that: ours let 768 KiB be on their way at least.
pub const ACKNOWLEDGE_BYTES: u64 = 128 * 1024;

/// The same in events: output in single bytes must not make a process wait for ever.
pub const ACKNOWLEDGE_EVENTS: u64 = 1_000;

/// Messages that close what was dropped and wait for room: as many as calls may be in flight. What is beyond ends with the connection.
pub const BEHIND: usize = IN_FLIGHT;

/// Answers to requests of the server that wait to be sent: twice the questions that may be out, and more requests than any server makes.
pub const REPLIES: usize = 2 * APPROVALS;

/// Bytes of all instruction documents of a project, unless the caller says otherwise: some thousand words, which every turn of an agent carries.
pub const DOCUMENT_BYTES: usize = 32 * 1024;

/// Paths that are looked at together. A project is some directories deep, so this is one round trip or two.
pub const LOOKS_AT_ONCE: usize = 64;

/// Largest number of an event: 2^53 - 1, which JSON keeps whole everywhere. A process that wrote a byte at a time would take centuries to get there.
pub const LAST_NUMBER: u64 = (1 << 53) - 1;

/// Files of one root that are read together, where an executor has to be asked for each of them.
pub const READS_AT_ONCE: usize = 16;

/// Warnings about one root, where they are made here.
pub const DISCOVER_WARNINGS: usize = 64;
