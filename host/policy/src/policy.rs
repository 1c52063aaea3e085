//! One policy: loaded, checked, described, and asked.

use std::sync::Arc;
use std::time::Duration;

use lockgate_engine::{Digest, Fault};

use crate::action::{Action, ActionKind, Subject};
use crate::admission;
use crate::error::{Failure, ModuleError, PolicyError};
use crate::evaluator::Evaluator;
use crate::limits;
use crate::program::Program;
use crate::reply::check_name;
use crate::settings::{Fail, ModuleSettings};
use crate::source;
use crate::verdict::{Description, Verdict};
use crate::version::Version;

/// A policy that has been loaded.
pub struct Policy {
    evaluator: Arc<Evaluator>,
    program: Program,
    name: String,
    description: Description,
    version: Version,
    digest: Digest,
    actions: Vec<ActionKind>,
    fail: Fail,
    time: Duration,
}

impl Evaluator {
    /// Loads a policy: reads it, checks that it is the one that is meant, compiles it, and has it describe itself. Settings that do not say
    /// which component it must be are taken as they are: it is a gate that wants to know.
    pub fn load(self: &Arc<Evaluator>, settings: &ModuleSettings) -> Result<Policy, PolicyError> {
        Policy::load(self.clone(), settings).map_err(|problem| PolicyError::Module {
            path: settings.path.clone(),
            problem,
        })
    }
}

impl Policy {
    fn load(evaluator: Arc<Evaluator>, settings: &ModuleSettings) -> Result<Policy, ModuleError> {
        check(settings)?;
        let bytes = source::read(&settings.path, &settings.trust)?;
        admission::is_component(&bytes)?;
        let engine = &evaluator.engine;
        let guest = engine
            .load(&bytes, settings.trust.sha256)
            .map_err(ModuleError::Engine)?;
        let program = Program::new(
            engine,
            &evaluator.linker,
            &guest,
            settings.config.as_str().into(),
            settings.memory_bytes,
        )?;
        let place = evaluator
            .place(limits::LOAD_TIME)
            .map_err(|_| ModuleError::Start("started", Fault::PoolFull))?;
        let mut started = program
            .start(engine, limits::LOAD_TIME)
            .map_err(|fault| ModuleError::Start("started", fault))?;
        let described = program.describe(engine, &mut started);
        let says = settings
            .name
            .clone()
            .unwrap_or_else(|| settings.path.display().to_string());
        started.store.data_mut().lines.write(&says);
        drop(started);
        drop(place);
        let (description, version) = described?.check().map_err(ModuleError::Description)?;
        if let Some(least) = settings.trust.min_version.filter(|least| version < *least) {
            return Err(ModuleError::Older {
                found: version,
                least,
                because: " (min_version)",
            });
        }
        let wanted = |kind: &ActionKind| match &settings.actions {
            Some(only) => only.contains(kind),
            None => true,
        };
        Ok(Policy {
            actions: description.actions.iter().copied().filter(wanted).collect(),
            name: settings
                .name
                .clone()
                .unwrap_or_else(|| description.name.clone()),
            digest: guest.digest(),
            fail: settings.fail,
            time: settings.time,
            description,
            version,
            program,
            evaluator,
        })
    }

    /// Its name in messages and in the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Its own version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The digest of its component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The kinds of actions that it is asked: what it wants to see, and of that what its settings let it.
    pub fn actions(&self) -> &[ActionKind] {
        &self.actions
    }

    /// What it counts as when it fails.
    pub fn fail(&self) -> Fail {
        self.fail
    }

    /// Asks it about one action. Whatever goes wrong, it can be asked again.
    pub fn evaluate(&self, subject: &Subject, action: &Action) -> Result<Verdict, Failure> {
        let _place = self.evaluator.place(self.time)?;
        let engine = &self.evaluator.engine;
        let mut started = self.program.start(engine, self.time)?;
        let answer = self
            .program
            .evaluate(engine, &mut started, subject, action, self.time);
        started.store.data_mut().lines.write(&self.name);
        answer
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// What can be wrong with settings before anything is read.
fn check(settings: &ModuleSettings) -> Result<(), ModuleError> {
    if let Some(name) = &settings.name {
        check_name(name).map_err(ModuleError::Settings)?;
    }
    if settings.config.len() > limits::CONFIG_BYTES {
        return Err(ModuleError::Settings(format!(
            "its configuration has {} bytes, and {} is the most",
            settings.config.len(),
            limits::CONFIG_BYTES
        )));
    }
    if settings.time.is_zero() || settings.time > limits::MAX_DECISION_TIME {
        return Err(ModuleError::Settings(format!(
            "its time for a decision must be more than nothing and at most {} ms",
            limits::MAX_DECISION_TIME.as_millis()
        )));
    }
    if settings.memory_bytes > lockgate_engine::limits::MAX_MEMORY_BYTES {
        return Err(ModuleError::Settings(format!(
            "its memory may be {} MiB at most",
            lockgate_engine::limits::MAX_MEMORY_BYTES >> 20
        )));
    }
    Ok(())
}
