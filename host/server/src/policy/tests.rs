//! The doors, from the wire to the judge and back: a real connection over a transport of memory, with a judge that has a closure for an
//! opinion.

mod asking;
mod client;
mod exchanged;
mod files;
mod processes;
mod refusals;
mod slow;
