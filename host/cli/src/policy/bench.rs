//! `lockgate policy bench`: what a decision costs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lockgate_policy_gate::{
    Access, Action, ActionKind, FileOperation, FilePath, FileVerb, HttpRequest, Instances, Policy,
    ProcessStart,
};
use serde::Serialize;

use super::asked::{Asked, subject};
use super::component::{self, Component};
use crate::failure::Failure;
use crate::output::{print, print_json};

/// Measure what a decision of a policy costs
#[derive(clap::Args)]
#[command(after_help = "\
The numbers are this machine's, of one decision after the other. A server adds nothing but the decision log, if it keeps one.")]
pub(crate) struct Args {
    #[command(flatten)]
    policy: Component,
    #[command(flatten)]
    asked: Asked,
    /// How many decisions, in instances of each kind
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    count: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// With the time of every decision
    #[arg(long, requires = "json")]
    samples: bool,
}

/// Microseconds.
#[derive(Serialize)]
struct Measured {
    instances: Instances,
    count: u32,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
    /// Bytes, the most that one instance had when it had decided.
    memory: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<Vec<f64>>,
}

#[derive(Serialize)]
struct Report {
    policy: String,
    optimized: bool,
    load_ms: f64,
    snapshot: bool,
    decisions: Vec<Measured>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let component = args.policy.built()?;
    let evaluator = component::evaluator()?;
    let started = Instant::now();
    let policy = component.load(&evaluator, Instances::Fresh)?;
    let load = started.elapsed();
    let action = match args.asked.action()? {
        Some(action) => action,
        None => stock(&policy),
    };
    let reused = component.load(&evaluator, Instances::Reused)?;
    let mut decisions = Vec::new();
    for (policy, instances) in [(&policy, Instances::Fresh), (&reused, Instances::Reused)] {
        decisions.push(measure(policy, instances, &action, args)?);
    }
    let report = Report {
        policy: policy.name().to_owned(),
        optimized: !cfg!(debug_assertions),
        load_ms: load.as_secs_f64() * 1e3,
        snapshot: policy.report().snapshot.is_ok(),
        decisions,
    };
    match args.json {
        true => print_json(&report)?,
        false => print(&text(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(
    policy: &Policy,
    instances: Instances,
    action: &Action,
    args: &Args,
) -> Result<Measured, Failure> {
    let (subject, count) = (subject(), args.count);
    let once = || -> Result<Duration, Failure> {
        let started = Instant::now();
        let verdict = policy.evaluate(&subject, action);
        let took = started.elapsed();
        verdict.map_err(|failure| Failure::new(format!("{} fails: {failure}", policy.name())))?;
        Ok(took)
    };
    for _ in 0..count / 10 {
        once()?;
    }
    let mut times = Vec::with_capacity(count as usize);
    for _ in 0..count {
        times.push(once()?);
    }
    let micros = |time: &Duration| time.as_nanos() as f64 / 1e3;
    let samples = args.samples.then(|| times.iter().map(micros).collect());
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() - 1) as f64 * share).round() as usize;
        micros(&times[index])
    };
    Ok(Measured {
        instances,
        count,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: at(1.0),
        memory: policy.report().memory_bytes,
        samples,
    })
}

/// Something that the policy wants to see.
fn stock(policy: &Policy) -> Action {
    match policy.actions().first() {
        Some(ActionKind::ProcessStart) if !policy.actions().contains(&ActionKind::File) => {
            Action::ProcessStart(ProcessStart {
                argv: ["git", "status"].map(str::to_owned).to_vec(),
                program: Some("/usr/bin/git".to_owned()),
                cwd: "/work".to_owned(),
                env_names: ["HOME", "LANG", "PATH"].map(str::to_owned).to_vec(),
                ..ProcessStart::default()
            })
        }
        Some(ActionKind::Http) => Action::Http(HttpRequest {
            method: "GET".to_owned(),
            url: "https://example.com/".to_owned(),
            host: "example.com".to_owned(),
            port: 443,
            header_names: Vec::new(),
            hop: 0,
        }),
        _ => Action::File(FileOperation {
            verb: FileVerb::Read,
            paths: vec![FilePath {
                path: "/work/src/main.rs".to_owned(),
                access: Access::Read,
            }],
            recursive: false,
            sandboxed: false,
            walk: None,
        }),
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("{}: loaded in {:.1} ms", report.policy, report.load_ms);
    text.push_str(match report.snapshot {
        true => "; each decision begins with the configuration parsed\n",
        false => "; each decision parses the configuration\n",
    });
    text.push_str("instances      p50      p90      p99      max  (us)   memory\n");
    for measured in &report.decisions {
        let name = match measured.instances {
            Instances::Fresh => "fresh",
            Instances::Reused => "reused",
        };
        text.push_str(&format!(
            "{name:9} {:8.1} {:8.1} {:8.1} {:8.1}  {:7} KiB\n",
            measured.p50,
            measured.p90,
            measured.p99,
            measured.max,
            measured.memory >> 10
        ));
    }
    if !report.optimized {
        text.push_str("This lockgate was built without optimization: a release build is faster.\n");
    }
    text
}
