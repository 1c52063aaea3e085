//! Methods of ours, all under `lockgate/`, announced in `environmentInfo.capabilities.lockgate`: they are what users of
//! remote executors miss, and other clients never see them.

pub mod approval;
pub mod batch;
pub mod files;
pub mod http;
pub mod process;
pub mod tree;
pub mod watch;
