//! Which executors a harness has to choose from.

pub mod config;
pub mod provider;
