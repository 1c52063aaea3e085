//! The built binary as a person uses it.

mod exec;
mod files;
mod help;
mod shell;
mod support;
