//! The answers of several policies, joined: the strictest holds.

use lockgate_grant::narrowing::GrantEntry;
use serde::{Deserialize, Serialize};

use crate::verdict::{Decision, Narrowing, Verdict};

/// What holds where no policy has an opinion: none was asked, or all abstained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Default {
    /// It is done.
    Allow,
    /// It is refused.
    Deny,
    /// Somebody has to agree.
    Ask,
}

/// The answer of one policy of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The policy's name in the configuration.
    pub policy: String,
    /// What it said.
    pub verdict: Verdict,
}

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, within what the ruling leaves of it.
    Allow,
    /// It is refused.
    Deny {
        /// Who says so; none: the operator's default.
        policy: Option<String>,
        /// For the client.
        reason: String,
        /// The rule that decided, if its policy names it.
        rule: Option<String>,
    },
    /// Somebody has to agree.
    Ask(Consent),
}

/// What somebody has to agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who says so; none: the operator's default.
    pub policy: Option<String>,
    /// What they are asked, by all policies that ask.
    pub prompt: String,
    /// The rule that decided, if its policy names it.
    pub rule: Option<String>,
}

/// What a chain of policies says together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The decision's number since the gate was opened, which the decision log has too; 0 outside of a gate.
    pub number: u64,
    /// What is to happen.
    pub outcome: Outcome,
    /// Every one of these holds, beside the request's own profile.
    pub grants: Vec<Vec<GrantEntry>>,
    /// Sorted, each once.
    pub drop_env: Vec<String>,
    /// Milliseconds: the least of all.
    pub time_limit: Option<u64>,
    /// Bytes: the least of all.
    pub output_limit: Option<u64>,
}

impl Ruling {
    /// Joins what the policies of a chain said. Of several that deny the first gives the reason; of several that ask the first is named as the one who does,
    /// and all their questions are put as one.
    pub fn of(answers: Vec<Answer>, default: Default) -> Ruling {
        let mut ruling = Ruling {
            number: 0,
            outcome: Outcome::Allow,
            grants: Vec::new(),
            drop_env: Vec::new(),
            time_limit: None,
            output_limit: None,
        };
        let mut strictest: Option<Answer> = None;
        let mut more_questions = String::new();
        for mut answer in answers {
            if let Some(narrowing) = answer.verdict.narrowing.take() {
                ruling.narrow(narrowing);
            }
            let stricter = match &strictest {
                None => severity(&answer.verdict.decision) > 0,
                Some(one) => severity(&answer.verdict.decision) > severity(&one.verdict.decision),
            };
            if stricter {
                strictest = Some(answer);
            } else if let Decision::Ask { prompt } = &answer.verdict.decision {
                more_questions.push_str(&asks_too(
                    &answer.policy,
                    answer.verdict.rule.as_deref(),
                    prompt,
                ));
            }
        }
        ruling.outcome = match strictest {
            Some(answer) => outcome(answer, default),
            None => by_default(default),
        };
        if let Outcome::Ask(to) = &mut ruling.outcome {
            to.prompt.push_str(&more_questions);
        }
        ruling.drop_env.sort_unstable();
        ruling.drop_env.dedup();
        ruling
    }

    /// Nothing is made smaller.
    pub fn is_whole(&self) -> bool {
        self.grants.is_empty()
            && self.drop_env.is_empty()
            && self.time_limit.is_none()
            && self.output_limit.is_none()
    }

    fn narrow(&mut self, narrowing: Narrowing) {
        let list = narrowing.grant;
        self.grants
            .extend(list.map(|list| list.into_iter().map(Into::into).collect()));
        self.drop_env.extend(narrowing.drop_env);
        self.time_limit = self
            .time_limit
            .into_iter()
            .chain(narrowing.time_limit)
            .min();
        self.output_limit = self
            .output_limit
            .into_iter()
            .chain(narrowing.output_limit)
            .min();
    }
}

/// The question of one more policy, behind the first one's.
fn asks_too(policy: &str, rule: Option<&str>, prompt: &str) -> String {
    let rule = rule
        .map(|rule| format!(" (rule {rule})"))
        .unwrap_or_default();
    format!(" Policy \"{policy}\"{rule} asks, too: {prompt}")
}

fn severity(decision: &Decision) -> u8 {
    match decision {
        Decision::Abstain => 0,
        Decision::Allow => 1,
        Decision::Ask { .. } => 2,
        Decision::Deny { .. } => 3,
    }
}

fn outcome(answer: Answer, default: Default) -> Outcome {
    let policy = Some(answer.policy);
    let rule = answer.verdict.rule;
    match answer.verdict.decision {
        Decision::Abstain => by_default(default),
        Decision::Allow => Outcome::Allow,
        Decision::Ask { prompt } => Outcome::Ask(Consent {
            policy,
            prompt,
            rule,
        }),
        Decision::Deny { reason } => Outcome::Deny {
            policy,
            reason,
            rule,
        },
    }
}

fn by_default(default: Default) -> Outcome {
    match default {
        Default::Allow => Outcome::Allow,
        Default::Deny => Outcome::Deny {
            policy: None,
            reason: "no policy allows it, and what no policy allows is denied here".to_owned(),
            rule: None,
        },
        Default::Ask => Outcome::Ask(Consent {
            policy: None,
            prompt: "no policy has an opinion on this: may it be done?".to_owned(),
            rule: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(policy: &str, decision: Decision) -> Answer {
        Answer {
            policy: policy.to_owned(),
            verdict: decision.into(),
        }
    }

    fn ask(prompt: &str) -> Decision {
        Decision::Ask {
            prompt: prompt.to_owned(),
        }
    }

    #[test]
    fn who_agrees_was_asked_all_questions() {
        let mut third = answer("third", ask("And now?"));
        third.verdict.rule = Some("r3".to_owned());
        let answers = [
            answer("zero", Decision::Allow),
            answer("first", ask("May it?")),
            answer("second", ask("Really?")),
            third,
        ];
        let ruling = Ruling::of(answers.to_vec(), Default::Deny);
        let Outcome::Ask(to) = ruling.outcome else {
            panic!("asks: {ruling:?}");
        };
        assert_eq!((to.policy.as_deref(), to.rule), (Some("first"), None));
        assert_eq!(
            to.prompt,
            r#"May it? Policy "second" asks, too: Really? Policy "third" (rule r3) asks, too: And now?"#
        );
    }

    #[test]
    fn where_one_denies_nobody_is_asked_anything() {
        let no = Decision::Deny {
            reason: "no".to_owned(),
        };
        let answers = [
            answer("a", ask("1")),
            answer("b", ask("2")),
            answer("c", no),
        ];
        let ruling = Ruling::of(answers.to_vec(), Default::Allow);
        let denied = Outcome::Deny {
            policy: Some("c".to_owned()),
            reason: "no".to_owned(),
            rule: None,
        };
        assert_eq!(ruling.outcome, denied);
    }
}
