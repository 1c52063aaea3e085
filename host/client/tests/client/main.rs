//! The client against scripted servers.

mod approvers;
mod calls;
mod connecting;
mod environments;
mod events;
mod executor;
mod follow;
mod hostile;
mod http;
mod listings;
mod methods;
mod resume;
mod stdio;
mod support;
