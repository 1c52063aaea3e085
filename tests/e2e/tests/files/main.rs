//! Every `fs/*` method without a sandbox, over the wire (PROTOCOL 5, PROTOCOL-LATER 2).
//!
//! Tables of operations run in both spellings of paths; the language is told in `lockgate_e2e::Ground`.

mod blocks;
mod changing;
mod crowded;
mod discovery;
mod killed;
mod looking;
mod missing;
mod order;
mod specials;
mod walking;
mod writing;

use lockgate_e2e::{Ground, Server, Shape, Way, Wire};

/// Runs a table on a ground made of these things, in both spellings, each time on a new ground.
async fn tables(things: &[&str], table: &[(&str, &str)]) {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::new();
        ground.make(things);
        ground.table(&mut wire, &Way::direct(shape), table).await;
    }
}
