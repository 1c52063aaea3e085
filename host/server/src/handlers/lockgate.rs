//! `lockgate/*`: what users of executors miss in the protocol. Announced in
//! `environmentInfo.capabilities.lockgate`; clients that do not know them notice nothing.

pub(crate) mod batch;
pub(crate) mod lines;
pub(crate) mod names;
pub(crate) mod process;
pub(crate) mod tree;
pub(crate) mod watch;
pub(crate) mod writing;
