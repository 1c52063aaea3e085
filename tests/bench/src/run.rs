//! The schedule: groups one after the other, and inside a group rounds in which the floors and every server take their
//! turn, so that what drifts drifts for all of them.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::failure::Failure;
use crate::ground::Ground;
use crate::probe::{Floor, GROUPS, Group, Placement, Probe, Row, Scene, floors};
use crate::server::{Guard, Server};
use crate::subject::Subject;
use crate::{limits, tree};

/// When client, server and floor share one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pin {
    /// In the groups of round trips; those of policies have one each.
    Auto,
    /// Always.
    All,
    /// Never.
    None,
}

/// What to run.
pub(crate) struct Order {
    /// The command of the server under measure.
    pub(crate) server: String,
    /// The command of the server to compare with.
    pub(crate) peer: Option<String>,
    /// Names of groups and rows; empty means all.
    pub(crate) only: Vec<String>,
    /// A minute instead of several.
    pub(crate) quick: bool,
    /// Placement.
    pub(crate) pin: Pin,
}

/// What was taken of one row from one server or floor.
#[derive(Default)]
pub(crate) struct Taken {
    /// Samples by round.
    pub(crate) rounds: Vec<Vec<f64>>,
    /// Why it could not be taken.
    pub(crate) failure: Option<String>,
    /// Whether that was the server's answer, not a fault.
    pub(crate) refused: bool,
    /// Whether a batch takes so long that few rounds must do.
    pub(crate) slow: bool,
}

/// One row with everything taken for it.
pub(crate) struct Outcome {
    /// The row.
    pub(crate) row: &'static Row,
    /// By server, ours first.
    pub(crate) taken: Vec<Taken>,
    /// Floors by round, in the order of the row's `floor`.
    pub(crate) floors: Vec<BTreeMap<Floor, Vec<f64>>>,
    /// Where it was taken.
    pub(crate) placement: Placement,
}

/// Runs `order`, telling `progress` what goes on.
pub(crate) fn run(
    order: &Order,
    mut progress: impl FnMut(String),
) -> Result<Vec<Outcome>, Failure> {
    check_names(&order.only)?;
    let huge = if order.quick { 256 << 20 } else { 1 << 30 };
    let ground = Ground::new(huge)?;
    let mut scene = Scene {
        ground: &ground,
        echo: Server::start(&floors::echo_command()?, Guard::EndsWithUs)?,
        bulk: Server::start(&floors::bulk_command()?, Guard::EndsWithUs)?,
        cat: None,
        policed: Vec::new(),
        worlds: Vec::new(),
        cpus: None,
        quick: order.quick,
        processes: 0,
    };
    let cpus = tree::cpus()?;
    let subjects = Subjects {
        wide: start(order, &ground)?,
        narrow: {
            tree::pin_self(&cpus.last)?;
            let narrow = start(order, &ground)?;
            tree::pin_self(&cpus.all)?;
            narrow
        },
    };
    for subject in &subjects.wide {
        progress(format!(
            "{}: {} (paths: {:?})",
            subject.label,
            subject.server.url,
            subject.spelling()
        ));
    }
    let mut outcomes = Vec::new();
    for group in GROUPS {
        let probes: Vec<&Probe> = group
            .probes
            .iter()
            .filter(|probe| wanted(&order.only, group, probe))
            .collect();
        if probes.is_empty() {
            continue;
        }
        outcomes.extend(run_group(
            order,
            group,
            &probes,
            &mut scene,
            &subjects,
            &mut progress,
        )?);
    }
    Ok(outcomes)
}

/// The servers, ours first, twice: a server arranges itself for the CPUs that it finds when it starts.
struct Subjects {
    /// Started with all CPUs.
    wide: Vec<Subject>,
    /// Started with the one CPU that they have in groups that are not placed freely.
    narrow: Vec<Subject>,
}

fn start(order: &Order, ground: &Ground) -> Result<Vec<Subject>, Failure> {
    let mut subjects = vec![Subject::start("ours", &order.server, ground)?];
    if let Some(peer) = &order.peer {
        subjects.push(Subject::start("peer", peer, ground)?);
    }
    Ok(subjects)
}

fn wanted(only: &[String], group: &Group, probe: &Probe) -> bool {
    only.is_empty()
        || only.iter().any(|name| name == group.name)
        || probe
            .rows
            .iter()
            .any(|row| only.iter().any(|name| name == row.name))
}

/// A mistyped name would otherwise measure nothing without a word.
fn check_names(only: &[String]) -> Result<(), Failure> {
    for name in only {
        let known = GROUPS.iter().any(|group| {
            group.name == name
                || group
                    .probes
                    .iter()
                    .flat_map(|probe| probe.rows)
                    .any(|row| row.name == name)
        });
        if !known {
            return Err(Failure::Unknown(name.clone()));
        }
    }
    Ok(())
}

fn run_group(
    order: &Order,
    group: &'static Group,
    probes: &[&'static Probe],
    scene: &mut Scene<'_>,
    subjects: &Subjects,
    progress: &mut impl FnMut(String),
) -> Result<Vec<Outcome>, Failure> {
    let cpus = tree::cpus()?;
    let placement = match order.pin {
        Pin::Auto if group.placement == Placement::Apart && cpus.others.is_none() => {
            Placement::Together
        }
        Pin::Auto => group.placement,
        Pin::All => Placement::Together,
        Pin::None => Placement::Free,
    };
    let (servers, own) = match placement {
        Placement::Free => (&cpus.all, &cpus.all),
        Placement::Together => (&cpus.last, &cpus.last),
        Placement::Apart => (&cpus.last, cpus.others.as_ref().unwrap_or(&cpus.all)),
    };
    let subjects = match placement {
        Placement::Free => &subjects.wide,
        Placement::Together | Placement::Apart => &subjects.narrow,
    };
    for server in [&scene.echo, &scene.bulk] {
        tree::pin(server.root(), servers);
    }
    scene.cpus = Some((*servers, *own));
    tree::pin_self(own)?;
    let mut outcomes: Vec<Outcome> = probes
        .iter()
        .flat_map(|probe| probe.rows)
        .map(|row| Outcome {
            row,
            taken: subjects.iter().map(|_| Taken::default()).collect(),
            floors: Vec::new(),
            placement,
        })
        .collect();
    let mut needed: Vec<Floor> = outcomes
        .iter()
        .flat_map(|outcome| outcome.row.floor)
        .map(|&(floor, _)| floor)
        .collect();
    needed.sort();
    needed.dedup();
    let rounds = scene.pick(group.rounds.0, group.rounds.1);
    for round in 0..rounds {
        progress(format!("{}: round {} of {rounds}", group.name, round + 1));
        let mut floors = BTreeMap::new();
        for &floor in &needed {
            if !floors.contains_key(&floor) {
                floors.extend(floors::take(scene, floor)?);
            }
        }
        for outcome in &mut outcomes {
            outcome.floors.push(floors.clone());
        }
        let mut at = 0;
        for probe in probes {
            let rows = &mut outcomes[at..at + probe.rows.len()];
            at += probe.rows.len();
            for turn in 0..subjects.len() {
                // Who goes first changes, in case what goes before matters.
                let number = (round + turn) % subjects.len();
                take(probe, scene, &subjects[number], rows, number);
            }
        }
    }
    tree::pin_self(&cpus.all)?;
    Ok(outcomes)
}

fn take(
    probe: &Probe,
    scene: &mut Scene<'_>,
    subject: &Subject,
    rows: &mut [Outcome],
    number: usize,
) {
    let enough = |taken: &Taken| {
        taken.failure.is_some() || (taken.slow && taken.rounds.len() >= limits::SLOW_ROUNDS)
    };
    if rows.iter().any(|row| enough(&row.taken[number])) {
        return;
    }
    let begin = Instant::now();
    match (probe.take)(scene, subject) {
        Ok(series) => {
            for (row, samples) in rows.iter_mut().zip(series) {
                row.taken[number].rounds.push(samples);
                row.taken[number].slow = begin.elapsed() > limits::SLOW_BATCH;
            }
        }
        Err(failure) => {
            for row in rows {
                row.taken[number].failure = Some(failure.to_string());
                row.taken[number].refused = matches!(failure, Failure::Refused { .. });
            }
        }
    }
}
