//! Remote mode: an executor that registers, a rendezvous of one's own, and harnesses that meet it there.

mod besieged;
mod counting;
mod credentials;
mod cuts;
mod draining;
mod encrypted;
mod fairness;
mod full;
mod harness_killed;
mod hostile;
mod killed;
mod nats_killed;
mod nodes;
mod plain;
mod pressure;
mod raw;
mod registry;
mod registry_killed;
mod rolling;
mod running;
mod store;
mod tenants;
mod tls;
mod work;
