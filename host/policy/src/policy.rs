//! One policy: loaded, checked, described, and asked.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_engine::{Digest, EngineError, Fault};

use crate::action::{Action, ActionKind, Subject};
use crate::admission;
use crate::error::{Failure, ModuleError, PolicyError};
use crate::evaluator::Evaluator;
use crate::idle::Idle;
use crate::limits;
use crate::places::Seat;
use crate::program::Program;
use crate::remembered::Remembered;
use crate::reply::{RawDescription, check_name};
use crate::settings::{Instances, ModuleSettings};
use crate::snapshot;
use crate::source;
use crate::verdict::{Description, Verdict};
use crate::version::Version;

/// A policy that has been loaded.
pub struct Policy {
    evaluator: Arc<Evaluator>,
    program: Program,
    settings: ModuleSettings,
    name: String,
    description: Description,
    version: Version,
    digest: Digest,
    actions: Vec<ActionKind>,
    snapshot: Result<(), String>,
    idle: Idle,
    remembered: Mutex<Remembered>,
    seat: Seat,
    asked: AtomicU64,
    config_reads: AtomicU64,
    memory: AtomicUsize,
}

/// What `doctor` and `inspect` print of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyReport {
    /// Its name in messages and in the log.
    pub name: String,
    /// What it says of itself.
    pub description: Description,
    /// The digest of its component.
    pub digest: Digest,
    /// What the operator chose for it; `actions` is what it is asked.
    pub settings: ModuleSettings,
    /// The kinds of actions that it is asked.
    pub actions: Vec<ActionKind>,
    /// How often it was really asked, and did not answer from memory.
    pub asked: u64,
    /// Instances that wait for a decision.
    pub at_hand: usize,
    /// The most bytes of memory that one of its instances had when it had decided; 0 before the first decision.
    pub memory_bytes: usize,
    /// How often its decisions have read the configuration: never, if that was done when it was loaded.
    pub config_reads: u64,
    /// Whether each decision begins with the configuration parsed; or why each parses it.
    pub snapshot: Result<(), String>,
}

impl Evaluator {
    /// Loads a policy: reads it, checks that it is the one that is meant, compiles it, and has it describe itself. Settings that do not say
    /// which component it must be are taken as they are: it is a gate that wants to know.
    pub fn load(self: &Arc<Evaluator>, settings: &ModuleSettings) -> Result<Policy, PolicyError> {
        Policy::read(settings)
            .and_then(|bytes| Policy::load(self.clone(), settings, &bytes))
            .map_err(|problem| PolicyError::Module {
                path: settings.path.clone(),
                problem,
            })
    }
}

/// What a policy decided, and whether it was asked for that.
pub(crate) struct Decided {
    pub(crate) answer: Result<Verdict, Failure>,
    pub(crate) was_remembered: bool,
    /// What its instance had taken before, so that a decision is reckoned with all that it costs.
    pub(crate) before: Duration,
}

impl Policy {
    /// The component's bytes, signed if they have to be.
    pub(crate) fn read(settings: &ModuleSettings) -> Result<Vec<u8>, ModuleError> {
        check(settings)?;
        let bytes = source::read(&settings.path, &settings.trust)?;
        admission::is_component(&bytes)?;
        Ok(bytes)
    }

    pub(crate) fn load(
        evaluator: Arc<Evaluator>,
        settings: &ModuleSettings,
        bytes: &[u8],
    ) -> Result<Policy, ModuleError> {
        let digest = Digest::of(bytes);
        if let Some(expected) = settings.trust.sha256.filter(|pinned| *pinned != digest) {
            let found = digest;
            return Err(ModuleError::Engine(EngineError::Digest { expected, found }));
        }
        let config: Arc<str> = settings.config.as_str().into();
        let says = match &settings.name {
            Some(name) => name.clone(),
            None => settings.path.display().to_string(),
        };
        let seat = Seat::default();
        let place = evaluator
            .place(&seat, limits::LOAD_TIME)
            .map_err(|_| ModuleError::Start("started", Fault::PoolFull))?;
        let (program, described, snapshot) =
            match snapshot::take(&evaluator, bytes, &config, settings, &says)? {
                snapshot::Outcome::Taken(program, described) => (*program, described, Ok(())),
                snapshot::Outcome::Refused(why, described) => {
                    let program = plain(&evaluator, bytes, config, settings)?;
                    let described = match described {
                        Some(described) => described,
                        None => describe(&evaluator, &program, &says)?,
                    };
                    (program, described, Err(why))
                }
            };
        drop(place);
        let (description, version) = described.check().map_err(ModuleError::Description)?;
        let meant = settings.trust.component_name.as_ref();
        if let Some(meant) = meant.filter(|meant| **meant != description.name) {
            return Err(ModuleError::Another {
                found: description.name,
                expected: meant.clone(),
                because: " (`component_name`)",
            });
        }
        let least = settings.trust.min_version;
        if let Some(least) = least.filter(|least| version < *least) {
            return Err(ModuleError::Older {
                found: version,
                least,
                because: " (`min_version`)",
            });
        }
        let wanted = |kind: &ActionKind| match &settings.actions {
            Some(only) => only.contains(kind),
            None => true,
        };
        let name = settings.name.clone();
        Ok(Policy {
            actions: description.actions.iter().copied().filter(wanted).collect(),
            name: name.unwrap_or_else(|| description.name.clone()),
            digest,
            snapshot,
            settings: settings.clone(),
            idle: Idle::default(),
            remembered: Mutex::default(),
            seat,
            asked: AtomicU64::new(0),
            config_reads: AtomicU64::new(0),
            memory: AtomicUsize::new(0),
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

    /// What was chosen for it.
    pub fn settings(&self) -> &ModuleSettings {
        &self.settings
    }

    /// All that there is to say of it.
    pub fn report(&self) -> PolicyReport {
        PolicyReport {
            name: self.name.clone(),
            description: self.description.clone(),
            digest: self.digest,
            settings: self.settings.clone(),
            actions: self.actions.clone(),
            snapshot: self.snapshot.clone(),
            asked: self.asked.load(Ordering::Relaxed),
            config_reads: self.config_reads.load(Ordering::Relaxed),
            at_hand: self.idle.at_hand(),
            memory_bytes: self.memory.load(Ordering::Relaxed),
        }
    }

    /// Its answer, which may be remembered: see [`crate::remembered`]. None where `most` is less than its own time, and was over first.
    pub(crate) fn decide(
        &self,
        subject: &Subject,
        action: &Action,
        most: Duration,
    ) -> Option<Decided> {
        let known = || {
            self.remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let is_function = self.settings.instances == Instances::Fresh;
        if is_function && let Some(verdict) = known().get(subject, action) {
            return Some(Decided {
                answer: Ok(verdict),
                was_remembered: true,
                before: Duration::ZERO,
            });
        }
        let mut before = Duration::ZERO;
        let asked = self.ask(subject, action, most, &mut before)?;
        let answer = asked.map(|(answer, has_logged)| {
            if is_function && !has_logged {
                known().add(subject, action, &answer);
            }
            answer
        });
        Some(Decided {
            answer,
            was_remembered: false,
            before,
        })
    }

    /// Asks it about one action. Whatever goes wrong, it can be asked again.
    pub fn evaluate(&self, subject: &Subject, action: &Action) -> Result<Verdict, Failure> {
        let mut before = Duration::ZERO;
        let own = self.settings.time;
        self.ask_within(own, own, subject, action, &mut before)
            .map(|(verdict, _)| verdict)
    }

    /// [`Policy::ask_within`] its own time, or `most`. None where that is less and was over first: then it has not been asked, as far as anybody can tell.
    fn ask(
        &self,
        subject: &Subject,
        action: &Action,
        most: Duration,
        before: &mut Duration,
    ) -> Option<Result<(Verdict, bool), Failure>> {
        let own = self.settings.time;
        if most >= own {
            return Some(self.ask_within(own, own, subject, action, before));
        }
        // Nobody waits for a place where other work waits.
        match self.ask_within(Duration::ZERO, most, subject, action, before) {
            Err(Failure::Busy | Failure::Fault(Fault::Deadline)) => None,
            asked => Some(asked),
        }
    }

    /// Its answer, and whether it logged something on the way. It waits so long for its turn, and all of it takes no more than `time`.
    /// `before` is what its instance took before this, if there was one at hand.
    fn ask_within(
        &self,
        wait: Duration,
        time: Duration,
        subject: &Subject,
        action: &Action,
        before: &mut Duration,
    ) -> Result<(Verdict, bool), Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let engine = &self.evaluator.engine;
        // One time for all of it.
        let begin = Instant::now();
        let left = || time.saturating_sub(begin.elapsed());
        let _place = self.evaluator.place(&self.seat, wait)?;
        let mut started = match self.idle.take() {
            Some((started, took)) => {
                *before = took;
                started
            }
            None => {
                let begin = Instant::now();
                let started = self.program.start(engine, left())?;
                self.idle.has_started(begin.elapsed());
                started
            }
        };
        let answer = self
            .program
            .evaluate(engine, &mut started, subject, action, left());
        let held = started.store.data().memory.bytes;
        // Looked at first: all threads that decide would write to one place otherwise.
        if held > self.memory.load(Ordering::Relaxed) {
            self.memory.fetch_max(held, Ordering::Relaxed);
        }
        let reads = std::mem::take(&mut started.store.data_mut().config_reads);
        if reads > 0 {
            self.config_reads.fetch_add(reads, Ordering::Relaxed);
        }
        // What is given up is asked again, and then says it again.
        let is_given_up =
            time < self.settings.time && matches!(answer, Err(Failure::Fault(Fault::Deadline)));
        let has_logged = !is_given_up && started.store.data_mut().write_lines(&self.name);
        match self.settings.instances {
            // After a fault nobody knows what state it is in.
            Instances::Reused if matches!(answer, Err(Failure::Fault(_))) => {}
            Instances::Reused => self.idle.keep(started, &self.evaluator),
            Instances::Fresh => self.idle.set_aside(started, &self.evaluator),
        }
        answer.map(|verdict| (verdict, has_logged))
    }

    /// Does what the next decision would have to do otherwise, and what is left to do of the last ones: for a moment in which nobody waits.
    pub(crate) fn prepare(&self) {
        if self.settings.instances == Instances::Fresh && self.asked.load(Ordering::Relaxed) > 0 {
            let engine = &self.evaluator.engine;
            self.idle.prepare(&self.evaluator, || {
                self.program.start(engine, limits::PREPARE_TIME)
            });
        }
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name == self.description.name {
            true => write!(f, "{} {}", self.name, self.version),
            false => write!(
                f,
                "{} ({} {})",
                self.name, self.description.name, self.version
            ),
        }
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

/// The component as it is.
fn plain(
    evaluator: &Evaluator,
    bytes: &[u8],
    config: Arc<str>,
    settings: &ModuleSettings,
) -> Result<Program, ModuleError> {
    let engine = &evaluator.engine;
    let guest = engine.load(bytes, None).map_err(ModuleError::Engine)?;
    let linker = evaluator.linker(settings.wasi);
    Program::new(engine, linker, &guest, config, settings.memory_bytes)
}

fn describe(
    evaluator: &Evaluator,
    program: &Program,
    says: &str,
) -> Result<RawDescription, ModuleError> {
    let engine = &evaluator.engine;
    let mut started = program
        .start(engine, limits::LOAD_TIME)
        .map_err(|fault| ModuleError::Start("started", fault))?;
    let described = program.describe(engine, &mut started);
    started.store.data_mut().write_lines(says);
    described
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
