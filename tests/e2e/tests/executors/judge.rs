//! A policy gate with one opinion.

use std::sync::Arc;
use std::time::Duration;

use lockgate_local::{Judge, PolicyOptions};
use lockgate_policy_gate::{
    Action, ActionKind, Answer, Decision, Default, Narrowing, Ruling, Subject, Verdict,
};

/// Decides in place of policies.
pub(crate) struct Strict(Box<dyn Fn(&Action) -> Verdict + Send + Sync>);

impl Strict {
    /// Files below this are not for anybody.
    pub(crate) fn denying_files(below: &'static str) -> PolicyOptions {
        Strict::with(move |action| match action {
            Action::File(file) if file.paths.iter().any(|at| at.path.starts_with(below)) => {
                Decision::Deny {
                    reason: "not in here".to_owned(),
                }
                .into()
            }
            _ => Decision::Allow.into(),
        })
    }

    /// Processes run for so long.
    pub(crate) fn bounding(time: Duration) -> PolicyOptions {
        let limit = u64::try_from(time.as_millis()).expect("milliseconds");
        Strict::with(move |action| Verdict {
            narrowing: matches!(action, Action::ProcessStart(_)).then(|| Narrowing {
                time_limit: Some(limit),
                ..Narrowing::default()
            }),
            ..Decision::Allow.into()
        })
    }

    /// Somebody has to agree to every start.
    pub(crate) fn asking() -> PolicyOptions {
        Strict::with(|action| match action {
            Action::ProcessStart(_) => Decision::Ask {
                prompt: "shall it run?".to_owned(),
            }
            .into(),
            _ => Decision::Allow.into(),
        })
    }

    fn with(opinion: impl Fn(&Action) -> Verdict + Send + Sync + 'static) -> PolicyOptions {
        PolicyOptions {
            judge: Arc::new(Strict(Box::new(opinion))),
            reload: Arc::new(|| {}),
        }
    }
}

impl Judge for Strict {
    fn wants(&self, _: ActionKind) -> bool {
        true
    }

    fn decide(&self, _: &Subject, action: &Action) -> Ruling {
        let answer = Answer {
            policy: "strict".to_owned(),
            verdict: (self.0)(action),
        };
        Ruling::of(vec![answer], Default::Allow)
    }

    fn decide_at_once(&self, subject: &Subject, action: &Action) -> Option<Ruling> {
        Some(self.decide(subject, action))
    }

    fn answered(&self, _: &Subject, _: &Action, _: &Ruling, _: bool, _: &str) {}

    fn is_quick(&self, _: ActionKind) -> bool {
        true
    }

    fn generation(&self) -> u64 {
        0
    }

    fn ask_time(&self) -> Duration {
        Duration::from_secs(60)
    }
}
