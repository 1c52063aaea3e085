//! The same methods under restricting profiles, in the shapes of both ages (PROTOCOL 6 and 11, PROTOCOL-LATER 5).
//!
//! What a denial looks like here: to read what is not granted is as if it were not there (-32004), to change it is
//! refused (-32600), to change what may only be read is as on a read-only file system (-32603).

mod escapes;
mod hardened;
mod precedence;
mod promises;
mod refused;
mod sessions;
mod shapes;
mod ungated;
mod workspace;

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire};

/// Runs a table under a profile on a ground made of these things, in both shapes, each time on a new ground; then
/// lets the test look at the ground.
async fn confined(
    things: &[&str],
    profile: impl Fn(&Ground) -> Profile,
    table: &[(&str, &str)],
    afterwards: impl Fn(&Ground),
) {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::new();
        ground.make(things);
        let way = Way::under(&profile(&ground), shape);
        ground.table(&mut wire, &way, table).await;
        afterwards(&ground);
    }
}
