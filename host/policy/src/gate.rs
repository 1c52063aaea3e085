//! The gate: asks the chain of policies about an action, and says what holds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use crate::action::{Action, ActionKind, Subject};
use crate::chain::{Answer, Default as Fallback, Outcome, Ruling};
use crate::decision_log::LogReport;
use crate::error::{Failure, PolicyError};
use crate::evaluator::Evaluator;
use crate::limits;
use crate::loaded::{Chain, Reloaded};
use crate::pace::Pace;
use crate::policy::{Policy, PolicyReport};
use crate::printable::printable;
use crate::record::{self, AnswerRecord};
use crate::settings::{Fail, Settings};
use crate::timestamp::Timestamp;
use crate::verdict::{Decision, Verdict};

/// Decides over the actions of clients. Shared by all connections.
#[derive(Debug)]
pub struct Gate {
    evaluator: Arc<Evaluator>,
    chain: RwLock<Arc<Chain>>,
    /// Held while a chain is being exchanged: one after the other.
    reloading: Mutex<()>,
    paces: [Pace; KINDS],
    decisions: AtomicU64,
    /// How often the chain has been exchanged.
    generation: AtomicU64,
    /// A policy was asked since [`Gate::prepare`].
    has_asked: AtomicBool,
}

const KINDS: usize = 4;

/// What `doctor` prints of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The chain, in order.
    pub policies: Vec<PolicyReport>,
    /// What holds where no policy has an opinion.
    pub default: Fallback,
    /// How long somebody has to agree.
    pub ask_time: Duration,
    /// The decision log, if there is one.
    pub log: Option<LogReport>,
    /// What runs the policies.
    pub engine: lockgate_engine::Report,
}

impl Gate {
    /// Loads the policies. Takes as long as compiling them does, which the cache saves the next time.
    pub fn open(settings: Settings) -> Result<Gate, PolicyError> {
        let evaluator = Evaluator::new(settings.cache.clone())?;
        let chain = Chain::load(&evaluator, &settings)?;
        Ok(Gate {
            evaluator,
            chain: RwLock::new(Arc::new(chain)),
            reloading: Mutex::new(()),
            paces: Default::default(),
            decisions: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            has_asked: AtomicBool::new(false),
        })
    }

    /// Whether there is anything to ask about actions of this kind. What is written to a process is only asked of policies
    /// that want to see it: the operator's default does not hold for it, since whoever may start a process may talk to it.
    pub fn wants(&self, kind: ActionKind) -> bool {
        let chain = self.chain();
        chain.default_for(kind) != Fallback::Allow || chain.asked(kind).next().is_some()
    }

    /// Decides, and logs it. Whatever fails counts as a deny, unless the operator chose otherwise for the policy that failed.
    pub fn decide(&self, subject: &Subject, action: &Action) -> Ruling {
        self.ruling(subject, action, Duration::MAX)
            // Without a bound beside the policies' own nothing is given up. Closed all the same.
            .unwrap_or_else(|| Ruling::of(Vec::new(), Fallback::Deny))
    }

    /// [`Gate::decide`] for whoever has other work to do: none where that takes longer than [`limits::AT_ONCE`]. Nothing is logged of what was given up,
    /// and policies may be asked the same again.
    pub fn decide_at_once(&self, subject: &Subject, action: &Action) -> Option<Ruling> {
        // A disk is nothing that other work waits for.
        match self.chain().log_required {
            true => None,
            false => self.ruling(subject, action, limits::AT_ONCE),
        }
    }

    /// What holds; none if it takes longer than `most`.
    fn ruling(&self, subject: &Subject, action: &Action, most: Duration) -> Option<Ruling> {
        let time = SystemTime::now();
        let started = Instant::now();
        let kind = action.kind();
        let chain = self.chain();
        let mut answers = Vec::with_capacity(chain.policies.len());
        let mut records = Vec::new();
        let mut all_remembered = true;
        let mut before = Duration::ZERO;
        for policy in chain.asked(kind) {
            let asked = Instant::now();
            let left = most.saturating_sub(started.elapsed());
            let Some(decided) = policy.decide(subject, action, left) else {
                self.paces[kind as usize].was_given_up();
                return None;
            };
            all_remembered &= decided.was_remembered;
            before += decided.before;
            let answer = decided.answer;
            let failure = answer.as_ref().err().cloned();
            let verdict = answer.unwrap_or_else(|failure| failed(policy, &failure));
            if chain.log.is_some() {
                let took = asked.elapsed();
                records.push(AnswerRecord::new(policy, &verdict, failure.as_ref(), took));
            }
            // Nothing is stricter, and what is narrowed of a refusal does not matter.
            let denied = matches!(verdict.decision, Decision::Deny { .. });
            answers.push(Answer {
                policy: policy.name().to_owned(),
                verdict,
            });
            if denied {
                break;
            }
        }
        let mut ruling = Ruling::of(answers, chain.default_for(kind));
        ruling.number = self.decisions.fetch_add(1, Ordering::Relaxed) + 1;
        let took = started.elapsed();
        // Answers from memory say nothing of how long the next one takes.
        if !all_remembered {
            self.paces[kind as usize].took(took + before);
            self.has_asked.store(true, Ordering::Relaxed);
        }
        if let Some(log) = &chain.log {
            let time = Timestamp(time);
            let line = record::decision(time, subject, action, &ruling, &records, took);
            let is_denied = matches!(ruling.outcome, Outcome::Deny { .. });
            if !chain.log_required || is_denied {
                log.add(&line);
            } else if log.add_surely(&line).is_err() {
                ruling.outcome = not_logged();
            }
        }
        Some(ruling)
    }

    /// Starts the instances of the next decision, and drops those of the last one, where that is quick. For whoever decides, once the answer has left: a fresh
    /// instance costs the next request nothing then. Takes microseconds, and nothing where no policy was asked.
    pub fn prepare(&self) {
        if !self.has_asked.swap(false, Ordering::Relaxed) {
            return;
        }
        let begin = Instant::now();
        for policy in &self.chain().policies {
            policy.prepare();
            if begin.elapsed() > limits::PREPARE_ALL {
                self.has_asked.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// Logs what came of a ruling that wants somebody to agree: whether they did, and who that was, or why nobody did.
    pub fn answered(
        &self,
        subject: &Subject,
        action: &Action,
        ruling: &Ruling,
        approved: bool,
        by: &str,
    ) {
        if let Some(log) = &self.chain().log {
            let time = Timestamp(SystemTime::now());
            log.add(&record::answer(time, subject, action, ruling, approved, by));
        }
    }

    /// Takes other settings, and looks at all files again. What is being decided meanwhile is decided by the old policies. A policy that cannot be
    /// loaded leaves the one that is running in its place; an error means that nothing at all was changed.
    /// Where compiled code is kept stays as it was.
    pub fn reload(&self, settings: &Settings) -> Result<Reloaded, PolicyError> {
        self.exchange(settings, true)
    }

    /// [`Gate::reload`] by settings that nobody vouches for: of which only a part may have been written. An error, too, where a policy would be gone.
    pub fn reload_keeping_all(&self, settings: &Settings) -> Result<Reloaded, PolicyError> {
        self.exchange(settings, false)
    }

    fn exchange(&self, settings: &Settings, may_lose: bool) -> Result<Reloaded, PolicyError> {
        let _one = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (chain, reloaded) = self.chain().reload(&self.evaluator, settings, may_lose)?;
        *self.chain.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(chain);
        self.generation.fetch_add(1, Ordering::Release);
        Ok(reloaded)
    }

    /// Whether decisions about actions of this kind have been fast of late: if so they may be made where other work waits,
    /// else on a thread of their own.
    pub fn is_quick(&self, kind: ActionKind) -> bool {
        self.paces[kind as usize].is_quick() && !self.chain().log_required
    }

    /// How often the policies have been exchanged: what was asked under the ones before may have another answer now.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How long somebody has to agree to what a policy wants agreed to.
    pub fn ask_time(&self) -> Duration {
        self.chain().ask_time
    }

    /// Waits a moment for what is still to be written to the decision log: for the end of a process, which drops nothing.
    pub fn flush(&self) {
        if let Some(log) = &self.chain().log {
            log.flush();
        }
    }

    /// What there is, for `doctor`.
    pub fn report(&self) -> Report {
        let chain = self.chain();
        Report {
            policies: chain
                .policies
                .iter()
                .map(|policy| policy.report())
                .collect(),
            default: chain.default,
            ask_time: chain.ask_time,
            log: chain.log.as_ref().map(|log| log.report()),
            engine: self.evaluator.engine().clone(),
        }
    }

    fn chain(&self) -> Arc<Chain> {
        self.chain
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What was decided could not be logged, and the operator would have nothing done of which there is no record.
fn not_logged() -> Outcome {
    Outcome::Deny {
        policy: None,
        reason: "what cannot be logged is not done here (`log_required`), and the decision log takes nothing at the moment: its disk may be full; this is \
                 for the operator to repair"
            .to_owned(),
        rule: None,
    }
}

/// What a policy that failed counts as. The client is told that it is not its request that is wrong.
fn failed(policy: &Policy, failure: &Failure) -> Verdict {
    let counts_as = match failure {
        Failure::Error(_) => Fail::Deny,
        _ => policy.settings().fail,
    };
    // It may quote what a client chose.
    let said = failure.to_string();
    let said = printable(&said);
    match counts_as {
        Fail::Deny => {
            tracing::error!(target: "lockgate::policy", policy = policy.name(), "a policy failed, which counts as a deny: {said}");
            Verdict::from(Decision::Deny {
                reason: format!(
                    "the policy itself failed ({failure}), and then nothing is allowed; this is for the operator to repair"
                ),
            })
        }
        Fail::Abstain => {
            tracing::warn!(target: "lockgate::policy", policy = policy.name(), "a policy failed, and is passed over as it was chosen: {said}");
            Verdict::from(Decision::Abstain)
        }
    }
}

#[cfg(test)]
mod tests {
    use lockgate_engine::CacheChoice;

    use super::*;
    use crate::action::HttpRequest;
    use crate::decision_log::DecisionLog;

    #[test]
    fn attack_27_where_the_log_is_required_what_cannot_be_logged_is_denied() {
        let gate = Gate::open(Settings {
            default: Fallback::Allow,
            cache: CacheChoice::Off,
            ..Settings::default()
        })
        .expect("a gate");
        let action = Action::Http(HttpRequest::default());
        let decided = |log: Option<Arc<DecisionLog>>, log_required| {
            let chain = Chain {
                policies: Vec::new(),
                default: Fallback::Allow,
                ask_time: Duration::ZERO,
                log,
                log_required,
            };
            *gate.chain.write().expect("not poisoned") = Arc::new(chain);
            (
                gate.decide(&Subject::default(), &action).outcome,
                gate.decide_at_once(&Subject::default(), &action).is_some(),
            )
        };
        let full = || Some(Arc::new(DecisionLog::on_a_full_disk()));
        assert_eq!(decided(full(), false), (Outcome::Allow, true));
        assert_eq!(decided(full(), true), (not_logged(), false));
    }
}
