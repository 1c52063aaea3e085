//! The limits in force, as the crates have them.

use super::{Section, bytes};

/// Of a server, whichever way its clients come.
pub(super) fn server() -> Section {
    use lockgate_capfs::limits as capfs;
    use lockgate_process::limits as process;
    use lockgate_server::limits as server;
    use lockgate_wire::limits as wire;
    Section::new("limits")
        .with("message", bytes(wire::MESSAGE_BYTES as u64))
        .with("JSON values in a message", wire::JSON_VALUES)
        .with(
            "requests in flight, a connection",
            server::REQUESTS_IN_FLIGHT,
        )
        .with(
            "connections",
            format!(
                "{}; one that has not become a websocket: {} s for a request, {} s in all",
                server::CONNECTIONS,
                server::REQUEST_HEAD.as_secs(),
                server::HTTP_LIFE.as_secs()
            ),
        )
        .with(
            "sign of life of a connection whose session is asked for",
            format!("within {} s", server::SIGN_OF_LIFE.as_secs()),
        )
        .with("guest memory", bytes(capfs::GUEST_MEMORY_BYTES as u64))
        .with(
            "time for a file call",
            format!(
                "{} s without an answer of the file system, {} s in all (serve --file-seconds, --tree-seconds)",
                capfs::OPERATION_TIME.as_secs(),
                capfs::TREE_TIME.as_secs()
            ),
        )
        .with(
            "file calls that hang",
            format!(
                "given up {} s after their time; at {} of them new calls are refused",
                capfs::GRACE.as_secs(),
                capfs::ABANDONED_THREADS
            ),
        )
        .with("threads for file calls", capfs::LIVE_THREADS)
        .with(
            "warm guests",
            format!(
                "{} in all, {} a scope",
                capfs::WARM_INSTANCES,
                capfs::WARM_PER_SCOPE
            ),
        )
        .with(
            "the server's own files",
            format!(
                "kept from clients where they are, and at {} places where they were",
                capfs::FORMER_OWN
            ),
        )
        .with(
            "old contents kept during an overwrite",
            format!(
                "{} where the file system cannot reserve",
                bytes(capfs::KEPT_BYTES)
            ),
        )
        .with(
            "log lines of guests",
            format!(
                "{} of {} bytes a call, {} a second in all",
                capfs::LOG_LINES_PER_CALL,
                capfs::LOG_LINE_BYTES,
                capfs::LOG_LINES_PER_SECOND
            ),
        )
        .with(
            "listing of every entry",
            format!(
                "{} entries, names of {}",
                capfs::LISTED_ENTRIES,
                bytes(capfs::LISTED_NAME_BYTES as u64)
            ),
        )
        .with("open files, a connection", server::OPEN_FILES)
        .with("open trees, a connection", server::OPEN_TREES)
        .with(
            "watches, a connection",
            format!(
                "{} of {} directories; {} directories in all",
                server::WATCHES,
                capfs::WATCHED_DIRECTORIES,
                capfs::WATCHED_IN_ALL
            ),
        )
        .with(
            "discovery of plugins and skills",
            format!(
                "{} roots of {} skills each, {} of files in all",
                server::DISCOVER_ROOTS,
                server::DISCOVER_SKILLS,
                bytes(server::DISCOVER_BYTES as u64)
            ),
        )
        .with(
            "batch of file operations",
            format!(
                "{} operations, {}, {} s",
                server::BATCH_OPERATIONS,
                bytes(server::BATCH_BYTES as u64),
                server::BATCH_TIME.as_secs()
            ),
        )
        .with(
            "http requests, a connection",
            format!("{} at a time, {} redirects each", server::HTTP_REQUESTS, server::HTTP_REDIRECTS),
        )
        .with(
            "http headers",
            format!("{}, {}", server::HTTP_HEADERS, bytes(server::HTTP_HEADER_BYTES as u64)),
        )
        .with("http body in one piece", format!("{} KiB", server::HTTP_BODY_BYTES >> 10))
        .with("processes, a session", server::PROCESSES)
        .with(
            "output kept, a process",
            bytes(process::RETAINED_BYTES as u64),
        )
        .with(
            "output that an acknowledging reader may have on its way",
            format!(
                "{}, or {} for more than {} processes at once",
                bytes(process::HELD_LAG_BYTES),
                bytes(process::PACE_LAG_BYTES),
                process::HELD_AT_ONCE
            ),
        )
        .with(
            "session without a connection",
            format!("{} s", server::DETACHED_SESSION.as_secs()),
        )
        .with(
            "walk",
            format!(
                "depth {}, {} directories, {} entries",
                wire::WALK_DEPTH,
                wire::WALK_DIRECTORIES,
                wire::WALK_ENTRIES
            ),
        )
}

/// Of `exec`, `shell`, `fs` and whatever else is a client.
pub(super) fn client() -> Section {
    use lockgate_client::limits as client;
    Section::new("limits of a client")
        .with(
            "websocket on which nothing is heard",
            format!(
                "pinged after {} s, told of after {} s, lost after {} s",
                client::PING.as_secs(),
                client::UNHEARD.as_secs(),
                client::SILENCE.as_secs()
            ),
        )
        .with(
            "stream on which nothing is heard",
            format!(
                "its websocket pinged after {} s, told of after {} s, replaced after {} s",
                lockgate_relay::limits::LINK_PING.as_secs(),
                client::STREAM_UNHEARD.as_secs(),
                lockgate_relay::limits::LINK_SILENCE.as_secs()
            ),
        )
        .with(
            "lost connection",
            format!(
                "tried for {} s (--resume-window)",
                client::RESUME_WINDOW.as_secs()
            ),
        )
        .with("calls in flight", client::IN_FLIGHT)
        .with(
            "events of a process that nobody has read",
            format!(
                "{}, {} in number",
                bytes(client::EVENT_BYTES as u64),
                client::EVENTS
            ),
        )
        .with(
            "http body that nobody has read",
            format!(
                "{}, and {} of executors that wait for their reader",
                bytes(client::BODY_BYTES),
                bytes(client::BODY_WINDOW)
            ),
        )
        .with(
            "acknowledged, where a process waits for its reader",
            format!(
                "every {} or {} events",
                bytes(client::ACKNOWLEDGE_BYTES),
                client::ACKNOWLEDGE_EVENTS
            ),
        )
}

/// Of executors and harnesses that meet at a rendezvous.
pub(super) fn relay() -> Section {
    use lockgate_relay::limits as relay;
    Section::new("limits of remote streams")
        .with("streams, an executor", relay::STREAMS)
        .with("message", bytes(relay::MESSAGE_BYTES as u64))
        .with(
            "on its way and not acknowledged",
            format!(
                "{} a stream, {} in all",
                bytes(relay::WINDOW_BYTES as u64),
                bytes(relay::CONNECTION_WINDOW_BYTES as u64)
            ),
        )
        .with(
            "held of what came",
            format!(
                "{} in all, of which each stream may have {} whatever others do",
                bytes(relay::CONNECTION_HELD_BYTES as u64),
                bytes(relay::RESERVED_BYTES as u64)
            ),
        )
        .with(
            "stream without its connection",
            format!("{} s", relay::LINK_DOWN.as_secs()),
        )
        .with(
            "stream whose other end is silent",
            format!(
                "asked after {} s, over after {} questions and {} s",
                relay::HEARTBEAT.as_secs(),
                relay::UNANSWERED,
                relay::SILENCE.as_secs()
            ),
        )
        .with(
            "processes of a harness that is gone without a word",
            format!("end {} s after it was last heard", gone().as_secs()),
        )
        .with(
            "stream without a first message",
            format!("{} s", relay::OPENING.as_secs()),
        )
        .with(
            "pauses between attempts to connect",
            format!(
                "{} ms at first, up to {} s, or {} s while streams wait; {} s if asked for",
                relay::BACKOFF_FIRST.as_millis(),
                relay::BACKOFF_MOST.as_secs(),
                relay::BACKOFF_WAITING.as_secs(),
                relay::RETRY_AFTER_MOST.as_secs()
            ),
        )
        .with(
            "answer of a registry",
            format!(
                "{}, {} s",
                bytes(relay::REGISTRY_ANSWER as u64),
                relay::REGISTRY.as_secs()
            ),
        )
        .with(
            "handshakes that wait for the registry",
            format!(
                "{} at a time, {} s while it is away",
                relay::VALIDATIONS,
                relay::VALIDATION.as_secs()
            ),
        )
}

/// Silence, the questions that are not answered, and the time of a session that nobody takes up.
fn gone() -> std::time::Duration {
    use lockgate_relay::limits::{HEARTBEAT, SILENCE, TIMEOUT_MOST, UNANSWERED};
    let asked = HEARTBEAT + TIMEOUT_MOST * (UNANSWERED - 1);
    asked.max(SILENCE) + lockgate_server::limits::DETACHED_SESSION
}

/// Of `lockgate rendezvous`.
pub(super) fn rendezvous() -> Section {
    use lockgate_rendezvous::limits as rendezvous;
    Section::new("limits of a rendezvous")
        .with(
            "connections, a tenant",
            format!("{} (--tenant-connections)", rendezvous::TENANT_CONNECTIONS),
        )
        .with("harnesses, an environment", rendezvous::HARNESSES)
        .with(
            "streams",
            format!(
                "{} an environment, {} a harness",
                rendezvous::STREAMS,
                rendezvous::LINK_STREAMS
            ),
        )
        .with(
            "sockets that have not said who they are",
            format!(
                "{}, {} of one address; {} s for a request, {} s in all",
                rendezvous::SOCKETS,
                rendezvous::SOCKETS_OF_ONE,
                rendezvous::REQUEST_HEAD.as_secs(),
                rendezvous::HTTP_LIFE.as_secs()
            ),
        )
        .with(
            "waiting to be written",
            format!(
                "{} for an executor, {} for a harness, {} and {} s for one that cannot resume",
                bytes(rendezvous::EXECUTOR_QUEUE as u64),
                bytes(rendezvous::HARNESS_QUEUE as u64),
                bytes(rendezvous::PLAIN_QUEUE as u64),
                rendezvous::PLAIN_STALL.as_secs()
            ),
        )
        .with(
            "frame",
            format!(
                "{}; without encryption {}, above {} {} of an environment at once in each direction, {} s each",
                bytes(rendezvous::SMALL_FRAME as u64),
                bytes(lockgate_relay::limits::MESSAGE_BYTES as u64),
                bytes(rendezvous::SMALL_FRAME as u64),
                rendezvous::LARGE_FRAMES,
                rendezvous::LARGE_FRAME.as_secs()
            ),
        )
        .with(
            "silence of a connection",
            format!(
                "asked after {} s, ended after {} s",
                rendezvous::PING.as_secs(),
                rendezvous::SILENCE.as_secs()
            ),
        )
        .with(
            "signed URL",
            format!(
                "{} s from the registry, {} days by hand",
                rendezvous::URL_FOR_NOW.as_secs(),
                rendezvous::URL_DAYS
            ),
        )
        .with(
            "stop",
            format!("{} s for everybody to leave", rendezvous::DRAIN.as_secs()),
        )
}

/// Of the nodes of `lockgate rendezvous` with each other.
pub(super) fn nodes() -> Section {
    use lockgate_rendezvous::limits as nodes;
    Section::new("limits between nodes of a rendezvous")
        .with("nodes", nodes::NODES)
        .with(
            "a pipe, for a harness whose executor is at another node",
            format!(
                "{} and {} frames on their way or waiting; {} a message of NATS",
                bytes(nodes::PIPE_WINDOW as u64),
                nodes::PIPE_FRAMES,
                bytes(nodes::PACKET as u64)
            ),
        )
        .with(
            "pipes with one other node",
            format!(
                "{}; {} that came from there and wait to be taken",
                nodes::NODE_PIPES,
                bytes(nodes::NODE_BYTES as u64)
            ),
        )
        .with(
            "silence",
            format!(
                "a node is taken for dead after {:.1} s, a pipe given up after {} s",
                nodes::DEAD.as_secs_f32(),
                nodes::PIPE_SILENCE.as_secs()
            ),
        )
        .with(
            "without news of the registry",
            format!("nobody is let in after {} s", nodes::CURRENT.as_secs()),
        )
        .with(
            "answer of NATS, or of another node",
            format!("within {} s", nodes::NATS.as_secs()),
        )
        .with(
            "what a node that is gone left in the registry",
            format!("removed after {} s", nodes::LEFT_BEHIND.as_secs()),
        )
}

/// Of `lockgate mcp`.
pub(super) fn mcp() -> Section {
    use lockgate_mcp::face::limits as mcp;
    Section::new("limits of the MCP server")
        .with("message", bytes(mcp::MESSAGE_BYTES as u64))
        .with("tool calls at once, a session", mcp::CALLS)
        .with("messages of a batch", mcp::BATCH)
        .with("processes, a session", mcp::PROCESSES)
        .with(
            "output of a command",
            format!(
                "{} of each stream unless asked, {} at most",
                bytes(mcp::OUTPUT_BYTES as u64),
                bytes(mcp::MOST_BYTES as u64)
            ),
        )
        .with(
            "wait for a command",
            format!(
                "{} s unless asked, {} s at most; then it goes on under a handle",
                mcp::WAIT.as_secs(),
                mcp::MOST_WAIT.as_secs()
            ),
        )
        .with(
            "read",
            format!(
                "{} lines and {} unless asked, {} at most; what is no text up to {}",
                mcp::READ_LINES,
                bytes(mcp::READ_BYTES as u64),
                bytes(mcp::MOST_BYTES as u64),
                bytes(mcp::BINARY_BYTES)
            ),
        )
        .with("file that is edited", bytes(mcp::EDITED_BYTES))
        .with("entries of a listing", mcp::MOST_ENTRIES)
        .with(
            "search",
            format!(
                "{} entries, {}, {} of one file, {} s, {} matches",
                mcp::SEARCHED_ENTRIES,
                bytes(mcp::SEARCHED_BYTES),
                bytes(mcp::SEARCHED_FILE),
                mcp::SEARCH_TIME.as_secs(),
                mcp::MOST_MATCHES
            ),
        )
        .with(
            "calls that wait for a person's answer, a session",
            mcp::PARKED,
        )
        .with(
            "over HTTP",
            format!(
                "{} sessions, ended after {} s without a message; {} connections, and {} that have not shown the token; {} s for a head, {} s for a body",
                mcp::SESSIONS,
                mcp::SESSION_IDLE.as_secs(),
                mcp::CONNECTIONS,
                mcp::STRANGERS,
                mcp::REQUEST_HEAD.as_secs(),
                mcp::REQUEST_BODY.as_secs()
            ),
        )
}
