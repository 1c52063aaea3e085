//! `http/request`: HTTP on behalf of clients.
//!
//! Theory of operation. A request is checked into a [`Question`] and runs as a task. The client library sends single hops; redirects are
//! ours ([`redirect`]), because each hop is looked at by the operator's [`rules`] and by the policy gate ([`hop`]) before anything of it
//! leaves this machine, the resolving of its name included. Then the [`resolver`] gives the connector only addresses that pass. The body
//! is gathered for one answer ([`buffered`]), or told as it comes ([`stream`]): a stream reads on only while its client takes what was read.
//! Nothing of a body is decompressed, so a small body stays small.
//!
//! Connections to servers are kept for a moment for the client that made them and never serve another: a server may take a connection
//! itself for logged in. What is asked for is never logged: URLs and headers carry credentials.

mod address;
mod buffered;
mod egress;
mod exchange;
mod exchanges;
pub(crate) mod hop;
mod options;
mod proxies;
mod question;
mod redirect;
mod resolver;
mod rules;
mod stream;
#[cfg(test)]
mod tests;
mod trust;

pub use address::{Network, Place};
pub use egress::Outlook;
pub use options::HttpOptions;
pub use proxies::ProxyChoice;
pub use rules::{HostPattern, HttpRules};

pub(crate) use egress::Egress;
pub(crate) use exchange::Exchange;
pub(crate) use exchanges::Exchanges;
pub(crate) use hop::HopGuard;
pub(crate) use question::Question;
