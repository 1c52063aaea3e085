//! The Model Context Protocol at an executor, in both directions, over the protocol's official SDK: servers that run on or are reached
//! from an executor, for harnesses; and the executor itself as a server, for agents that speak nothing else.

pub mod face;
pub mod through;
