//! Remote mode: an executor that registers, a rendezvous of one's own, and harnesses that meet it there.

mod credentials;
mod cuts;
mod draining;
mod encrypted;
mod fairness;
mod hostile;
mod killed;
mod nodes;
mod plain;
mod raw;
mod registry;
mod running;
mod store;
mod tenants;
mod tls;
mod work;
