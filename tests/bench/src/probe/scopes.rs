//! Scopes: the first confined call of a session, and what a session's idle scope takes.

use super::files::time;
use super::{Budget, Floor, Group, Placement, Probe, Row, Unit};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::server::{Guard, Server};
use crate::subject::Profile;
use crate::{limits, tree};

const METHOD: &str = "fs/getMetadata";

/// First calls of new sessions.
pub(crate) const FIRST: Group = Group {
    name: "first",
    placement: Placement::Together,
    rounds: (4, 12),
    probes: &[Probe {
        rows: &[
            time(
                "first-confined",
                "a session's first confined call",
                &[(Floor::Echo, 1.0)],
                &[Budget::PeerTimes(100.0)],
            ),
            time(
                "first-confined-cpu",
                "  server CPU for it",
                &[(Floor::EchoCpu, 1.0)],
                &[Budget::Above(80.0)],
            ),
        ],
        take: |scene, subject| {
            subject.keeps(Profile::Confined)?;
            let direct = subject.stat(scene.ground, Profile::Direct);
            let confined = subject.stat(scene.ground, Profile::Confined);
            let mut sessions = Vec::new();
            for _ in 0..limits::FIRST_CALLS {
                let mut session = subject.connect(limits::SMALL_READS)?;
                session.call(METHOD, &direct)?;
                sessions.push(session);
            }
            let before = tree::cpu(subject.server.root());
            let times: Result<Vec<f64>, Failure> = sessions
                .iter_mut()
                .map(|session| session.round_trip(METHOD, &confined))
                .collect();
            let spent = tree::cpu_between(&before, &tree::cpu(subject.server.root()));
            Ok(vec![times?, vec![spent / limits::FIRST_CALLS as f64]])
        },
    }],
};

/// Memory of idle scopes, beyond that of their connections.
pub(crate) const MEMORY: Group = Group {
    name: "scopes",
    placement: Placement::Free,
    rounds: (1, 3),
    probes: &[Probe {
        rows: &[Row {
            name: "memory-scope",
            title: "a session's idle scope, of 1,000",
            unit: Unit::Memory,
            floor: &[],
            budgets: &[Budget::Median(64.0)],
        }],
        take: |scene, subject| {
            subject.keeps(Profile::Confined)?;
            let server = Server::start(&subject.command, Guard::EndsWithUs)?;
            let direct = subject.stat(scene.ground, Profile::Direct);
            let confined = subject.stat(scene.ground, Profile::Confined);
            let mut sessions = Vec::new();
            for _ in 0..limits::SCOPES {
                let mut session = Connection::ready(&server.url, limits::SMALL_READS)?;
                session.call(METHOD, &direct)?;
                sessions.push(session);
            }
            // The gate itself, and its guest, are there once.
            let mut first = Connection::ready(&server.url, limits::SMALL_READS)?;
            first.call(METHOD, &confined)?;
            let (before, _) = tree::memory(server.root());
            for session in &mut sessions {
                session.call(METHOD, &confined)?;
            }
            let (with_them, _) = tree::memory(server.root());
            Ok(vec![vec![(with_them - before) / limits::SCOPES as f64]])
        },
    }],
};
