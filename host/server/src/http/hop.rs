//! The place before each hop of a request, beside the operator's rules, where the policy gate stands.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use lockgate_policy_gate::HttpRequest;

use crate::failure::Failure;
use crate::pending::Pending;

/// Is asked about each hop of one client's requests: the first, and each redirect.
pub(crate) trait HopGuard: Send + Sync + 'static {
    /// Whether the hop may be made, and how much of it. A failure is the answer to `pending`. The time this takes is not the exchange's:
    /// somebody may have to agree.
    fn ask<'a>(&'a self, pending: &'a Pending, hop: HttpRequest) -> Asking<'a>;
}

/// The future of [`HopGuard::ask`]. Dropped when the connection ends.
pub(crate) type Asking<'a> = Pin<Box<dyn Future<Output = Result<HopLimits, Failure>> + Send + 'a>>;

/// How much of an exchange is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HopLimits {
    /// From the start of the exchange to the last byte of the body.
    pub(crate) time: Option<Duration>,
    /// Bytes of the body.
    pub(crate) output: Option<u64>,
}

impl HopLimits {
    /// Both hold.
    pub(super) fn and(self, other: HopLimits) -> HopLimits {
        HopLimits {
            time: self.time.into_iter().chain(other.time).min(),
            output: self.output.into_iter().chain(other.output).min(),
        }
    }
}
