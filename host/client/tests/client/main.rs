//! The client against scripted servers.

mod calls;
mod environments;
mod events;
mod http;
mod stdio;
mod support;
