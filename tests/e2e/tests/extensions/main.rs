//! Our file methods (`lockgate/fs/*`), direct and under restricting profiles.

mod batch;
mod listings;
mod names;
mod trees;
mod watches;
mod writing;

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire};

/// Runs a table directly and under a profile that grants writing everything on the ground, in both shapes, each time on a new ground:
/// where all is granted, the gate makes no difference.
async fn everywhere(things: &[&str], table: &[(&str, &str)], afterwards: impl Fn(&Ground)) {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        for gated in [false, true] {
            let ground = Ground::not_temporary();
            ground.make(things);
            let way = match gated {
                true => Way::under(&Profile::new().write(ground.path("")), shape),
                false => Way::direct(shape),
            };
            ground.table(&mut wire, &way, table).await;
            afterwards(&ground);
        }
    }
}

/// Runs a table under a profile, in both shapes, each time on a new ground.
async fn confined(
    things: &[&str],
    profile: impl Fn(&Ground) -> Profile,
    table: &[(&str, &str)],
    afterwards: impl Fn(&Ground),
) {
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    for shape in Shape::BOTH {
        let ground = Ground::not_temporary();
        ground.make(things);
        let way = Way::under(&profile(&ground), shape);
        ground.table(&mut wire, &way, table).await;
        afterwards(&ground);
    }
}
