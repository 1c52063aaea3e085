//! `lockgate/*`: what users of executors miss in the protocol. Announced in
//! `environmentInfo.capabilities.lockgate`; clients that do not know them notice nothing.

pub(crate) mod batch;
pub(crate) mod files;
pub(crate) mod process;
pub(crate) mod tree;
