//! Every limit of the relay, with its reason.

/// Largest message that a stream carries, in bytes: the largest JSON-RPC message of the protocol (PROTOCOL-LATER 4).
pub const MESSAGE_BYTES: usize = 64 << 20;

/// Largest frame, in bytes. A plain peer sends a message of any size as one segment, so a frame must hold the largest message; the rest is
/// for the frame's own fields.
pub const FRAME_BYTES: usize = MESSAGE_BYTES + 1_024;

/// Longest name of a stream, in bytes (PROTOCOL 8.2, the later form). A UUID takes 36.
pub const STREAM_ID_BYTES: usize = 128;

/// Longest reason of a reset, in bytes (PROTOCOL 8.2, the later form).
pub const REASON_BYTES: usize = 256;
