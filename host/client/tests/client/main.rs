//! The client against scripted servers.

mod calls;
mod events;
mod http;
mod stdio;
mod support;
