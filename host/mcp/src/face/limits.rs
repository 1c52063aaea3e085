//! Ceilings of the face, each with its reason. `lockgate doctor` prints them.

use std::time::Duration;

/// Longest message on stdin, in bytes: what a file of some megabytes takes as JSON. A longer one is refused.
pub const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Tool calls of one session that may run at once. Agents make a handful; the executor bounds the requests of a connection, too.
pub const CALLS: usize = 64;

/// Messages of one batch (protocol 2025-03-26), whose answers are kept until all of them are there: as many as calls may run.
pub const BATCH: usize = CALLS;

/// Answers on stdout to what was no message that wait to be read: whoever sends that many without reading one reads none. Each has less than a KiB.
pub const REFUSALS: usize = 1_024;

/// Bytes of each stream that `run` and its like tell where nothing else is asked for: some pages, what a model still reads.
pub const OUTPUT_BYTES: usize = 32 * 1024;

/// The least that can be asked for, in bytes of text: a line, and what is said of the rest.
pub const LEAST_BYTES: usize = 1024;

/// The most that can be asked for, in bytes of text: more floods any model.
pub const MOST_BYTES: usize = 256 * 1024;

/// Processes of one session that are known at once, running or with output nobody has fetched.
pub const PROCESSES: usize = 32;

/// How long `run` waits where nothing else is asked for. Clients of MCP give a call up after a minute, and then a process is better
/// running under a handle than lost.
pub const WAIT: Duration = Duration::from_secs(30);

/// The same of what a process writes back to what is written to it: mostly a prompt.
pub const WRITE_WAIT: Duration = Duration::from_secs(2);

/// The longest wait that can be asked for.
pub const MOST_WAIT: Duration = Duration::from_secs(600);

/// How long a process that is stopped may take to end by itself, before it is killed.
pub const GRACE: Duration = Duration::from_secs(3);

/// After the exit of a process, how long its last output is waited for. Something left in the background may hold it open for good.
pub const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// How long the end of a session may take: an executor that is stuck holds up nobody's exit.
pub const END: Duration = Duration::from_secs(5);

/// After the end of its input, how long a session may take to write its last answers: five seconds of the SDK's, and a little more.
pub const LAST_ANSWERS: Duration = Duration::from_secs(7);

/// How often a waiting call tells its progress, and how long that may take: a client that does not read holds nothing up.
pub const PROGRESS: Duration = Duration::from_secs(1);

/// Lines that `read` gives where nothing else is asked for.
pub const READ_LINES: u64 = 2_000;

/// Bytes of text that `read` gives where nothing else is asked for.
pub const READ_BYTES: usize = 64 * 1024;

/// Bytes of a file that `read` passes over to come to the first line that was asked for. Lines are counted by reading.
pub const SCANNED_BYTES: u64 = 64 * 1024 * 1024;

/// Largest file that is no text and is given whole, in bytes, as an image or a blob.
pub const BINARY_BYTES: u64 = 512 * 1024;

/// Largest file that `edit` changes, in bytes: it is read and written whole.
pub const EDITED_BYTES: u64 = 8 * 1024 * 1024;

/// Entries that `list` gives where nothing else is asked for, and the most of them.
pub const ENTRIES: u64 = 200;

/// The most entries that can be asked for.
pub const MOST_ENTRIES: u64 = 2_000;

/// Directories that one `list` asks for at once: a level may have thousands, and other calls want to get through.
pub const LISTED_AT_ONCE: usize = 16;

/// Places that one `list` could not look into and names; of more it tells the number.
pub const SHOWN_UNREAD: usize = 50;

/// Files and directories that one `search` passes.
pub const SEARCHED_ENTRIES: u64 = 20_000;

/// Bytes that one `search` reads in all.
pub const SEARCHED_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of one file that `search` reads: what is larger is data more often than text.
pub const SEARCHED_FILE: u64 = 4 * 1024 * 1024;

/// Files that one `search` reads at once.
pub const SEARCHED_AT_ONCE: usize = 16;

/// How long one `search` goes on before it tells what it has.
pub const SEARCH_TIME: Duration = Duration::from_secs(30);

/// Matches that `search` gives where nothing else is asked for.
pub const MATCHES: u64 = 100;

/// The most matches that can be asked for.
pub const MOST_MATCHES: u64 = 1_000;

/// Bytes of a line that `search` shows.
pub const SHOWN_LINE: usize = 400;

/// Bytes that a compiled pattern may take: the time for a line is in proportion to its length and to this.
pub const PATTERN_BYTES: usize = 256 * 1024;

/// Characters of a pattern, and of a glob: reading one takes memory in proportion, before its compiled size can be known.
pub const PATTERN_CHARACTERS: usize = 4 * 1024;

/// Edits of one `edit`: each looks through the whole file.
pub const EDITS: usize = 100;

/// Bytes of a refusal: it may quote what it refuses.
pub const REFUSAL_BYTES: usize = 8 * 1024;

/// Calls of a session that wait for a client to come back with somebody's answer (protocol 2026-07-28).
pub const PARKED: usize = 32;

/// How long such a call is kept where the policy's own time is not shorter: clients that have vanished must not fill the places.
pub const PARKED_TIME: Duration = Duration::from_secs(600);

/// Bytes of one thing that a question shows, such as all arguments of a command: enough to judge it, and no page to scroll through.
pub const SHOWN_ACTION: usize = 2_000;

/// Bytes of a variable's value, or of a name, that a question shows: there can be several.
pub const SHOWN_VALUE: usize = 200;

/// How long what is at a path, and where it leads, is looked at before somebody is asked about it: a file system that hangs holds no question up.
pub const SIGHT: Duration = Duration::from_secs(2);

/// Directories above what is not there that are looked at for a link that leads nowhere, or for the first that is missing: each is a request.
pub const LOOKED_ABOVE: usize = 8;

/// Links of one path that are followed to see where it leads before anybody is asked about it: as many as a system follows.
pub const FOLLOWED_LINKS: usize = 40;

/// Paths of each kind that an explanation of a profile names, and those of which it is looked up whether links are part of them: a profile may have thousands.
pub const SHOWN_GRANTS: usize = 10;

/// Sessions over HTTP that may be open at once. Each may have an executor of its own, which is a process with some 30 MiB.
pub const SESSIONS: usize = 64;

/// How long a session over HTTP stays without a message. Its processes end with it; a person reads and thinks between two.
pub const SESSION_IDLE: Duration = Duration::from_secs(3_600);

/// How long a session must have been silent to give way when there is no place for another one: clients that went without a word must not
/// keep others out for an hour.
pub const SESSION_YIELDS: Duration = Duration::from_secs(600);

/// Connections over HTTP at once that have shown the token: several a session, one of them for a stream.
pub const CONNECTIONS: usize = 256;

/// Connections over HTTP at once that have not: whoever reaches the address can open them. Of more the first gives way, so it is enough time for a head that
/// these come in.
pub const STRANGERS: usize = 64;

/// How long the head of a request may take: a connection that says nothing holds a place.
pub const REQUEST_HEAD: Duration = Duration::from_secs(15);

/// How long the body of a request may take: that of the largest message over a slow line.
pub const REQUEST_BODY: Duration = Duration::from_secs(60);

/// Fewest characters of a bearer token: what is shorter can be guessed.
pub const TOKEN_CHARACTERS: usize = 16;
