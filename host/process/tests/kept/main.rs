//! The scenarios of `tests/processes` once more, with bounds that are never reached: a process below a keeper behaves like any other.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../processes/ends.rs"]
mod ends;
#[path = "../processes/old_kernels.rs"]
mod old_kernels;
#[path = "../processes/output.rs"]
mod output;
#[path = "../processes/pipes.rs"]
mod pipes;
#[path = "../processes/refusals.rs"]
mod refusals;
#[path = "../processes/support.rs"]
mod support;
#[path = "../processes/terminals.rs"]
mod terminals;

const BOUNDS: lockgate_process::Bounds = lockgate_process::Bounds {
    time: Some(std::time::Duration::from_secs(100_000)),
    output: Some(1 << 40),
};
