//! The client of ours over connections that are cut: nothing is lost, nothing is doubled, and every end says what it is.

mod between;
mod breaker;
mod commands;
mod cuts;
mod far;
mod killed;
mod readers;
mod sessions;
mod silent;
mod support;
mod transfers;
