//! Real programs, started, spoken to and ended as the server does it. One binary, so that it is linked once.
#![allow(missing_docs, clippy::unwrap_used)]

mod bounds;
mod ends;
mod old_kernels;
mod output;
mod pipes;
mod refusals;
mod support;
mod terminals;
