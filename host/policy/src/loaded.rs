//! The chain of policies as it was loaded, with what else the operator chose; and how it is exchanged for another.
//!
//! All of a new chain is loaded before any of it is used, and who is deciding goes on with the old one. A policy that cannot be loaded
//! again does not go away: the one that is running stays, because a chain with a link missing allows more than the operator wrote.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lockgate_engine::Digest;

use crate::action::ActionKind;
use crate::chain::Default as Fallback;
use crate::decision_log::{DecisionLog, LogTarget};
use crate::error::{ModuleError, PolicyError};
use crate::evaluator::Evaluator;
use crate::limits;
use crate::policy::Policy;
use crate::settings::{ModuleSettings, Settings};

/// What holds now.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) default: Fallback,
    pub(crate) ask_time: Duration,
    pub(crate) log: Option<Arc<DecisionLog>>,
    pub(crate) log_required: bool,
}

/// What came of loading again.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// What is different now, one sentence each.
    pub changed: Vec<String>,
    /// Policies that stayed as they were, because what should take their place cannot be loaded.
    pub kept: Vec<Kept>,
}

/// A policy that stayed as it was.
#[derive(Debug)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Where the one is that cannot be loaded.
    pub path: PathBuf,
    /// Why not.
    pub problem: ModuleError,
}

impl Chain {
    pub(crate) fn load(
        evaluator: &Arc<Evaluator>,
        settings: &Settings,
    ) -> Result<Chain, PolicyError> {
        let mut links = Links::new(settings)?;
        for module in &settings.modules {
            let policy = load(evaluator, module, None).map_err(|problem| problem.of(module))?;
            links.add(Arc::new(policy))?;
        }
        let log = settings.log.clone().map(open_log).transpose()?;
        Ok(Chain {
            policies: links.0,
            default: settings.default,
            ask_time: settings.ask_time,
            log,
            log_required: settings.log_required,
        })
    }

    /// The chain that takes this one's place. An error means that nothing can: then this one stays. One is that a policy would be gone, which nothing takes the
    /// place of, unless it `may_lose` some.
    pub(crate) fn reload(
        &self,
        evaluator: &Arc<Evaluator>,
        settings: &Settings,
        may_lose: bool,
    ) -> Result<(Chain, Reloaded), PolicyError> {
        let mut links = Links::new(settings)?;
        let mut reloaded = Reloaded::default();
        let mut replaced = Vec::new();
        for module in &settings.modules {
            let running = self.running(module);
            replaced.extend(running.map(|policy| policy.name()));
            let policy = match (load(evaluator, module, running), running) {
                (Ok(policy), _) => {
                    reloaded
                        .changed
                        .push(change(running.map(Arc::as_ref), &policy));
                    Arc::new(policy)
                }
                (Err(Problem::Unchanged), Some(running)) => running.clone(),
                (Err(problem), None) => return Err(problem.of(module)),
                (Err(problem), Some(running)) => {
                    reloaded.kept.push(Kept {
                        name: running.name().to_owned(),
                        path: module.path.clone(),
                        problem: problem.into(),
                    });
                    running.clone()
                }
            };
            links.add(policy)?;
        }
        let gone = self.policies.iter().filter(|old| {
            let same = |new: &Arc<Policy>| new.name() == old.name();
            !links.0.iter().any(same)
        });
        let gone: Vec<&Arc<Policy>> = gone.collect();
        let lost = gone.iter().map(|old| old.name());
        let lost: Vec<&str> = lost.filter(|name| !replaced.contains(name)).collect();
        if !may_lose && !lost.is_empty() {
            return Err(PolicyError::NotNamed(lost.join(", ")));
        }
        let gone: Vec<String> = gone.iter().map(|old| format!("{old} is gone")).collect();
        reloaded.changed.extend(gone);
        if self.default != settings.default {
            reloaded
                .changed
                .push(format!("the default is {:?} now", settings.default).to_lowercase());
        }
        let log = self.relog(settings)?;
        let chain = Chain {
            policies: links.0,
            default: settings.default,
            ask_time: settings.ask_time,
            log,
            log_required: settings.log_required,
        };
        Ok((chain, reloaded))
    }

    /// The policies that are asked about a kind of action.
    pub(crate) fn asked(&self, kind: ActionKind) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies
            .iter()
            .filter(move |policy| policy.actions().contains(&kind))
    }

    /// What holds where nobody has an opinion. Whoever may start a process may talk to it.
    pub(crate) fn default_for(&self, kind: ActionKind) -> Fallback {
        match kind {
            ActionKind::ProcessWrite => Fallback::Allow,
            _ => self.default,
        }
    }

    /// The one that a module's settings are about: of that name, or else from that file.
    fn running(&self, module: &ModuleSettings) -> Option<&Arc<Policy>> {
        let named = |policy: &&Arc<Policy>| Some(policy.name()) == module.name.as_deref();
        let there = |policy: &&Arc<Policy>| policy.settings().path == module.path;
        self.policies
            .iter()
            .find(named)
            .or_else(|| self.policies.iter().find(there))
    }

    /// The log goes on where it is the same one, in a file of its name.
    fn relog(&self, settings: &Settings) -> Result<Option<Arc<DecisionLog>>, PolicyError> {
        match (&self.log, &settings.log) {
            (Some(log), Some(target)) if log.target() == target => {
                log.reopen().map_err(|error| log_error(target, error))?;
                Ok(Some(log.clone()))
            }
            (_, target) => target.clone().map(open_log).transpose(),
        }
    }
}

/// The policies of a chain that is being made.
struct Links(Vec<Arc<Policy>>);

impl Links {
    fn new(settings: &Settings) -> Result<Links, PolicyError> {
        match settings.modules.len() {
            many if many > limits::POLICIES => Err(PolicyError::TooMany(many)),
            many => Ok(Links(Vec::with_capacity(many))),
        }
    }

    fn add(&mut self, policy: Arc<Policy>) -> Result<(), PolicyError> {
        if self.0.iter().any(|other| other.name() == policy.name()) {
            return Err(PolicyError::SameName(policy.name().to_owned()));
        }
        self.0.push(policy);
        Ok(())
    }
}

/// Why a policy was not loaded.
enum Problem {
    /// It is the one that is running.
    Unchanged,
    Module(ModuleError),
}

impl Problem {
    fn of(self, module: &ModuleSettings) -> PolicyError {
        PolicyError::Module {
            path: module.path.clone(),
            problem: self.into(),
        }
    }
}

impl From<Problem> for ModuleError {
    fn from(problem: Problem) -> ModuleError {
        match problem {
            Problem::Module(problem) => problem,
            Problem::Unchanged => ModuleError::Settings("it is loaded already".to_owned()),
        }
    }
}

fn load(
    evaluator: &Arc<Evaluator>,
    module: &ModuleSettings,
    running: Option<&Arc<Policy>>,
) -> Result<Policy, Problem> {
    if !module.trust.is_pinned() {
        return Err(Problem::Module(ModuleError::Unpinned));
    }
    let bytes = Policy::read(module).map_err(Problem::Module)?;
    if let Some(running) = running
        && running.settings() == module
        && running.digest() == Digest::of(&bytes)
    {
        return Err(Problem::Unchanged);
    }
    let policy = Policy::load(evaluator.clone(), module, &bytes).map_err(Problem::Module)?;
    // A signature says who made it, not that it is the one that is meant, or the newest: another one, or an old one with a known hole, would be signed
    // as well.
    let by_signature = running.filter(|_| module.trust.sha256.is_none());
    let meant = by_signature.filter(|_| module.trust.component_name.is_none());
    let meant = meant.map(|running| &running.description().name);
    if let Some(meant) = meant.filter(|meant| **meant != policy.description().name) {
        return Err(Problem::Module(ModuleError::Another {
            found: policy.description().name.clone(),
            expected: meant.clone(),
            because: ", which is running; say `component_name` if the other one is meant",
        }));
    }
    if let Some(least) = by_signature.map(|running| running.version())
        && policy.version() < least
    {
        return Err(Problem::Module(ModuleError::Older {
            found: policy.version(),
            least,
            because: ", which is running; pin the older one by `sha256` if it is meant",
        }));
    }
    Ok(policy)
}

fn change(before: Option<&Policy>, now: &Policy) -> String {
    match before {
        None => format!("{now} is new"),
        Some(before) if before.digest() == now.digest() => format!("{now} has other settings"),
        Some(before) => format!("{now} takes the place of {before}"),
    }
}

fn open_log(target: LogTarget) -> Result<Arc<DecisionLog>, PolicyError> {
    DecisionLog::open(target.clone())
        .map(Arc::new)
        .map_err(|error| log_error(&target, error))
}

fn log_error(target: &LogTarget, error: std::io::Error) -> PolicyError {
    let path: &Path = match target {
        LogTarget::File(path) => path,
        LogTarget::Stderr => Path::new("stderr"),
    };
    PolicyError::Log {
        path: path.to_owned(),
        error,
    }
}
