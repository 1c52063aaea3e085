//! Directories: a listing of 1,000 entries and a walk of 50,000, direct, as a client in a workspace sends them, and confined.

use std::path::Path;

use serde_json::{Value, json};

use super::files::time;
use super::{Budget, Group, Placement, Probe, Scene, Series};
use crate::failure::Failure;
use crate::limits;
use crate::subject::{Profile, Subject};

/// All three ways of one kind alternate.
pub(crate) const LISTINGS: Group = Group {
    name: "listings",
    placement: Placement::Together,
    rounds: (4, 12),
    probes: &[
        Probe {
            rows: &[time("list", "list 1,000 entries, direct", &[], &[])],
            take: |scene, subject| list(scene, subject, Profile::Direct),
        },
        Probe {
            rows: &[time(
                "list-workspace",
                "the same, workspace profile",
                &[],
                &[Budget::Row("list", 1.3), Budget::Peer],
            )],
            take: |scene, subject| list(scene, subject, Profile::Workspace),
        },
        Probe {
            rows: &[time(
                "list-confined",
                "the same, confined",
                &[],
                &[Budget::Row("list", 1.3), Budget::Peer],
            )],
            take: |scene, subject| list(scene, subject, Profile::Confined),
        },
        Probe {
            rows: &[time("walk", "walk 50,000 entries, direct", &[], &[])],
            take: |scene, subject| walk(scene, subject, Profile::Direct),
        },
        Probe {
            rows: &[time(
                "walk-workspace",
                "the same, workspace profile",
                &[],
                &[Budget::Row("walk", 1.3), Budget::Peer],
            )],
            take: |scene, subject| walk(scene, subject, Profile::Workspace),
        },
        Probe {
            rows: &[time(
                "walk-confined",
                "the same, confined",
                &[],
                &[Budget::Row("walk", 1.3), Budget::Peer],
            )],
            take: |scene, subject| walk(scene, subject, Profile::Confined),
        },
    ],
};

fn list(scene: &mut Scene<'_>, subject: &Subject, profile: Profile) -> Result<Series, Failure> {
    let directory = scene.ground.listed()?;
    let params = params(scene, subject, &directory, profile);
    entries(
        scene,
        subject,
        profile,
        "fs/readDirectory",
        &params,
        |answer| answer["entries"].as_array().map(Vec::len) == Some(limits::LISTED),
    )
}

fn walk(scene: &mut Scene<'_>, subject: &Subject, profile: Profile) -> Result<Series, Failure> {
    let root = scene.ground.walked()?;
    let (directories, files) = limits::WALKED;
    let mut params = params(scene, subject, &root, profile);
    params["options"] = json!({
        "maxDepth": 8,
        "maxDirectories": 10_000,
        "maxEntries": 50_000,
        "followDirectorySymlinks": false,
        "pruneHiddenDirectories": false,
    });
    entries(scene, subject, profile, "fs/walk", &params, |answer| {
        let found = answer["entries"].as_array().map(Vec::len);
        // The answer may be cut at the bytes that the protocol allows it.
        found == Some(directories * (files + 1)) || answer["truncated"] == true
    })
}

fn params(scene: &Scene<'_>, subject: &Subject, path: &Path, profile: Profile) -> Value {
    json!({
        "path": subject.path(path),
        "sandbox": subject.sandbox(scene.ground, profile),
    })
}

fn entries(
    scene: &mut Scene<'_>,
    subject: &Subject,
    profile: Profile,
    method: &str,
    params: &Value,
    complete: impl Fn(&Value) -> bool,
) -> Result<Series, Failure> {
    subject.keeps(profile)?;
    let params = params.to_string();
    let mut connection = subject.connect(limits::LARGE_READS)?;
    let answer = connection.call(method, &params)?;
    if !complete(&answer) {
        return Err(Failure::Wrong(format!("{method}: entries are missing")));
    }
    Ok(vec![
        scene.batch(|| connection.round_trip(method, &params))?,
    ])
}
