//! What a server costs before it does anything: its start, its memory, its connections.

use std::time::Instant;

use super::{Budget, Floor, Group, Placement, Probe, Row, Unit};
use crate::connection::{Connection, microseconds};
use crate::server::{Guard, Server};
use crate::{limits, tree};

/// From the spawn of the command to the line with its URL.
pub(crate) const START: Group = Group {
    name: "start",
    placement: Placement::Free,
    rounds: (5, 12),
    probes: &[Probe {
        rows: &[Row {
            name: "listening",
            title: "command to listening",
            unit: Unit::Time,
            floor: &[],
            budgets: &[Budget::Median(50_000.0), Budget::Peer],
        }],
        take: |_, subject| {
            let server = Server::start(&subject.command, Guard::None)?;
            Connection::ready(&server.url, limits::SMALL_READS)?.close();
            Ok(vec![vec![server.start]])
        },
    }],
};

/// Memory of a fresh server, and of its idle connections.
pub(crate) const MEMORY: Group = Group {
    name: "memory",
    placement: Placement::Free,
    rounds: (1, 2),
    probes: &[Probe {
        rows: &[
            Row {
                name: "memory",
                title: "memory at rest (RSS)",
                unit: Unit::Memory,
                floor: &[],
                budgets: &[Budget::Median(30_720.0), Budget::Peer],
            },
            Row {
                name: "memory-share",
                title: "  its proportional share (PSS)",
                unit: Unit::Memory,
                floor: &[],
                budgets: &[],
            },
            Row {
                name: "memory-connection",
                title: "an idle connection, of 1,000",
                unit: Unit::Memory,
                floor: &[(Floor::EchoMemory, 1.0)],
                budgets: &[Budget::Median(16.0), Budget::Peer],
            },
        ],
        take: |_, subject| {
            let server = Server::start(&subject.command, Guard::EndsWithUs)?;
            // One session before, so that what is made once does not count for the connections.
            Connection::ready(&server.url, limits::SMALL_READS)?.close();
            let (resident, share) = tree::memory(server.root());
            let mut held = Vec::new();
            for _ in 0..limits::IDLE_CONNECTIONS {
                held.push(Connection::ready(&server.url, limits::SMALL_READS)?);
            }
            // `initialized` has no answer; a call that has one shows that the server is through.
            if let Some(last) = held.last_mut() {
                last.call("fs/getMetadata", &root(subject))?;
            }
            let (with_them, _) = tree::memory(server.root());
            let each = (with_them - resident) / limits::IDLE_CONNECTIONS as f64;
            Ok(vec![vec![resident], vec![share], vec![each]])
        },
    }],
};

/// Parameters of a call on the root directory.
fn root(subject: &crate::subject::Subject) -> String {
    serde_json::json!({"path": subject.path(std::path::Path::new("/")), "sandbox": null})
        .to_string()
}

/// Connection set-up.
pub(crate) const CONNECTIONS: Group = Group {
    name: "connections",
    placement: Placement::Together,
    rounds: (4, 8),
    probes: &[
        Probe {
            rows: &[Row {
                name: "connect",
                title: "connect and upgrade",
                unit: Unit::Time,
                floor: &[(Floor::EchoConnect, 1.0)],
                budgets: &[Budget::Floor(1.5), Budget::Peer],
            }],
            take: |scene, subject| {
                Ok(vec![
                    scene.batch(|| super::floors::connect(&subject.server.url))?,
                ])
            },
        },
        Probe {
            rows: &[Row {
                name: "session",
                title: "connect, upgrade and initialize",
                unit: Unit::Time,
                floor: &[(Floor::EchoConnect, 1.0), (Floor::Echo, 1.0)],
                budgets: &[],
            }],
            take: |scene, subject| {
                // Detached sessions live on for half a minute: not too many of them.
                let mut times = Vec::new();
                for _ in 0..scene.pick(20, 40) {
                    let begin = Instant::now();
                    let connection = Connection::ready(&subject.server.url, limits::SMALL_READS)?;
                    times.push(microseconds(begin));
                    connection.close();
                }
                Ok(vec![times])
            },
        },
    ],
};
