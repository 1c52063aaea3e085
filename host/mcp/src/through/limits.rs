//! Ceilings and deadlines of servers that are reached through an executor, each with its reason.

use std::time::Duration;

/// Bytes of one message of a program, its line break not counted; a longer one ends the connection, because nobody could say any more what it
/// would have answered. Results with pictures have some megabytes; the SDK has the same for HTTP.
pub const LINE_BYTES: usize = 16 * 1024 * 1024;

/// JSON values of one message, over stdio and HTTP alike: 16 MiB of `[[],[],...` would be hundreds of megabytes once decoded. The executor's
/// protocol has the same.
pub const JSON_VALUES: usize = lockgate_wire::limits::JSON_VALUES;

/// Lines in a row that are no messages. Programs that print a banner are common; one that prints only that is none that speaks MCP.
pub const FOREIGN_LINES: usize = 256;

/// Messages read and not yet handled. Behind it the program waits, as it would at a pipe.
pub const INBOUND: usize = 64;

/// Messages that wait to be written, for a program that does not read. A harness has far fewer calls under way.
pub const OUTBOUND: usize = 1024;

/// Bytes of these messages together.
pub const OUTBOUND_BYTES: usize = 32 * 1024 * 1024;

/// Longest line of a program's stderr that is logged and kept; the rest of it is dropped.
pub const STDERR_LINE_BYTES: usize = 4 * 1024;

/// Last lines of stderr that tell what became of a program: a stack trace and what led to it.
pub const STDERR_LINES: usize = 24;

/// For the handshake. Programs that install themselves first (`npx`, `uvx`) take their time.
pub const HANDSHAKE: Duration = Duration::from_secs(60);

/// How long a program may take after each step of being ended: the end of its input, SIGTERM, SIGKILL. What it has to write away it has
/// in its memory. The SDK's own child processes get the same.
pub const GRACE: Duration = Duration::from_secs(3);

/// Bytes of a message over HTTP, and of an answer in one piece: as [`LINE_BYTES`].
pub const BODY_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of one event: as [`LINE_BYTES`].
pub const EVENT_BYTES: usize = 16 * 1024 * 1024;

/// What is read of an answer that is an error but no JSON.
pub const COMPLAINT_BYTES: usize = 16 * 1024;

/// Redirects of one request; one is usual, for a slash at the end.
pub const REDIRECTS: usize = 3;

/// Event streams that are opened without waiting, and the time in which no more than these are opened. A harness has one for the server's
/// own messages, and one more for each call that was cut; a server that cuts every stream is asked ten times in ten seconds.
pub const STREAMS_AT_ONCE: usize = 10;
/// See [`STREAMS_AT_ONCE`].
pub const STREAMS_WITHIN: Duration = Duration::from_secs(10);

/// How often a stream is to go on after an event, and ends at once with nothing, before the call that it is of is given up. Once may be a server that is just being started.
pub const IN_VAIN: u32 = 2;
/// So soon. A server that lets its streams end in peace, because it has nothing to say, or a proxy does so, takes longer.
pub const AT_ONCE: Duration = Duration::from_secs(1);
/// Events of which that is remembered; each is of a call that is in flight.
pub const IN_VAIN_KEPT: usize = 256;

/// Before an event stream that has ended is opened again, where the server does not say; twice as long after each failure.
pub const RECONNECT: Duration = Duration::from_secs(1);
/// At most so long, whatever the server says: a server that is started again is noticed within half a minute.
pub const RECONNECT_MOST: Duration = Duration::from_secs(30);

/// How long the output of a program that has exited is still read. What it wrote itself is there at once; only its children keep it open.
pub const LINGER: Duration = Duration::from_secs(1);
