//! Remote mode: an executor that registers, a rendezvous of one's own, and harnesses that meet it there.

mod chance;
mod credentials;
mod cuts;
mod encrypted;
mod killed;
mod plain;
mod proxy;
mod registry;
mod running;
mod tls;
mod work;
