//! How refusals are told. Whoever reads them is often a program that decides what to try next: they say who refuses, why, and what
//! would help. Always -32600: a fallback on another method would meet the same policy.

use lockgate_policy_gate::Consent;

use super::approvals::Said;
use crate::failure::Failure;

/// A policy, or the operator's default, denies.
pub(super) fn denied(policy: Option<&str>, reason: &str, rule: Option<&str>) -> Failure {
    Failure::invalid_request(format!(
        "{} denies this: {reason}{}",
        who(policy),
        by_rule(rule)
    ))
}

/// Somebody would have had to agree, and did not.
pub(super) fn not_agreed(to: &Consent, said: &Said) -> Failure {
    let Consent {
        policy,
        prompt,
        rule,
    } = to;
    let (who, rule) = (who(policy.as_deref()), by_rule(rule.as_deref()));
    let said = match said {
        Said::Agreed => "was agreed to".to_owned(),
        Said::Refused(None) => "was answered with no".to_owned(),
        Said::Refused(Some(reason)) => format!("was answered with no: {reason}"),
        Said::NoAnswer(what) => format!("got no answer from the client: {what}"),
        Said::Nobody(patience) => {
            format!("was not answered by anybody within {} s", patience.as_secs())
        }
        Said::NobodyToAsk => "can be put to nobody here. Whoever uses `lockgate exec`, `shell` or `fs` can answer it at a terminal; a client \
             of its own answers `lockgate/approval/request`, and says so in `initialize` by \"lockgate\":{\"approvals\":true}"
            .to_owned(),
        Said::TooMany => {
            "was not put to anybody: too many questions of this connection wait for an answer".to_owned()
        }
        Said::Gone => "was not answered before the connection was gone".to_owned(),
    };
    Failure::invalid_request(format!(
        "{who}{rule} lets this be done only if somebody agrees: {prompt} This question {said}"
    ))
}

/// The capability gate refuses, and a policy is among those who told it what to allow.
pub(super) fn in_part(mut failure: Failure) -> Failure {
    failure.message.push_str(
        "; the operator's policies leave only a part of the files to this request, and may be why",
    );
    failure
}

/// The request restricts nothing, and was refused something all the same.
pub(super) fn own(mut failure: Failure) -> Failure {
    failure.message.push_str(
        "; no request may change this executor's own files (its configuration, policies and what they read, their log, its caches) or the names \
         that lead there, nor a file that stands for something of the kernel, and this may be why",
    );
    failure
}

/// More than a policy lets anybody read.
pub(super) fn too_much_read(limit: u64) -> Failure {
    Failure::invalid_request(format!(
        "a policy allows at most {limit} bytes to be read here, and there are more"
    ))
}

fn who(policy: Option<&str>) -> String {
    match policy {
        Some(policy) => format!("policy \"{policy}\""),
        None => "the operator's default".to_owned(),
    }
}

fn by_rule(rule: Option<&str>) -> String {
    rule.map(|rule| format!(" (rule {rule})"))
        .unwrap_or_default()
}
