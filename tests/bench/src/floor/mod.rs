//! Floors: small programs that do the least any implementation must do. They run in the same
//! rounds as the servers, since the machine drifts by half within seconds, and a figure without a floor beside it says little.

pub(crate) mod bulk;
pub(crate) mod child;
pub(crate) mod echo;
pub(crate) mod local;
