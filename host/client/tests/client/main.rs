//! The client against scripted servers.

mod calls;
mod events;
mod stdio;
mod support;
