//! Every limit of the server, with its reason. `lockgate doctor` prints them.

use std::time::Duration;

/// Largest JSON-RPC message, in bytes, in either direction and on every transport (as the reference has it).
pub const MESSAGE_BYTES: usize = 64 << 20;

/// Requests of one connection that are unanswered or whose answer is not yet on its way to the
/// socket. At the limit the server stops reading from that connection: back-pressure, nothing is
/// dropped. A client of today keeps at most 1,024 calls in flight and one more to clean up with:
/// that one must get through when all others are long polls.
pub const REQUESTS_IN_FLIGHT: usize = 2_048;

/// Bytes that one connection makes the server hold: requests whose work is not over, and answers that
/// are not counted against [`ANSWER_BYTES`]. At the limit the server stops reading from that
/// connection, as for [`REQUESTS_IN_FLIGHT`]: 2,048 messages of the largest size would be 128 GiB. One
/// message of the largest size leaves room for those that interrupt it.
pub const HELD_BYTES: usize = MESSAGE_BYTES + (16 << 20);

/// How often a connection that is not read from is looked at for a peer that has gone: the end of its
/// input lies behind what is not read, and its session must become free for a resume.
pub const HANG_UP_CHECK: Duration = Duration::from_millis(250);

/// File requests of one connection that run on blocking threads at the same time. More would only
/// take threads from other connections: a disk does not get faster by asking it more.
pub const FILE_CALLS_AT_ONCE: usize = 8;

/// Decisions of policies that are made for one connection at once, each on a thread, beside those of its file calls: of the policy gate's 64 places and of the
/// threads the others keep theirs, whatever a policy does.
pub const DECISIONS_AT_ONCE: usize = 8;

/// File calls of one connection that are on a thread, given up or not. A quarter of what may hang in all: who asks a mount that does not
/// answer again and again takes the threads from nobody else.
pub const FILE_CALLS_HELD: usize = 32;

/// Bytes of large answers that one connection may have waiting for its socket: one message of the
/// largest size and some room. A client that never reads costs this much and no more.
pub const ANSWER_BYTES: usize = MESSAGE_BYTES + (16 << 20);

/// Answers below this size are not counted against [`ANSWER_BYTES`] but against [`HELD_BYTES`], where
/// nobody waits for his share.
pub const SMALL_ANSWER_BYTES: usize = 16 << 10;

/// Largest file whose `fs/readFile` answer fits a message, in bytes: base64 takes four bytes for three,
/// and the envelope takes some. The error for a larger one names `fs/open` as the way to read it.
pub const FILE_BYTES: u64 = (MESSAGE_BYTES as u64 - 1_024) / 4 * 3;

/// Bytes of a read buffer that a thread keeps for the next file. Without one the allocator gives a large
/// buffer back after each file, and the kernel fills the next one with zeros first.
pub const KEPT_BUFFER: usize = 2 << 20;

/// Files up to this size are read on the connection's own thread when the system has them in memory.
pub const INLINE_FILE_BYTES: u64 = 16 << 10;

/// Open file handles of one connection (`fs/open`).
pub const OPEN_FILES: usize = 128;

/// Of so many descriptors that the process may have, one may be a file that a client has open: at most half of them, so that
/// connections, processes and requests find some, too.
pub const DESCRIPTORS_FOR_ONE_FILE: usize = 2;

/// Trees that one connection may have open at once. Each holds a listing, a file and up to 16 MiB of names; one is
/// enough for most.
pub const OPEN_TREES: usize = 4;

/// Paths of one `fs/watchMissing`.
pub const MISSING_PATHS: usize = lockgate_wire::limits::MISSING_PATHS;

/// Watches of one connection. A client watches a few directories, each with all below it.
pub const WATCHES: usize = 64;

/// Longest client-chosen file handle, in bytes (as the reference has it).
pub const HANDLE_ID_BYTES: usize = 32;

/// Largest `len` of `fs/readBlock`, in bytes (as the reference has it).
pub const BLOCK_BYTES: usize = 1 << 20;

/// Operations of one `lockgate/fs/batch`.
pub const BATCH_OPERATIONS: usize = lockgate_wire::limits::BATCH_OPERATIONS;

/// Bytes of the answer to one `lockgate/fs/batch`. An operation whose result does not fit any more is told so; its client asks again for
/// that one. A batch takes this share of [`ANSWER_BYTES`] before it begins, so ten of them may be on their way.
pub const BATCH_BYTES: usize = 8 << 20;

/// The wire's.
pub const DISCOVER_ROOTS: usize = lockgate_wire::limits::DISCOVER_ROOTS;
/// The wire's.
pub const DISCOVER_DEPTH: usize = lockgate_wire::limits::DISCOVER_DEPTH;
/// The wire's.
pub const DISCOVER_DIRECTORIES: usize = lockgate_wire::limits::DISCOVER_DIRECTORIES;
/// The wire's.
pub const DISCOVER_ENTRIES: usize = lockgate_wire::limits::DISCOVER_ENTRIES;
/// The wire's.
pub const DISCOVER_SKILLS: usize = lockgate_wire::limits::DISCOVER_SKILLS;
/// The wire's.
pub const DISCOVER_FILE_BYTES: u64 = lockgate_wire::limits::DISCOVER_FILE_BYTES;
/// The wire's.
pub const DISCOVER_BYTES: usize = lockgate_wire::limits::DISCOVER_BYTES;
/// Warnings about one root.
pub const DISCOVER_WARNINGS: usize = 64;

/// Time after which a batch begins no further operation: one that changes something has the connection's file requests wait.
pub const BATCH_TIME: Duration = Duration::from_secs(60);

/// How long a session without a connection is kept, and its processes with it (as the reference has it).
pub const DETACHED_SESSION: Duration = Duration::from_secs(30);

/// How long a closed process can still be read (as the reference has it).
pub const CLOSED_PROCESS: Duration = Duration::from_secs(30);

/// Processes of one session, running or retained. A client that forgets to wait must not exhaust
/// the machine's process table; ordinary sessions have a few dozen.
pub const PROCESSES: usize = 4_096;

/// Longest process id, in bytes. Clients send a number and a uuid, some 50 bytes.
pub const PROCESS_ID_BYTES: usize = 1_024;

/// Write ids remembered for each process, so that a repeated `process/write` is not written twice
/// (as the reference has it).
pub const WRITE_IDS: usize = 4_096;

/// Longest write id, in bytes: [`WRITE_IDS`] of them are kept. Clients send a uuid.
pub const WRITE_ID_BYTES: usize = 256;

/// Time between websocket pings (as the reference has it).
pub const PING: Duration = Duration::from_secs(30);

/// Time that the peer of a connection has to show that it is there, once somebody else asks for its session. Longer than a round trip to anywhere and
/// than a busy client takes; short enough that a client whose link went silent gets its session back in the 25 s for which it tries to (as the reference has it).
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Pings of a peer that are answered before the answers must have gone out. The library keeps answers that the
/// socket does not take without a bound, so a peer that sends pings and never reads is not read
/// from either.
pub const PINGS_UNSENT: usize = 64;

/// Time a peer may take to send its HTTP request head (slow-loris).
pub const REQUEST_HEAD: Duration = Duration::from_secs(10);

/// Lifetime of an HTTP connection that becomes no websocket. Each holds one of [`CONNECTIONS`], and without it would do so for ever: one that asks again
/// before its time for a head is over, or that reads no answers.
pub const HTTP_LIFE: Duration = Duration::from_secs(60);

/// Size of the websocket read buffer, in bytes. tungstenite fills it with zeros and keeps it for
/// the life of the connection: its default of 128 KiB is the memory of an idle connection.
pub const READ_BUFFER: usize = 4 << 10;

/// Bytes gathered before they are written to the socket without a flush.
pub const WRITE_BUFFER: usize = 64 << 10;

/// `TCP_NOTSENT_LOWAT`: what the kernel may hold unsent. An answer in a flood waits behind this
/// much; below 256 KiB throughput suffers (measured by the prototype: a third at 64 KiB).
pub const NOT_SENT: u32 = 256 << 10;

/// Messages handled for one connection before the others of its thread get their turn.
pub const MESSAGES_A_TURN: usize = 64;

/// Time that sessions get to end when the server is told to stop. The whole stop stays under two seconds.
pub const SHUTDOWN: Duration = Duration::from_millis(1_500);

/// Connections at a time. Who comes after that waits in the kernel's queue until others end: one more
/// client must not cost those who are served.
pub const CONNECTIONS: usize = 10_000;

/// Time for the last answers after a peer has ended its side. Less than the two seconds after which a
/// server on stdio should be gone.
pub const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Time that a peer gets to take the close of its connection.
pub const GOODBYE: Duration = Duration::from_millis(500);

/// Decoded profiles that a connection remembers. A client uses two or three at a time.
pub const KNOWN_PROFILES: usize = 8;

/// Bytes of the text of one that is remembered: a few hundred entries. Larger ones are decoded each time; eight of the largest message's
/// size would be a gigabyte for each connection.
pub const KNOWN_PROFILE_BYTES: usize = 64 << 10;

/// Questions to somebody at the client's end that one connection may have out at once, and requests that wait for their answers. One person
/// answers them; at the limit a request is refused instead of asked about.
pub const APPROVALS: usize = 64;

/// Bytes of the requests of one connection that wait for somebody's answer. They do not count against [`HELD_BYTES`], or nothing would be
/// read from the connection any more, the answer neither: so they have a bound of their own.
pub const PARKED_BYTES: usize = MESSAGE_BYTES;

/// What is told of the reason that somebody gives for a no.
pub const APPROVAL_REASON_BYTES: usize = 1_024;

/// What a policy is shown of `clientName`.
pub const CLIENT_NAME_BYTES: usize = 256;

/// Bytes for a process that a policy is shown at once; more are shown in pieces. It is copied into the policy's memory for each decision.
pub const POLICY_WRITE_BYTES: usize = 64 << 10;

/// How long an idle guest is kept warm for its session. A new one costs some 50 us, a warm one 24 KiB.
pub const IDLE_GUEST: Duration = Duration::from_secs(60);

/// HTTP requests of one connection that are under way, streams included. A client has one stream for each of its MCP servers and a few calls.
pub const HTTP_REQUESTS: usize = 256;

/// Redirects that are followed, as ordinary clients do.
pub const HTTP_REDIRECTS: usize = 10;

/// Names of one connection that are looked up at the same time: each takes a thread until the name servers answer.
pub const HTTP_LOOKUPS: usize = 8;

/// Longest method of an HTTP request, in bytes. The longest registered one has 17.
pub const HTTP_METHOD_BYTES: usize = 64;

/// Longest URL, in bytes. Servers take 8 KiB at least; the client library takes no more than 64 KiB.
pub const HTTP_URL_BYTES: usize = 32 << 10;

/// Headers of an HTTP request, and of an answer.
pub const HTTP_HEADERS: usize = 256;

/// Names and values of the headers of an HTTP request together, in bytes. Servers refuse far less.
pub const HTTP_HEADER_BYTES: usize = 64 << 10;

/// Largest body whose answer fits a message, in bytes; the rest is for the headers, however much JSON makes of them. The error for a larger
/// one names `streamResponse`.
pub const HTTP_BODY_BYTES: u64 = (MESSAGE_BYTES as u64 - (1 << 20)) / 4 * 3;

/// Bytes of a body that are gathered before it needs a share of [`ANSWER_BYTES`]: times [`HTTP_REQUESTS`], 16 MiB a connection.
pub const HTTP_SMALL_BODY: usize = 64 << 10;

/// Bytes of a streamed body that wait for the client. At this the server of the body has to wait.
pub const HTTP_STREAM_BYTES: usize = 64 << 10;

/// Bytes of one `http/request/bodyDelta` (as the reference has it).
pub const HTTP_DELTA_BYTES: usize = 1 << 20;

/// Longest `requestId` of a stream, in bytes: it is in each of its messages. Clients send `http-1` and the like.
pub const HTTP_REQUEST_ID_BYTES: usize = 256;

/// How long a connection to an HTTP server is kept for the next request.
pub const HTTP_IDLE: Duration = Duration::from_secs(30);

/// Idle connections to one origin.
pub const HTTP_IDLE_PER_HOST: usize = 2;

/// Origins that one client's connections are kept to; with one more, all are given up and it begins anew.
pub const HTTP_ORIGINS: usize = 32;

/// What a server may send of one HTTP/2 stream before it is read, in bytes. The library's 2 MiB times all streams would be too much for one
/// client.
pub const HTTP_STREAM_WINDOW: u32 = 256 << 10;

/// The same for all streams of one HTTP/2 connection.
pub const HTTP_CONNECTION_WINDOW: u32 = 2 << 20;

/// Largest bundle of CA certificates, in bytes. That of a whole system has some 200 KiB.
pub const CA_BUNDLE_BYTES: u64 = 8 << 20;

/// Before an executor whose place another one has taken tries to take it back: the other one may be the one that is meant, and has its streams meanwhile.
pub const REPLACED: Duration = Duration::from_secs(60);
