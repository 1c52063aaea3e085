//! The capability filesystem: files through a guest that holds only what a profile grants.

pub mod limits;
mod open_file;
pub mod operation;

