//! The gate: asks the chain of policies about an action, and says what holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::action::{Action, ActionKind, Subject};
use crate::chain::{Answer, Default as Fallback, Ruling};
use crate::error::{Failure, ModuleError, PolicyError};
use crate::evaluator::Evaluator;
use crate::limits;
use crate::policy::Policy;
use crate::settings::{Fail, Settings};
use crate::verdict::{Decision, Verdict};

/// Decides over the actions of clients. Shared by all connections.
#[derive(Debug)]
pub struct Gate {
    evaluator: Arc<Evaluator>,
    chain: Chain,
    paces: [Pace; KINDS],
}

const KINDS: usize = 4;

/// The policies with what else the operator chose.
#[derive(Debug)]
struct Chain {
    policies: Vec<Arc<Policy>>,
    default: Fallback,
    ask_time: Duration,
}

impl Gate {
    /// Loads the policies. Takes as long as compiling them does, which the cache saves the next time.
    pub fn open(settings: Settings) -> Result<Gate, PolicyError> {
        let evaluator = Evaluator::new(settings.cache.clone())?;
        let chain = Chain::load(&evaluator, &settings)?;
        Ok(Gate {
            evaluator,
            chain,
            paces: Default::default(),
        })
    }

    /// Whether there is anything to ask about actions of this kind. What is written to a process is only asked of policies
    /// that want to see it: the operator's default does not hold for it, since whoever may start a process may talk to it.
    pub fn wants(&self, kind: ActionKind) -> bool {
        let default = self.chain.default_for(kind);
        default != Fallback::Allow || self.chain.asked(kind).next().is_some()
    }

    /// Decides. Whatever fails counts as a deny, unless the operator chose otherwise for the policy that failed.
    pub fn decide(&self, subject: &Subject, action: &Action) -> Ruling {
        let started = Instant::now();
        let kind = action.kind();
        let chain = &self.chain;
        let mut answers = Vec::new();
        for policy in chain.asked(kind) {
            let verdict = match policy.evaluate(subject, action) {
                Ok(verdict) => verdict,
                Err(failure) => failed(policy, &failure),
            };
            let denied = matches!(verdict.decision, Decision::Deny { .. });
            answers.push(Answer {
                policy: policy.name().to_owned(),
                verdict,
            });
            if denied {
                break;
            }
        }
        let ruling = Ruling::of(answers, chain.default_for(kind));
        self.paces[kind as usize].took(started.elapsed());
        ruling
    }

    /// Whether decisions about actions of this kind have been fast of late: if so they may be made where other work waits,
    /// else on a thread of their own.
    pub fn is_quick(&self, kind: ActionKind) -> bool {
        self.paces[kind as usize].is_quick()
    }

    /// How long somebody has to agree to what a policy wants agreed to.
    pub fn ask_time(&self) -> Duration {
        self.chain.ask_time
    }

    /// What runs the policies.
    pub fn evaluator(&self) -> &Arc<Evaluator> {
        &self.evaluator
    }
}

impl Chain {
    fn load(evaluator: &Arc<Evaluator>, settings: &Settings) -> Result<Chain, PolicyError> {
        if settings.modules.len() > limits::POLICIES {
            return Err(PolicyError::TooMany(settings.modules.len()));
        }
        let mut policies: Vec<Arc<Policy>> = Vec::new();
        for module in &settings.modules {
            if !module.trust.is_pinned() {
                return Err(PolicyError::Module {
                    path: module.path.clone(),
                    problem: ModuleError::Unpinned,
                });
            }
            let policy = evaluator.load(module)?;
            if policies.iter().any(|other| other.name() == policy.name()) {
                return Err(PolicyError::SameName(policy.name().to_owned()));
            }
            policies.push(Arc::new(policy));
        }
        Ok(Chain {
            policies,
            default: settings.default,
            ask_time: settings.ask_time,
        })
    }

    fn asked(&self, kind: ActionKind) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies
            .iter()
            .filter(move |policy| policy.actions().contains(&kind))
    }

    fn default_for(&self, kind: ActionKind) -> Fallback {
        match kind {
            ActionKind::ProcessWrite => Fallback::Allow,
            _ => self.default,
        }
    }
}

/// What a policy that failed counts as. The client is told that it is not its request that is wrong.
fn failed(policy: &Policy, failure: &Failure) -> Verdict {
    match policy.fail() {
        Fail::Deny => {
            tracing::error!(target: "lockgate::policy", policy = policy.name(), "a policy failed, which counts as a deny: {failure}");
            Verdict::from(Decision::Deny {
                reason: format!(
                    "the policy itself failed ({failure}), and then nothing is allowed; this is for the operator to repair"
                ),
            })
        }
        Fail::Abstain => {
            tracing::warn!(target: "lockgate::policy", policy = policy.name(), "a policy failed, and is passed over as it was chosen: {failure}");
            Verdict::from(Decision::Abstain)
        }
    }
}

/// How long decisions of one kind take of late, in nanoseconds: a running average over some eight of them.
#[derive(Debug)]
struct Pace(AtomicU64);

impl Default for Pace {
    /// Nothing is known at first, so nobody waits for it.
    fn default() -> Self {
        Pace(AtomicU64::new(limits::QUICK.as_nanos() as u64 + 1))
    }
}

impl Pace {
    fn took(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / 8;
        // Two at once may lose one of them: an average can bear it.
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before - before / 8 + time, Ordering::Relaxed);
    }

    fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= limits::QUICK.as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_decision_moves_the_next_ones_away_until_they_are_fast_again() {
        let pace = Pace::default();
        assert!(!pace.is_quick());
        let fast = || pace.took(Duration::from_micros(20));
        (0..8).for_each(|_| fast());
        assert!(pace.is_quick());
        pace.took(Duration::from_millis(50));
        assert!(!pace.is_quick());
        (0..40).for_each(|_| fast());
        assert!(pace.is_quick());
        pace.took(Duration::MAX);
        assert!(!pace.is_quick());
    }
}
