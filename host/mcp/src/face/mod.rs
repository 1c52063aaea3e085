//! The executor as a server of MCP, for agents that speak nothing else: its processes and files as tools.
//!
//! [`Face`] is one session, whatever carries it; [`over_stdio`] and [`Http`] are what carries one or many. A tool call becomes calls of the
//! executor's protocol, under the profile that the operator chose ([`Access`]) and past the policies that hold there; their questions go to
//! the MCP client as elicitations.

mod absent;
mod access;
mod answer;
mod asking;
mod call;
mod contents;
mod deed;
mod error;
mod granted;
mod http;
pub mod limits;
mod listing;
mod messages;
mod output;
mod parked;
mod processes;
mod progress;
mod questions;
mod real;
mod server;
mod session;
mod sight;
mod stdio;
mod tools;
mod walking;
mod writing;

pub use access::{
    Access, Commands, Connect, Connecting, Directory, Files, ProfileFor, Rules, holds_too_much,
    too_much,
};
pub use error::FaceError;
pub use http::{Http, HttpOptions, Token, TokenError};
pub use server::Face;
pub use stdio::over_stdio;
