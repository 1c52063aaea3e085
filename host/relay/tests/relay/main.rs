//! The relay from outside: frames on the wire, streams over simulated networks, peers that do less, and peers that mean harm.

mod attacks;
mod bounds;
mod encrypted;
mod end;
mod flow;
mod frames;
mod golden;
mod handshakes;
mod network;
mod plain;
mod random;
mod seeds;
mod simulated;
