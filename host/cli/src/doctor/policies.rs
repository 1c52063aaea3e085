//! `lockgate doctor` about the policy gate: the chain, and what nobody is asked about.

use lockgate_policy_gate::{
    ActionKind, Default as Fallback, Fail, Gate, LogTarget, Report as Policies, Settings, Wasi,
};

use super::{Section, allocator, bytes, compiled};
use crate::config::Config;
use crate::policy_gate::{line, repin, watched, word, writable};

/// What the policy gate came out as, or why it does not start; none: nobody is asked.
pub(super) fn look(config: &Config) -> Result<Option<Policies>, String> {
    let (Some(policy), Some(file)) = (&config.policy, &config.file) else {
        return Ok(None);
    };
    // A look at it is not to begin a log, but there has to be a place for it.
    if let Some(LogTarget::File(file)) = &policy.settings.log {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(format!(
                "the decision log {} cannot be opened: its folder is not there",
                file.display()
            ));
        }
    }
    let settings = Settings {
        log: None,
        ..policy.settings.clone()
    };
    match Gate::open(settings) {
        Ok(gate) => Ok(Some(gate.report())),
        Err(error) => Err(repin::told(&error, &policy.settings.modules, file)),
    }
}

/// Who decides over what clients ask for.
pub(super) fn section(config: &Config, policies: &Result<Option<Policies>, String>) -> Section {
    let section = Section::new("policies");
    let report = match policies {
        Ok(Some(report)) => report,
        Ok(None) => {
            return section.with(
                "policy gate",
                "off: there is no [policy] in the configuration",
            );
        }
        Err(reason) => {
            let text = format!("does not start as configured, and the server refuses to: {reason}");
            return section.with("policy gate", text);
        }
    };
    let log = config
        .policy
        .as_ref()
        .and_then(|policy| policy.settings.log.as_ref());
    let required = match config
        .policy
        .as_ref()
        .is_some_and(|policy| policy.settings.log_required)
    {
        true => "; what cannot be logged is denied",
        false => "",
    };
    let section = section
        .with(
            "policy gate",
            "on: of all answers the strictest holds: deny, ask, allow",
        )
        .with(
            "where no policy has an opinion",
            format!(
                "{} (what is written to a running process: allow)",
                word(report.default)
            ),
        )
        .with("time to agree", format!("{} s", report.ask_time.as_secs()))
        .with(
            "decision log",
            match log {
                None => "none: `log` in [policy] names one".to_owned(),
                Some(LogTarget::Stderr) => format!("stderr{required}"),
                Some(LogTarget::File(file)) => format!("{}{required}", file.display()),
            },
        )
        .with("policies' memory", allocator(&report.engine.allocator))
        .with("compiled policies", compiled(&report.engine.compiled_code));
    report.policies.iter().fold(section, |section, policy| {
        let settings = &policy.settings;
        let pinned = match (&settings.trust.sha256, &settings.trust.signed_by) {
            (_, Some(key)) => format!("signed by {key}"),
            _ => "pinned by its digest".to_owned(),
        };
        let snapshot = match &policy.snapshot {
            Ok(()) => "begins with its configuration parsed".to_owned(),
            Err(reason) => format!("parses its configuration each time ({reason})"),
        };
        let wasi = match settings.wasi {
            Wasi::None => "",
            Wasi::Empty => ", with WASI and nothing in it",
        };
        let value = format!(
            "{}; {pinned}; {} instances, each {snapshot}{wasi}; {} ms and {} a decision; a failure counts as {}",
            line(policy),
            word(settings.instances),
            settings.time.as_millis(),
            bytes(settings.memory_bytes as u64),
            word(settings.fail),
        );
        section.with("policy", value)
    })
}

/// What of policies is not enforced, or rests on something else.
pub(super) fn not_enforced(
    section: Section,
    config: &Config,
    policies: &Result<Option<Policies>, String>,
) -> Section {
    let section = match policies {
        Ok(None) => section.with(
            "policies",
            "nobody is asked: what a client asks for is done, within the profile that it sends",
        ),
        Ok(Some(report)) => unasked(report)
            .into_iter()
            .fold(section, |section, (kind, what)| {
                section.with(format!("policies, {}", word(kind)), what)
            }),
        Err(_) => section,
    };
    match changeable(config) {
        None => section,
        Some(what) => section.with("who changes policies", what),
    }
}

/// The files of policies that a process could change which a client starts.
fn changeable(config: &Config) -> Option<String> {
    let policy = config.policy.as_ref()?;
    let names = writable(&watched(config.file.as_ref()?, &policy.files))?;
    Some(format!(
        "file requests cannot; a process that a client may start is the server's user, who can write {names}: deny the start of processes, or have another \
         user own them"
    ))
}

/// The kinds of actions that are done without any policy being asked, and what fails open.
fn unasked(report: &Policies) -> Vec<(ActionKind, String)> {
    let kinds = [ActionKind::ProcessStart, ActionKind::File, ActionKind::Http];
    kinds
        .into_iter()
        .filter_map(|kind| {
            let asked = report.policies.iter().filter(|policy| policy.actions.contains(&kind));
            let strict = asked.clone().any(|policy| policy.settings.fail == Fail::Deny);
            match (asked.count(), report.default) {
                (0, Fallback::Allow) => Some((kind, "no policy is asked, and the default allows it".to_owned())),
                (1.., Fallback::Allow) if !strict => {
                    let text = "the policies that are asked count as having no opinion when they fail, and the default allows it";
                    Some((kind, text.to_owned()))
                }
                _ => None,
            }
        })
        .collect()
}
