//! What the compiler makes of proto/relay.proto. Nothing outside [`crate::streams::frame`] uses it: its types can be wrong.

#![allow(missing_docs, unreachable_pub, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/codex.exec_server.relay.v1.rs"));
