//! Files through the gate: scenario tables, each line one operation and what must come of it, run on both path back ends.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod apart;
mod attacks;
mod attributes;
mod capped;
mod changes;
mod disks;
mod errors;
mod filters;
mod full;
mod grants;
mod hostile;
mod hostile_handles;
mod imports;
mod lifetimes;
mod links;
mod listings;
mod log;
mod mounts;
mod moved;
mod old_kernels;
mod operations;
mod parity;
mod races;
mod resolvers;
mod rights;
mod sizes;
mod tree_attacks;
mod trees;
mod users;
mod watches;
mod world;
mod writing;
