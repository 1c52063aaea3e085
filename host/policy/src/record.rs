//! A line of the decision log: what it has of a decision, and what it leaves out.
//!
//! A log is read by more people than may see what it is about. So it has no contents, no values of headers or of environment variables (policies
//! never see these), nothing of what is written to a process, and of a URL, also in the words of a command, neither user name and password nor the
//! query ([`crate::logged_url`]).

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::action::{Action, ProcessStart, ProcessWrite, Subject};
use crate::chain::{Consent, Outcome, Ruling};
use crate::error::Failure;
use crate::limits;
use crate::logged_narrowing::LoggedNarrowing;
use crate::logged_url;
use crate::policy::Policy;
use crate::printable::printable_json;
use crate::shortened::shortened;
use crate::timestamp::Timestamp;
use crate::verdict::{Decision, Verdict};

/// What one policy of the chain answered, as the log has it.
#[derive(Serialize)]
pub(crate) struct AnswerRecord<'a> {
    policy: &'a str,
    version: String,
    digest: String,
    #[serde(flatten)]
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// What it leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    narrowing: Option<LoggedNarrowing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
    /// What went wrong, if the policy did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    micros: u64,
}

impl<'a> AnswerRecord<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        verdict: &Verdict,
        failure: Option<&Failure>,
        took: Duration,
    ) -> AnswerRecord<'a> {
        AnswerRecord {
            policy: policy.name(),
            version: policy.version().to_string(),
            digest: policy.digest().to_string(),
            decision: worded(&verdict.decision),
            rule: verdict.rule.clone(),
            narrowing: LoggedNarrowing::of(verdict),
            // A value and not the text itself: there may be line breaks in it.
            details: verdict.details.as_deref().map(|details| {
                // It was checked by the same reader (`reply`).
                let value = serde_json::from_str(details);
                without_urls(value.unwrap_or_else(|_| Value::String(details.to_owned())))
            }),
            failure: failure.map(Failure::to_string),
            micros: micros(took),
        }
    }
}

/// What all lines have, and then what is this line's own.
#[derive(Serialize)]
struct Line<'a, Rest> {
    event: &'static str,
    time: Timestamp,
    number: u64,
    #[serde(flatten)]
    subject: &'a Subject,
    action: Logged<'a>,
    #[serde(flatten)]
    outcome: Said<'a>,
    #[serde(flatten)]
    rest: Rest,
}

/// The line of a decision.
pub(crate) fn decision(
    time: Timestamp,
    subject: &Subject,
    action: &Action,
    ruling: &Ruling,
    answers: &[AnswerRecord<'_>],
    took: Duration,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Decided<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        narrowing: Option<Narrowed<'a>>,
        micros: u64,
        answers: &'a [AnswerRecord<'a>],
    }
    line(action, |action| Line {
        event: "decision",
        time,
        number: ruling.number,
        subject,
        action,
        outcome: Said(&ruling.outcome),
        rest: Decided {
            narrowing: is_narrowed(ruling).then_some(Narrowed(ruling)),
            micros: micros(took),
            answers,
        },
    })
}

/// The line of what came of an ask.
pub(crate) fn answer(
    time: Timestamp,
    subject: &Subject,
    action: &Action,
    ruling: &Ruling,
    approved: bool,
    by: &str,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Answered<'a> {
        approved: bool,
        by: &'a str,
    }
    line(action, |action| Line {
        event: "answer",
        time,
        number: ruling.number,
        subject,
        action,
        outcome: Said(&ruling.outcome),
        rest: Answered { approved, by },
    })
}

/// Encodes a line; with a shorter action where it would be too long.
fn line<'a, Line: Serialize>(action: &'a Action, with: impl Fn(Logged<'a>) -> Line) -> Vec<u8> {
    let encode = |logged| {
        // Types that cannot fail: no map with other keys than strings, no writer that fails.
        let json = serde_json::to_string(&with(logged)).unwrap_or_default();
        let mut line = printable_json(&json).into_owned();
        line.push('\n');
        line.into_bytes()
    };
    let whole = encode(Logged::Whole(action));
    match whole.len() <= limits::DECISION_LINE_BYTES {
        true => whole,
        false => encode(Logged::Cut(action)),
    }
}

/// An action as it may be logged.
enum Logged<'a> {
    Whole(&'a Action),
    /// Of long texts and lists in it only a part, and how many bytes are left out.
    Cut(&'a Action),
}

impl Serialize for Logged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Http<'a> {
            kind: &'static str,
            method: &'a str,
            url: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            query: Option<&'static str>,
            host: &'a str,
            port: u16,
            header_names: &'a [String],
            hop: u32,
        }
        match *self {
            Logged::Whole(Action::Http(request)) => {
                let (url, query) = logged_url::of_request(&request.url);
                let http = Http {
                    kind: "http",
                    method: &request.method,
                    url,
                    query: query.then_some("removed"),
                    host: &request.host,
                    port: request.port,
                    header_names: &request.header_names,
                    hop: request.hop,
                };
                http.serialize(serializer)
            }
            Logged::Whole(Action::ProcessStart(start)) => {
                let word = |word: &String| logged_url::in_word(word).into_owned();
                let argv = start.argv.iter().map(word).collect();
                let start = start.clone();
                Action::ProcessStart(ProcessStart { argv, ..start }).serialize(serializer)
            }
            Logged::Whole(Action::ProcessWrite(write)) => {
                let write = ProcessWrite {
                    process: write.process.clone(),
                    argv0: logged_url::in_word(&write.argv0).into_owned(),
                    tty: write.tty,
                    data: Vec::new(),
                };
                Action::ProcessWrite(write).serialize(serializer)
            }
            Logged::Whole(action) => action.serialize(serializer),
            Logged::Cut(action) => {
                // Nothing in it that cannot be encoded, as in `line`.
                let whole = serde_json::to_value(Logged::Whole(action)).unwrap_or_default();
                let bytes = whole.to_string().len();
                let mut cut = shortened(whole);
                let left_out = bytes.saturating_sub(cut.to_string().len());
                if let Some(members) = cut.as_object_mut() {
                    members.insert("left_out_bytes".to_owned(), left_out.into());
                }
                cut.serialize(serializer)
            }
        }
    }
}

/// A decision in a policy's words, in which it may quote what it was shown.
fn worded(decision: &Decision) -> Decision {
    let text = |text: &String| logged_url::in_word(text).into_owned();
    match decision {
        Decision::Allow => Decision::Allow,
        Decision::Deny { reason } => Decision::Deny {
            reason: text(reason),
        },
        Decision::Ask { prompt } => Decision::Ask {
            prompt: text(prompt),
        },
        Decision::Abstain => Decision::Abstain,
    }
}

/// Likewise. A text that was parsed is not nested too deeply for this.
fn without_urls(details: Value) -> Value {
    match details {
        Value::String(text) => Value::String(logged_url::in_word(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(without_urls).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, without_urls(value)))
            .collect(),
        other => other,
    }
}

/// Whether there is anything left that is made smaller.
fn is_narrowed(ruling: &Ruling) -> bool {
    !ruling.is_whole() && !matches!(ruling.outcome, Outcome::Deny { .. })
}

/// What was decided, and by whom.
struct Said<'a>(&'a Outcome);

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (decision, text, policy, rule) = match self.0 {
            Outcome::Allow => ("allow", None, None, None),
            Outcome::Deny {
                policy,
                reason,
                rule,
            } => (
                "deny",
                Some(("reason", reason)),
                policy.as_ref(),
                rule.as_ref(),
            ),
            Outcome::Ask(Consent {
                policy,
                prompt,
                rule,
            }) => (
                "ask",
                Some(("prompt", prompt)),
                policy.as_ref(),
                rule.as_ref(),
            ),
        };
        map.serialize_entry("decision", decision)?;
        if let Some(policy) = policy {
            map.serialize_entry("policy", policy)?;
        }
        if let Some((key, text)) = text {
            map.serialize_entry(key, &logged_url::in_word(text))?;
        }
        if let Some(rule) = rule {
            map.serialize_entry("rule", rule)?;
        }
        map.end()
    }
}

/// How much smaller it became: grants are counted, and are with the answers; the rest is short.
struct Narrowed<'a>(&'a Ruling);

impl Serialize for Narrowed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ruling = self.0;
        let mut map = serializer.serialize_map(None)?;
        if !ruling.grants.is_empty() {
            let entries: Vec<usize> = ruling.grants.iter().map(Vec::len).collect();
            map.serialize_entry("grant_entries", &entries)?;
        }
        if !ruling.drop_env.is_empty() {
            map.serialize_entry("drop_env", &ruling.drop_env)?;
        }
        if let Some(limit) = ruling.time_limit {
            map.serialize_entry("time_limit", &limit)?;
        }
        if let Some(limit) = ruling.output_limit {
            map.serialize_entry("output_limit", &limit)?;
        }
        map.end()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
