//! What policies cost a small file call: a server that asks one policy (`readonly`) about it, beside one that asks nobody, both without a
//! profile and under one.
//!
//! The same call again is one thing, another file each time is the other: an answer may be remembered. The servers with a policy are started
//! by the command of the one under measure, with a configuration; a server that knows none of this says so and has no figure.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::time;
use super::floors::with_cpu;
use super::{Budget, Floor, Group, Placement, Probe, Scene, Series};
use crate::failure::Failure;
use crate::limits;
use crate::subject::{Profile, Subject};

/// The policy, from where `make bench` runs.
pub(super) const POLICY: &str = "guest/dist/policy-readonly.wasm";
/// One that does what a file's name tells it.
const HOSTILE: &str = "guest/dist/test-policy-hostile.wasm";
/// The time that it has.
pub(super) const HOSTILE_MS: u32 = 20;
const ECHO: &[(Floor, f64)] = &[(Floor::Echo, 1.0)];

/// How a server runs its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instances {
    /// Nobody is asked.
    None,
    /// As it is by itself.
    Fresh,
    /// As an operator may choose.
    Reused,
    /// Of the hostile policy, which never ends where a file is called `spin`.
    Hostile,
}

/// Which file a call is about.
#[derive(Clone, Copy)]
enum Calls {
    Same,
    Another,
}

/// A server with a policy, and whose command started it.
pub(crate) struct Policed {
    of: (String, Instances),
    subject: Subject,
}

/// A row about one small call: its budget, the method, who is asked about which file, under which profile.
macro_rules! probe {
    ($name:literal, $title:literal, $budgets:expr, $method:literal, $instances:ident, $calls:ident, $profile:ident) => {
        Probe {
            rows: &[time($name, $title, ECHO, $budgets)],
            take: |scene, subject| {
                let what = (Instances::$instances, Calls::$calls, Profile::$profile);
                call(scene, subject, $method, what)
            },
        }
    };
}

/// What a decision takes in all, also of what is done after the answer: the round trip where client and server share a CPU, which nobody has to keep below
/// anything.
pub(crate) const COST: Group = Group {
    name: "policies-cpu",
    placement: Placement::Together,
    rounds: (5, 15),
    probes: &[
        probe!(
            "cpu-open",
            "metadata, nobody asked, another file each time",
            &[],
            "fs/getMetadata",
            None,
            Another,
            Direct
        ),
        probe!(
            "cpu-policy",
            "metadata, readonly asked, another file each time",
            &[],
            "fs/getMetadata",
            Fresh,
            Another,
            Direct
        ),
        probe!(
            "cpu-reused",
            "  with reused instances",
            &[],
            "fs/getMetadata",
            Reused,
            Another,
            Direct
        ),
    ],
};

/// Small calls with and without a policy, as a client has them whose CPU is another than the server's.
pub(crate) const POLICIES: Group = Group {
    name: "policies",
    placement: Placement::Apart,
    rounds: (5, 15),
    probes: &[
        probe!(
            "stat-open",
            "metadata, nobody asked",
            &[],
            "fs/getMetadata",
            None,
            Same,
            Direct
        ),
        probe!(
            "stat-policy",
            "metadata, readonly asked, the same file again",
            &[Budget::Row("stat-open", 1.2)],
            "fs/getMetadata",
            Fresh,
            Same,
            Direct
        ),
        probe!(
            "stat-others-open",
            "metadata, nobody asked, another file each time",
            &[],
            "fs/getMetadata",
            None,
            Another,
            Direct
        ),
        probe!(
            "stat-others-policy",
            "metadata, readonly asked, another file each time",
            &[Budget::Row("stat-others-open", 1.2)],
            "fs/getMetadata",
            Fresh,
            Another,
            Direct
        ),
        probe!(
            "stat-others-reused",
            "  with reused instances",
            &[Budget::Row("stat-others-open", 1.2)],
            "fs/getMetadata",
            Reused,
            Another,
            Direct
        ),
        probe!(
            "read-open",
            "read 200 B, nobody asked",
            &[],
            "fs/readFile",
            None,
            Same,
            Direct
        ),
        probe!(
            "read-policy",
            "read 200 B, readonly asked, the same file again",
            &[Budget::Row("read-open", 1.2)],
            "fs/readFile",
            Fresh,
            Same,
            Direct
        ),
        probe!(
            "stat-confined-open",
            "metadata, confined, nobody asked, another file each time",
            &[],
            "fs/getMetadata",
            None,
            Another,
            Confined
        ),
        probe!(
            "stat-confined-policy",
            "metadata, confined, readonly asked, another file each time",
            &[Budget::Row("stat-confined-open", 1.2)],
            "fs/getMetadata",
            Fresh,
            Another,
            Confined
        ),
        probe!(
            "stat-confined-reused",
            "  with reused instances",
            &[Budget::Row("stat-confined-open", 1.2)],
            "fs/getMetadata",
            Reused,
            Another,
            Confined
        ),
        probe!(
            "read-confined-open",
            "read 200 B, confined, nobody asked, another file each time",
            &[],
            "fs/readFile",
            None,
            Another,
            Confined
        ),
        probe!(
            "read-confined-policy",
            "read 200 B, confined, readonly asked, another file each time",
            &[Budget::Row("read-confined-open", 1.2)],
            "fs/readFile",
            Fresh,
            Another,
            Confined
        ),
        probe!(
            "read-confined-reused",
            "  with reused instances",
            &[Budget::Row("read-confined-open", 1.2)],
            "fs/readFile",
            Reused,
            Another,
            Confined
        ),
    ],
};

/// Runs `lockgate policy ARGUMENTS`. A program that has no such command refuses.
pub(super) fn policy(subject: &Subject, arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    if !Path::new(POLICY).is_file() {
        return Err(Failure::Wrong(format!(
            "there is no {POLICY}: run this in the repository"
        )));
    }
    let output = Command::new(subject.program()?)
        .arg("policy")
        .args(arguments)
        .output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(Failure::Refused {
            method: format!("policy {}", arguments.join(" ")),
            code: output.status.code().unwrap_or(-1).into(),
            message: String::from_utf8_lossy(&output.stderr)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        }),
    }
}

fn call(
    scene: &mut Scene<'_>,
    subject: &Subject,
    method: &str,
    (instances, calls, profile): (Instances, Calls, Profile),
) -> Result<Series, Failure> {
    start(scene, subject, instances)?;
    let subject = scene.asking(subject, instances);
    let mut connection = subject.connect(limits::SMALL_READS)?;
    let files: Vec<PathBuf> = match calls {
        Calls::Same => vec![scene.ground.small_file()],
        // More than a batch has calls, so that none comes twice on a connection.
        Calls::Another => scene.ground.many()?,
    };
    let params: Vec<String> = files
        .iter()
        .map(|file| subject.on_path(scene.ground, file, profile))
        .collect();
    subject.keeps(profile)?;
    let mut next = 0;
    let (times, _) = with_cpu(scene, subject.server.root(), || {
        let params = &params[next % params.len()];
        next += 1;
        connection.round_trip(method, params)
    })?;
    Ok(vec![times])
}

impl Scene<'_> {
    /// The server that asks, if one was started for this one.
    pub(super) fn asking<'a>(&'a self, subject: &'a Subject, instances: Instances) -> &'a Subject {
        let of = (subject.server.url.as_str(), instances);
        let policed = self.policed.iter();
        let mut found = policed.filter(|policed| (policed.of.0.as_str(), policed.of.1) == of);
        found.next().map_or(subject, |policed| &policed.subject)
    }
}

/// Starts a server with the policy, unless it runs already or nobody is to be asked.
pub(super) fn start(
    scene: &mut Scene<'_>,
    subject: &Subject,
    instances: Instances,
) -> Result<(), Failure> {
    let of = (subject.server.url.clone(), instances);
    let is_running = scene.policed.iter().any(|policed| policed.of == of);
    if instances == Instances::None || is_running {
        return Ok(());
    }
    let file = scene.ground.configuration(&format!("{instances:?}.toml"));
    let name = file.to_string_lossy().into_owned();
    let (component, more) = match instances {
        Instances::None | Instances::Fresh => (POLICY, String::new()),
        Instances::Reused => (POLICY, "instances = \"reused\"\n".to_owned()),
        Instances::Hostile => (
            HOSTILE,
            format!("time_ms = {HOSTILE_MS}\nmemory_mib = 256\n"),
        ),
    };
    policy(subject, &["install", component, "--config", &name])?;
    // Into the module, which is the last thing in the file.
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text + &more)?;
    let command = format!("{} --config {name}", subject.command);
    let policed = Policed {
        subject: scene.among_servers(|| Subject::start(subject.label, &command, scene.ground))?,
        of,
    };
    scene.policed.push(policed);
    Ok(())
}
