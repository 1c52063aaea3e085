//! The client against scripted servers.

mod calls;
mod environments;
mod events;
mod follow;
mod http;
mod resume;
mod stdio;
mod support;
