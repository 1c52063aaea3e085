//! What a decision costs by itself, and how late one that never ends is ended.

use std::time::Instant;

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
            take: |scene, subject| deadline(scene, subject),
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
fn deadline(scene: &mut Scene<'_>, subject: &Subject) -> Result<Series, Failure> {
    start(scene, subject, Instances::Hostile)?;
    let subject = scene.asking(subject, Instances::Hostile);
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let path = scene.ground.project().join("spin");
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
