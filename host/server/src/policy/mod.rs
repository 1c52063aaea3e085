//! The policy gate's doors: before anything that a client asks for is done, the operator's policies are asked.
//!
//! Theory of operation. A connection has a [`Guard`]. A handler makes of its parameters the [`Question`] that its method means ([`actions`]);
//! the answer is a [`Permit`], and nothing gives out files or starts a process without one. Where nobody wants to see that kind of action
//! the permit is there at once and nothing was made for it. Deciding runs WebAssembly, synchronously: on the connection's own thread where the
//! policies have been quick lately and the request can be answered there, else on a thread of the pool, in the request's place in
//! the lane. Where somebody has to agree ([`approvals`]) the request leaves the lane, so that nobody waits behind a person, and comes back
//! to its end.
//!
//! [`doors`] has every method, with what it is to a policy or why it is nothing.

mod actions;
mod approvals;
#[cfg(test)]
mod doors;
mod guard;
mod judge;
mod permit;
mod question;
mod wording;

#[cfg(test)]
mod tests;

pub(crate) use actions::{
    FileAction, file_verb, file_walk, file_write, process_start, process_writes,
};
pub(crate) use approvals::Approvals;
pub(crate) use guard::{Guard, Peer};
pub use judge::Judge;
pub(crate) use permit::Permit;
pub(crate) use question::{Asking, Decision, Question};
