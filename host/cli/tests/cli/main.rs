//! The built binary as a person uses it.

mod config;
mod environment_changes;
mod environments;
mod exec;
mod files;
mod help;
mod holes;
mod kept;
mod listings;
mod mcp;
mod pieces;
mod policy;
mod policy_folder;
mod policy_install;
mod policy_tools;
mod private;
mod profile;
mod programs;
mod progress;
mod rendezvous;
mod resume;
mod resume_closed;
mod several;
mod shell;
mod specials;
mod support;
