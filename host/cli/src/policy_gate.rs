//! The policy gate of a server: opened as the configuration says, and loaded again when that, or what it names, has changed.
//!
//! Nothing is lost on the way: who is asking goes on with the policies that were there, and what cannot be loaded leaves the one that is
//! running in its place.

pub(crate) mod repin;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lockgate_capfs::{AbsPath, Own};
use lockgate_policy_gate::{Gate, PolicyError, PolicyReport};
use lockgate_server::{Judge, PolicyOptions};

use crate::config::{Config, read};
use crate::failure::Failure;

/// What is said here is for operators, who see it unless they choose otherwise (`logging`).
const TARGET: &str = "lockgate::policies";

/// How often the files are looked at. A change is taken up once a second look finds it unchanged, so that a file that is being written is
/// mostly not read halfway. Whoever writes it may take a longer break: so what a configuration names no more is not given up by itself.
const LOOK: Duration = Duration::from_secs(1);

/// How often a configuration is read in one go. Once more after it has named a file that was not kept from clients yet.
const READS: usize = 4;

/// Opens the gate of this configuration, if it has one. Takes as long as compiling the policies does.
pub(crate) fn open(config: &Config, own: Own) -> Result<Option<Opened>, Failure> {
    let (Some(policy), Some(file)) = (&config.policy, &config.file) else {
        return Ok(None);
    };
    // Before they are read: what changes from now on is loaded again.
    let files = watched(file, &policy.files);
    let marks: Vec<Mark> = files.iter().map(|file| Mark::of(file)).collect();
    let gate = Gate::open(policy.settings.clone()).map_err(|error| {
        let told = repin::told(&error, &policy.settings.modules, file);
        Failure::new(format!("{told} ({})", file.display()))
    })?;
    let report = gate.report();
    for policy in &report.policies {
        tracing::info!(target: TARGET, "policy {}", line(policy));
    }
    tracing::info!(
                target: TARGET,
        "policies: where none of {} has an opinion, the default is {}",
        report.policies.len(),
        word(report.default)
    );
    if let Some(names) = writable(&files) {
        tracing::warn!(
            target: TARGET,
            "this user can write {names}, and so can every process that a client may start: who writes these changes the policies. File requests \
             cannot. Deny the start of processes, or have another user own them, and the folders they are in"
        );
    }
    let gate = Arc::new(gate);
    let reloader = Arc::new(Reloader {
        gate: Arc::clone(&gate),
        file: file.clone(),
        own,
        state: Mutex::new(State {
            rest: config.rest.clone(),
            files,
            told: None,
        }),
    });
    let watching = Arc::clone(&reloader);
    std::thread::Builder::new()
        .name("policy-files".to_owned())
        .spawn(move || watching.watch(marks))
        .map_err(|error| Failure::new(format!("cannot watch the policies' files: {error}")))?;
    Ok(Some(Opened {
        options: PolicyOptions {
            judge: Arc::clone(&gate) as Arc<dyn Judge>,
            reload: Arc::new(move || reloader.reload(By::Operator)),
        },
        gate,
    }))
}

/// A gate, and what a server takes of it.
pub(crate) struct Opened {
    pub(crate) options: PolicyOptions,
    gate: Arc<Gate>,
}

impl Opened {
    /// The server has ended: what it decided last is still to be logged.
    pub(crate) fn end(&self) {
        self.gate.flush();
    }
}

/// Those of the files that this user can write, for a message. Processes are this user's.
pub(crate) fn writable(files: &[PathBuf]) -> Option<String> {
    let can = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    // Who can write the folder can put another file in its place.
    let folder = |file: &Path| {
        file.parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .map_or_else(|| PathBuf::from("."), Path::to_owned)
    };
    let found: Vec<String> = files
        .iter()
        .filter(|file| can(file) || can(&folder(file)))
        .map(|file| file.display().to_string())
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}

/// One policy in one line: what it is, by which digest, and what it is asked.
pub(crate) fn line(policy: &PolicyReport) -> String {
    let actions: Vec<String> = policy.actions.iter().map(|kind| word(*kind)).collect();
    format!(
        "{} ({} {}, sha256:{}): asked about {}",
        policy.name,
        policy.description.name,
        policy.description.version,
        policy.digest,
        match actions.is_empty() {
            true => "nothing".to_owned(),
            false => actions.join(", "),
        },
    )
}

/// As it is spelled in the configuration.
pub(crate) fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => format!("{other:?}"),
    }
}

/// Why policies are loaded again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Somebody said so (SIGHUP).
    Operator,
    /// The files are others.
    Change,
}

/// Loads again.
struct Reloader {
    gate: Arc<Gate>,
    file: PathBuf,
    /// What no client may write: told of what is named later, and of links that lead elsewhere.
    own: Own,
    state: Mutex<State>,
}

struct State {
    /// The other sections, as they were at the start or at the last warning about them.
    rest: toml::Table,
    /// What is looked at.
    files: Vec<PathBuf>,
    /// Why the files cannot all be kept from clients now, as it was told last.
    told: Option<String>,
}

impl Reloader {
    fn reload(&self, by: By) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = "the policies stay as they were";
        let config = match self.read() {
            Ok(config) => config,
            Err(failure) => return tracing::error!(target: TARGET, "{kept}: {failure}"),
        };
        if config.rest != state.rest {
            tracing::warn!(
                target: TARGET,
                "{}: what has changed outside of [policy] holds from the next start on",
                self.file.display()
            );
            state.rest = config.rest;
        }
        let Some(policy) = config.policy else {
            return tracing::error!(
                target: TARGET,
                "{kept}: there is no [policy] in {} any more; stop the server to run without one",
                self.file.display()
            );
        };
        let files = watched(&self.file, &policy.files);
        let before = std::mem::replace(&mut state.files, files);
        // A new text of `rules`, `cedar` or `rego` is compiled, which takes seconds: nobody should take the silence for a change that was missed.
        tracing::info!(
            target: TARGET,
            "policies: {} or what it names has changed and is being prepared; until it is ready, {} decides as before",
            self.file.display(),
            self.running()
        );
        let started = Instant::now();
        let reloaded = match by {
            By::Operator => self.gate.reload(&policy.settings),
            By::Change => self.gate.reload_keeping_all(&policy.settings),
        };
        match reloaded {
            Err(error @ PolicyError::NotNamed(_)) => {
                // They are what decisions are made of still.
                state.files = before;
                tracing::error!(
                    target: TARGET,
                    "{kept}: {error} ({}). A file that is being written looks so, too (write it beside, and rename it): if it is meant, send SIGHUP",
                    self.file.display()
                );
            }
            Err(error) => {
                let told = repin::told(&error, &policy.settings.modules, &self.file);
                tracing::error!(target: TARGET, "{kept}: {told}")
            }
            Ok(reloaded) => {
                for changed in &reloaded.changed {
                    tracing::info!(target: TARGET, "policies: {changed}");
                }
                for kept in &reloaded.kept {
                    let advice =
                        repin::advice(&kept.problem, &kept.path, Some(&kept.name), &self.file);
                    tracing::error!(
                        target: TARGET,
                        "policy {} stays as it was, {} cannot take its place: {}{}",
                        kept.name,
                        kept.path.display(),
                        kept.problem,
                        advice.unwrap_or_default()
                    );
                }
                tracing::info!(
                    target: TARGET,
                    "policies: what holds now is {} ({:.1} s)",
                    self.running(),
                    started.elapsed().as_secs_f64()
                );
            }
        }
    }

    /// Who decides now.
    fn running(&self) -> String {
        let policies = self.gate.report().policies.into_iter();
        let names: Vec<String> = policies.map(|policy| policy.name).collect();
        match names.is_empty() {
            true => "the default alone".to_owned(),
            false => names.join(", "),
        }
    }

    /// The configuration, read when everything that it names was out of clients' reach: what is loaded is what an operator has put there.
    fn read(&self) -> Result<Config, Failure> {
        for _ in 0..READS {
            let config = read(&self.file)?;
            let own = self.own.now(config.own()?);
            let new = own.map_err(|error| Failure::new(error.to_string()))?;
            if new.is_empty() {
                return Ok(config);
            }
            tell(&new);
        }
        Err(Failure::new(format!(
            "{} has named other files each of the {READS} times that it was read",
            self.file.display()
        )))
    }

    /// A link may lead elsewhere since the last look. From now on that is what no client may write, before it is read.
    fn keep(&self, state: &mut State) {
        let problem = match self.own.again() {
            Ok(new) => {
                tell(&new);
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem
            .as_ref()
            .filter(|now| state.told.as_ref() != Some(now))
        {
            tracing::error!(target: TARGET, "policies: {problem}");
        }
        state.told = problem;
    }

    fn watch(&self, first: Vec<Mark>) {
        let look = || {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.keep(&mut state);
            state
                .files
                .iter()
                .map(|file| Mark::of(file))
                .collect::<Vec<_>>()
        };
        let mut loaded = first;
        let mut before = loaded.clone();
        loop {
            std::thread::sleep(LOOK);
            let now = look();
            if now != loaded && now == before {
                self.reload(By::Change);
                // What has changed since it was read is another change. The files may be others now: then they are loaded once more.
                loaded = now.clone();
            }
            before = now;
        }
    }
}

/// Says what is kept from clients from now on.
fn tell(new: &[AbsPath]) {
    for place in new {
        tracing::info!(target: TARGET, "policies: no client may write {place} from now on");
    }
}

/// What decisions are made of: the configuration and all that it names.
pub(crate) fn watched(file: &Path, files: &[PathBuf]) -> Vec<PathBuf> {
    std::iter::once(file.to_owned())
        .chain(files.iter().cloned())
        .collect()
}

/// What tells a file from another one, or from itself before a change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark(Option<(u64, u64, u64, Option<SystemTime>, i64, i64)>);

impl Mark {
    fn of(file: &Path) -> Mark {
        use std::os::unix::fs::MetadataExt;
        Mark(file.metadata().ok().map(|facts| {
            (
                facts.dev(),
                facts.ino(),
                facts.len(),
                facts.modified().ok(),
                facts.ctime(),
                facts.ctime_nsec(),
            )
        }))
    }
}
