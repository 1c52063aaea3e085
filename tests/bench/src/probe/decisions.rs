//! What a decision costs by itself, how late one that never ends is ended, and what another session notices of it.

use std::time::{Duration, Instant};

use super::files::time;
use super::policies::{HOSTILE_MS, Instances, POLICY, policy, start};
use super::{Budget, Group, Placement, Probe, Scene, Series};
use crate::failure::Failure;
use crate::limits;
use crate::subject::{Profile, Subject};

/// Decisions by themselves, in the server's own program.
pub(crate) const DECISIONS: Group = Group {
    name: "decisions",
    placement: Placement::Free,
    rounds: (2, 5),
    probes: &[
        Probe {
            rows: &[
                time(
                    "decision-fresh",
                    "decision of readonly, fresh instance",
                    &[],
                    &[Budget::P99(150.0)],
                ),
                time(
                    "decision-reused",
                    "decision of readonly, reused instance",
                    &[],
                    &[Budget::P99(10.0)],
                ),
            ],
            take: |scene, subject| decisions(scene, subject),
        },
        Probe {
            rows: &[time(
                "deadline",
                "an endless decision, beyond its 20 ms",
                &[],
                &[Budget::Median(2_000.0)],
            )],
            take: |scene, subject| deadline(scene, subject, "spin"),
        },
        // A single instruction that fills memory is not interrupted: what there is of it by itself, and the most that an operator may allow.
        Probe {
            rows: &[time(
                "deadline-fill",
                "the same, filling 60 MiB at a time",
                &[],
                &[],
            )],
            take: |scene, subject| deadline(scene, subject, "fill-60"),
        },
        Probe {
            rows: &[time(
                "deadline-fill-most",
                "the same, filling 250 MiB at a time",
                &[],
                &[],
            )],
            take: |scene, subject| deadline(scene, subject, "fill-250"),
        },
        Probe {
            rows: &[
                time(
                    "beside-nothing",
                    "metadata of one session, nothing beside it",
                    &[],
                    &[],
                ),
                time(
                    "beside-endless",
                    "  beside an endless decision of another session",
                    &[],
                    &[],
                ),
            ],
            take: |scene, subject| beside(scene, subject),
        },
    ],
};

fn decisions(scene: &mut Scene<'_>, subject: &Subject) -> Result<Series, Failure> {
    let count = scene.pick("2000", "10000");
    let text = policy(
        subject,
        &["bench", POLICY, "--count", count, "--json", "--samples"],
    )?;
    let report: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| Failure::Wrong(format!("policy bench: {error}")))?;
    let samples = |kind: &str| {
        let rows = report["decisions"].as_array();
        let row = rows.and_then(|rows| rows.iter().find(|row| row["instances"] == kind));
        let samples = row.and_then(|row| row["samples"].as_array());
        let samples = samples.map(|samples| {
            samples
                .iter()
                .filter_map(serde_json::Value::as_f64)
                .collect()
        });
        samples.ok_or_else(|| {
            Failure::Wrong(format!("policy bench tells nothing of {kind} instances"))
        })
    };
    Ok(vec![samples("fresh")?, samples("reused")?])
}

/// How much later than its time an endless decision is refused, the round trip included.
fn deadline(scene: &mut Scene<'_>, subject: &Subject, deed: &str) -> Result<Series, Failure> {
    start(scene, subject, Instances::Hostile)?;
    let subject = scene.asking(subject, Instances::Hostile);
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let path = scene.ground.project().join(deed);
    let params = subject.on_path(scene.ground, &path, Profile::Direct);
    let mut late = Vec::new();
    for _ in 0..scene.pick(10, 40) {
        let begin = Instant::now();
        match connection.call("fs/getMetadata", &params) {
            Err(Failure::Refused { .. }) => {
                late.push(begin.elapsed().as_secs_f64() * 1e6 - f64::from(HOSTILE_MS) * 1e3);
            }
            Err(other) => return Err(other),
            Ok(answer) => return Err(Failure::Wrong(format!("an endless decision: {answer}"))),
        }
    }
    Ok(vec![late])
}

/// Round trips of one session, and then while a decision of another one is certainly being made, which has its whole time before it.
fn beside(scene: &mut Scene<'_>, subject: &Subject) -> Result<Series, Failure> {
    start(scene, subject, Instances::Hostile)?;
    let subject = scene.asking(subject, Instances::Hostile);
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let mut hostile = subject.connect(limits::SMALL_READS)?;
    let there = scene.ground.small_file();
    let there = subject.on_path(scene.ground, &there, Profile::Direct);
    let spin = scene.ground.project().join("spin");
    let spin = subject.on_path(scene.ground, &spin, Profile::Direct);
    let time = Duration::from_millis(HOSTILE_MS.into());
    let (mut alone, mut late) = (Vec::new(), Vec::new());
    for _ in 0..scene.pick(10, 40) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            alone.push(connection.round_trip("fs/getMetadata", &there)?);
        }
        let begin = Instant::now();
        let endless = hostile.send("fs/getMetadata", &spin)?;
        while begin.elapsed() < time {
            late.push(connection.round_trip("fs/getMetadata", &there)?);
        }
        hostile.answer(endless)?;
    }
    Ok(vec![alone, late])
}
