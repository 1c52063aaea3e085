//! The `lockgate` binary: arguments and wiring, nothing else.

// They panic where nobody reads: `output` has what does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

mod approval;
mod away;
mod calendar;
mod command;
mod config;
mod discover;
mod doctor;
mod edit;
mod environment;
mod exec;
mod failure;
mod follow;
mod fs;
mod here;
mod input;
mod logging;
mod mcp;
mod policy;
mod policy_gate;
mod profile;
mod progress;
mod remote;
mod rendezvous;
mod runtime;
mod serve;
mod server;
mod shell;
mod terminal;
mod version;

fn main() -> std::process::ExitCode {
    // Also where this program was started to be a keeper of its server: then this does not return.
    lockgate_process::keeper::run_if_asked();
    lockgate_client::keep_freed_memory();
    command::run()
}
