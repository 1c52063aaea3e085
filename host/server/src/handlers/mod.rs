//! The methods. A handler decodes its parameters, asks the gate, calls the crate that does the work
//! and encodes what came of it; errors become codes in `failure`.

pub(crate) mod capability_roots;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod lifecycle;
pub(crate) mod lockgate;
pub(crate) mod output;
pub(crate) mod processes;
