//! Real programs, started, spoken to and ended as the server does it. One binary, so that it is linked once.
#![allow(missing_docs, clippy::unwrap_used)]

mod bounds;
mod ends;
mod keepers;
mod old_kernels;
mod output;
mod pipes;
mod refusals;
mod support;
mod terminals;

/// What ends the processes of these scenarios early. `tests/kept` runs them with something that does not happen.
const BOUNDS: lockgate_process::Bounds = lockgate_process::Bounds {
    time: None,
    output: None,
};
