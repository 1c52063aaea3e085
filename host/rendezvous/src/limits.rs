//! Every limit of the rendezvous, with its reason.

use std::time::Duration;

/// Sockets at once, before they have said who they are. What counts are descriptors.
pub const SOCKETS: usize = 16_384;

/// Of these, from one address: a quarter, so that one machine locks out nobody else, and what is behind one address (a NAT, a proxy on another machine) is
/// hardly ever at its end: each is counted for a moment only. Those from this machine itself are not counted, they may be everybody's through a proxy.
pub const SOCKETS_OF_ONE: usize = SOCKETS / 4;

/// Time for the head of an HTTP request: who drips bytes in holds a socket no longer.
pub const REQUEST_HEAD: Duration = Duration::from_secs(10);

/// Bytes of a request's body that are read. Two keys and a token are three kilobytes.
pub const BODY_BYTES: usize = 64 << 10;

/// How long the URL of a registration may be used: for the connection that follows at once.
pub const URL_FOR_NOW: Duration = Duration::from_secs(60);

/// The longest that a URL made by hand may be used.
pub const URL_DAYS: u64 = 365;

/// Bytes that wait for an executor. Little, so that an interrupt of one harness waits behind little of another's flood; a harness whose frame
/// finds it full is not read meanwhile.
pub const EXECUTOR_QUEUE: usize = 256 << 10;

/// Bytes that wait for a harness: more than peers of the contract have on their way on a stream. What is more than that is dropped, and sent
/// again by its executor.
pub const HARNESS_QUEUE: usize = 16 << 20;

/// Bytes for a harness that cannot resume, above which its executor is not read ...
pub const PLAIN_QUEUE: usize = 1 << 20;

/// ... but no longer than this: then the harness is given up, because others wait for the same executor.
pub const PLAIN_STALL: Duration = Duration::from_secs(10);

/// Streams are remembered for so long after their harness is gone. Longer than the ends keep them (`lockgate_relay::limits::LINK_DOWN`).
pub const STREAM_MEMORY: Duration = Duration::from_secs(150);

/// Streams of one environment; the executor has a limit of 128 of its own, and ended ones are remembered for a while.
pub const STREAMS: usize = 4_096;

/// Harnesses connected to one environment.
pub const HARNESSES: usize = 1_024;

/// Executors and harnesses that one tenant may have connected, if the operator does not say otherwise.
pub const TENANT_CONNECTIONS: usize = 10_000;

/// A connection on which nothing was heard for so long is pinged ...
pub const PING: Duration = Duration::from_secs(20);

/// ... and given up when nothing came for so long.
pub const SILENCE: Duration = Duration::from_secs(60);

/// How often the store is looked at for changes, and forgotten streams are cleared away.
pub const TICK: Duration = Duration::from_secs(1);

/// Time for everybody to leave when the rendezvous stops.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Time for the good-bye of one connection.
pub const GOODBYE: Duration = Duration::from_secs(1);

/// `TCP_NOTSENT_LOWAT`: what the kernel may hold unsent.
pub const NOT_SENT: u32 = 256 << 10;

/// A websocket's read buffer, which an idle connection keeps: a thousand of them stay small.
pub const READ_BUFFER: usize = 4 << 10;

/// Bytes that a websocket gathers before it writes: as much as is read at once.
pub const WRITE_BUFFER: usize = 128 << 10;

/// Frames read or written before others have their turn.
pub const FRAMES_A_TURN: usize = 64;

/// Longest line of the store.
pub const STORE_LINE: usize = 16 << 10;

/// Registrations of one environment whose executor has not connected yet; the oldest is forgotten.
pub const REGISTRATIONS: usize = 8;

/// Streams of one harness's connection. An executor has 128 in all.
pub const LINK_STREAMS: usize = 256;

/// Bytes that wait for an executor above which it is not told of streams that ended: each harness that comes and goes could add some.
pub const RESETS_QUEUE: usize = 1 << 20;

/// Largest frame where streams are encrypted (as the reference has it): who sends the beginning of one and no more makes us hold no more than this.
pub const SMALL_FRAME: usize = 256 << 10;

/// Frames above [`SMALL_FRAME`] that one environment may have on their way in each direction: 256 MiB, of whatever many harnesses. Others wait for their turn,
/// small ones for nothing. An executor that does not read makes its own harnesses wait, which could not reach it anyway.
pub const LARGE_FRAMES: usize = 4;

/// For one of them to come in once it has its turn, or to be taken by a harness: the largest in it takes 9 Mbit/s. Who drips bytes holds the turn no longer; a
/// harness that takes nothing of it is given up after [`PLAIN_STALL`].
pub const LARGE_FRAME: Duration = Duration::from_secs(60);

/// Larger frames are written in pieces of this size, so that no copy of them stands in the socket's buffer.
pub const PIECE: usize = 256 << 10;

/// Lifetime of an HTTP connection that becomes no websocket: who reads no answers holds a socket no longer.
pub const HTTP_LIFE: Duration = Duration::from_secs(60);

/// Bytes of one pipe between two nodes that are on their way or wait there. A few milliseconds of a fast stream: nodes are near each other.
pub const PIPE_WINDOW: usize = 1 << 20;

/// Frames of one pipe that wait to be taken. The smallest that there are fill a window before there are so many: who sends more sends nothing.
pub const PIPE_FRAMES: usize = 32 << 10;

/// What a frame is counted for beside its bytes.
pub const FRAME_COST: usize = 128;

/// Nodes that are known at once. Names that nobody has would otherwise each have a share of what follows; those that are not known have one share together.
pub const NODES: usize = 256;

/// Pipes with one other node: as many as it may have sockets, so one that is honest never has more.
pub const NODE_PIPES: usize = SOCKETS;

/// Bytes that came from one other node and wait here to be taken: the windows of five hundred pipes that are all stuck, or two environments' large frames. A pipe that
/// would go beyond is ended, and whoever can resume comes back.
pub const NODE_BYTES: usize = 512 << 20;

/// Bytes of one message to another node: NATS servers take one MiB unless told otherwise.
pub const PACKET: usize = 256 << 10;

/// How often a node says that it is there ...
pub const ALIVE: Duration = Duration::from_millis(300);

/// ... and how long after it was last heard it is taken for dead. Its harnesses are to be at another node within two seconds.
pub const DEAD: Duration = Duration::from_millis(1_200);

/// How often a node writes into the registry, to see it come back: then everything that others wrote before has come as well.
pub const PULSE: Duration = Duration::from_millis(700);

/// Nobody new is let in when what was written came back longer ago than this: a revocation may have been missed.
pub const CURRENT: Duration = Duration::from_secs(3);

/// How often either end of a pipe says what it has ...
pub const PIPE_PING: Duration = Duration::from_secs(5);

/// ... and how long after it was last heard a pipe is given up. NATS delivers at most once, so an end may not have heard of the other one's.
pub const PIPE_SILENCE: Duration = Duration::from_secs(15);

/// For an answer of NATS, or of another node.
pub const NATS: Duration = Duration::from_secs(5);

/// Before something that NATS did not take is tried again.
pub const NATS_AGAIN: Duration = Duration::from_millis(250);

/// Executors whose coming and going is written at the same time: thousands may move from a node that ended.
pub const ANNOUNCERS: usize = 16;

/// What a node that is gone has left in the registry is removed after so long. Nobody relies on it meanwhile.
pub const LEFT_BEHIND: Duration = Duration::from_secs(60);
