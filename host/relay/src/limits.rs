//! Every limit of the relay, with its reason.

use std::time::Duration;

/// Largest message that a stream carries, in bytes: the largest JSON-RPC message of the protocol (as the reference has it).
pub const MESSAGE_BYTES: usize = 64 << 20;

/// Largest frame, in bytes. A plain peer sends a message of any size as one segment, so a frame must hold the largest message; the rest is
/// for the frame's own fields.
pub const FRAME_BYTES: usize = MESSAGE_BYTES + 1_024;

/// Longest name of a stream, in bytes (as later versions of the reference have it). A UUID takes 36.
pub const STREAM_ID_BYTES: usize = 128;

/// Longest reason of a reset, in bytes (as later versions of the reference have it).
pub const REASON_BYTES: usize = 256;

/// Bytes of a segment. Two of them hold the largest piece of output (64 KiB in base64, and what is around it), so a third frame with a rest of it is not
/// needed; small enough that on a link of 10 Mbit/s an interrupt waits 36 ms for the segment before it.
pub const SEGMENT_BYTES: usize = 44 << 10;

/// Segments of one message. Nothing is allocated by the count, but a message that claims more than its bytes can fill is a lie: this allows
/// peers that cut at 1 KiB.
pub const MESSAGE_SEGMENTS: u32 = 65_536;

/// Segments that one side of a stream may have sent beyond the last acknowledged one, and how far ahead of what is missing the other side keeps.
/// The acknowledging bits tell of 32; the others wait for the number before them. A stream of small calls gets 2,560 a second
/// through at 100 ms of round trip.
pub const WINDOW_SEGMENTS: u32 = 256;

/// Bytes of one stream that are on their way and not acknowledged: 40 MiB a second at 100 ms of round trip.
pub const WINDOW_BYTES: usize = 4 << 20;

/// Bytes of all streams of a connection that are on their way. A stream that has nothing on its way may always send one segment.
pub const CONNECTION_WINDOW_BYTES: usize = 32 << 20;

/// Bytes of messages that wait to be sent on one stream. Above it `send` refuses; one message of the largest size fits into an empty queue.
pub const QUEUE_BYTES: usize = 4 << 20;

/// Bytes of messages that came and were not read, on one stream. Above it nothing more is acknowledged, which stops the peer when its window is full.
pub const UNREAD_BYTES: usize = 4 << 20;

/// The same, of all streams together. Above it streams that have something unread get nothing acknowledged.
pub const CONNECTION_UNREAD_BYTES: usize = 64 << 20;

/// Bytes that all streams of a connection hold of what came: unread, in parts, and out of order. Above it segments are dropped, to be sent
/// again; so what a peer can make us hold does not depend on what it sends. Room for two messages of the largest size, whose buffers may
/// have half of that to grow, and what is unread.
pub const CONNECTION_HELD_BYTES: usize = 256 << 20;

/// What each stream may hold whatever the others do: a hog leaves room for the small messages of everybody else. 32 MiB in all.
pub const RESERVED_BYTES: usize = 256 << 10;

/// What a message or segment costs beside its bytes, as it is counted: empty ones would cost nothing, and a million of them is much
/// (the lesson of quinn's RUSTSEC-2026-0185).
pub const ENTRY_BYTES: usize = 128;

/// Streams of one connection at the same time (the later reference has the same limit).
pub const STREAMS: usize = 128;

/// Ended streams that are remembered, so that what is late for them is answered with a reset instead of opening them again.
pub const ENDED_STREAMS: usize = 1_024;

/// Answers to frames of unknown streams that wait to be sent. More are dropped: whoever asked will ask again.
pub const REPLIES: usize = 128;

/// A stream that a peer opened without getting a message through, and without any progress for so long, is reset: a flood of
/// half-open streams must not keep the places.
pub const OPENING: Duration = Duration::from_secs(30);

/// Segments that may come before an acknowledgement is sent, if nothing else carries it: a sixth of a window, in bytes. Each wakes three processes on its way.
pub const ACK_SEGMENTS: u32 = 16;

/// And how long it may wait. Far below any timeout for resending, long enough that an answer carries most acknowledgements.
pub const ACK_DELAY: Duration = Duration::from_millis(10);

/// How many later segments must have come before one is taken for lost (RFC 5681, 3.2; RFC 9002, 6.1.1).
pub const REORDERING: u64 = 3;

/// The timeout for resending before any round trip was measured (RFC 6298, 2.1).
pub const TIMEOUT_FIRST: Duration = Duration::from_secs(1);

/// The shortest timeout. The delay of acknowledgements and a peer that is busy for a moment stay below.
pub const TIMEOUT_LEAST: Duration = Duration::from_millis(200);

/// The longest, however often it was doubled: what comes back after an outage is noticed within this.
pub const TIMEOUT_MOST: Duration = Duration::from_secs(10);

/// A peer that was not heard for so long is asked for a sign of life.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// A peer is gone when this many questions were not answered ...
pub const UNANSWERED: u32 = 6;

/// ... and it has not been heard for so long. Neither is enough alone: a machine that slept for an hour has asked nobody in that hour.
pub const SILENCE: Duration = Duration::from_secs(60);

/// Streams outlive their physical connection for so long. Longer than any session is kept for a client to return to (as the reference has it).
pub const LINK_DOWN: Duration = Duration::from_secs(120);

/// A resume is obeyed at most so often: each may have a whole window sent again.
pub const RESUME_EVERY: Duration = Duration::from_millis(100);

/// Longest authorization that a harness brings from the registry, in bytes (as the reference has it).
pub const AUTHORIZATION_BYTES: usize = 4_096;

/// Largest payload of a handshake frame, in bytes: the first message of the handshake has 3,600 and the authorization. Each stream keeps one that came, to know
/// it when it comes again.
pub const HANDSHAKE_BYTES: usize = 16 << 10;

/// Largest encrypted record, in bytes: the largest message of Noise.
pub const RECORD_BYTES: usize = 65_535;

/// Plain text of a record that we make, in bytes: with its tag of 16 it is one segment, so that nobody has to put records together before they are opened. The
/// reference cuts at 60 KiB; who reads takes any size.
pub const RECORD_PLAINTEXT_BYTES: usize = SEGMENT_BYTES - 16;

/// Records that one key is used for in one direction. A stream has no more numbers for them; and with 2^32 records of 44 KiB an attacker's advantage against
/// AES-GCM with counted nonces is still below 2^-40 (reckoned as in RFC 8446, 5.5).
pub const RECORDS: u64 = u32::MAX as u64;

/// For opening a physical connection, from the name to the upgrade (as the reference has it).
pub const CONNECT: Duration = Duration::from_secs(10);

/// For the answer of a registry, and for connecting to it (as the reference has it).
pub const REGISTRY: Duration = Duration::from_secs(10);

/// Bytes of a registry's answer that are read. What it says is a URL and a few keys of a kilobyte each.
pub const REGISTRY_ANSWER: usize = 64 << 10;

/// Characters of an error's body that are shown, where it is not what a registry says (as the reference has it).
pub const PREVIEW: usize = 4_096;

/// The first wait before a lost connection is tried again. The reference waits a second; streams here wait for their connection
/// meanwhile, and the third wait is as long as that.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(125);

/// The longest (as the reference has it).
pub const BACKOFF_MOST: Duration = Duration::from_secs(30);

/// The longest while streams wait for their connection, which they do for [`LINK_DOWN`].
pub const BACKOFF_WAITING: Duration = Duration::from_secs(2);

/// The longest wait that a server can ask for: a wrong `Retry-After` must not take an executor away for a day.
pub const RETRY_AFTER_MOST: Duration = Duration::from_secs(300);

/// For a command that prints a token.
pub const TOKEN_COMMAND: Duration = Duration::from_secs(30);

/// Longest token, in bytes. Signed ones are a few kilobytes.
pub const TOKEN_BYTES: usize = 16 << 10;

/// Pings of one connection that are answered before the answers must have gone out. The library keeps answers that the socket does not take without a bound,
/// so who sends pings and never reads is not read from either, and then given up as silent.
pub const PINGS_UNSENT: usize = 64;

/// A physical connection on which nothing was heard for so long is pinged. Middle boxes forget idle connections after a minute or more.
pub const LINK_PING: Duration = Duration::from_secs(20);

/// ... and given up when nothing came for so long: streams that can resume lose nothing by it.
pub const LINK_SILENCE: Duration = Duration::from_secs(60);

/// For the good-bye on a socket.
pub const GOODBYE: Duration = Duration::from_secs(1);

/// A websocket's read buffer. An idle connection keeps it.
pub const READ_BUFFER: usize = 16 << 10;

/// The largest message that is read straight to where it stays, for which there is room as soon as its length is known: any segment, and a plain peer's piece of output.
pub const WHOLE_FRAME: usize = 256 << 10;

/// Bytes that are read at once where no frame has begun: some twenty small frames. They are copied twice, so it is not more; what is missing of a large frame is
/// read to its place.
pub const LOOK: usize = 4 << 10;

/// The largest payload that is copied behind its frame's head: below that a copy costs less than a second part of a write.
pub const SMALL_PART: usize = 2 << 10;

/// Bytes of a read while there is much to read: three frames. A connection that has nothing more to say keeps nothing of it.
pub const READ_AHEAD: usize = 128 << 10;

/// Bytes that a websocket gathers before it writes: a few segments.
pub const WRITE_BUFFER: usize = 128 << 10;

/// Frames that are read, then written, before the other direction has its turn.
pub const FRAMES_A_TURN: usize = 32;

/// Turns before other tasks of the thread have theirs.
pub const TURNS: usize = 8;

/// How often the streams are told the time while the socket takes nothing.
pub const BLOCKED: Duration = Duration::from_millis(50);

/// Handshakes whose registry is being asked at once on one connection (as the reference has it).
pub const VALIDATIONS: usize = 32;

/// A registry that is away is asked again for so long, whether a harness may be let in: half of what that waits ([`HANDSHAKE`]), for each attempt may take a while.
pub const VALIDATION: Duration = Duration::from_secs(7);

/// The pause between two such attempts, as long as a rendezvous takes to be started again.
pub const VALIDATION_PAUSE: Duration = Duration::from_millis(250);

/// For the executor's answer to a handshake, which waits for its registry.
pub const HANDSHAKE: Duration = Duration::from_secs(15);
