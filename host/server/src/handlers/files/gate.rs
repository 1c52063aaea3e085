//! Where the files of a request come from: its `sandbox`, and what the session may do under it.

use std::sync::Arc;

use lockgate_capfs::Files;
use lockgate_grant::Sandbox;
use lockgate_wire::Verbatim;

use crate::dispatch::Caller;
use crate::failure::Failure;
use crate::handlers::processes::session;
use crate::service::Service;

/// A request's `sandbox`, not yet decoded.
pub(crate) type Raw<'a> = Verbatim<'a>;

/// The gate that a request goes through, still to be made where that may block.
pub(crate) struct Gate {
    service: Arc<Service>,
    sandbox: Option<Arc<Sandbox>>,
    session: u64,
}

impl Gate {
    pub(crate) fn new(caller: &mut Caller, sandbox: Option<Raw<'_>>) -> Result<Gate, Failure> {
        Ok(Gate {
            sandbox: caller.profiles().decode(sandbox)?,
            service: Arc::clone(caller.service()),
            session: session(caller)?.key(),
        })
    }

    pub(crate) fn files(&self) -> Result<Files, Failure> {
        match &self.sandbox {
            None => Ok(Files::Direct),
            Some(sandbox) => self.service.confine(sandbox, self.session),
        }
    }

    /// The files where they are at hand without blocking.
    pub(crate) fn files_at_hand(&self) -> Option<Files> {
        match &self.sandbox {
            None => Some(Files::Direct),
            Some(sandbox) => self.service.at_hand(sandbox, self.session),
        }
    }
}
