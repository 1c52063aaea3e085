//! The gate with real policies: those of `guest/` and some that are written as text.

mod common;
mod decisions;
mod hostile;
mod logging;
mod reloading;
mod rules;
mod snapshots;
mod text;
mod wasi;
