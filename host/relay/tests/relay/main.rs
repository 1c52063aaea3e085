//! The relay from outside: frames on the wire, streams over simulated networks, peers that do less, and peers that mean harm.

mod end;
mod flow;
mod frames;
mod network;
mod random;
mod simulated;
