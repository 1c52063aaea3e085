//! What a policy answers. The Rust side of `wit/policy/types.wit`, which says what each member means.
#![allow(
    missing_docs,
    reason = "wit/policy/types.wit documents each member, for authors in every language"
)]

use lockgate_grant::narrowing;
use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift};

use crate::action::{Access, ActionKind};

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    Allow,
    Deny { reason: String },
    Ask { prompt: String },
    Abstain,
}

/// What a narrowed grant allows at a path and below.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lift)]
#[serde(deny_unknown_fields)]
#[component(record)]
pub struct GrantEntry {
    pub path: String,
    /// None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
}

impl From<Access> for narrowing::Access {
    fn from(access: Access) -> Self {
        match access {
            Access::Look => narrowing::Access::Look,
            Access::Read => narrowing::Access::Read,
            Access::Write => narrowing::Access::Write,
        }
    }
}

/// As the capability gate takes it.
impl From<GrantEntry> for narrowing::GrantEntry {
    fn from(entry: GrantEntry) -> Self {
        narrowing::GrantEntry {
            path: entry.path,
            access: entry.access.map(Into::into),
        }
    }
}

/// How what is allowed is made smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ComponentType, Lift)]
#[serde(default, deny_unknown_fields)]
#[component(record)]
pub struct Narrowing {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Vec<GrantEntry>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[component(name = "drop-env")]
    pub drop_env: Vec<String>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[component(name = "time-limit")]
    pub time_limit: Option<u64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[component(name = "output-limit")]
    pub output_limit: Option<u64>,
}

/// An answer of one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    #[serde(flatten)]
    pub decision: Decision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowing: Option<Narrowing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Verdict {
        Verdict {
            decision,
            narrowing: None,
            rule: None,
            details: None,
        }
    }
}

/// What a policy says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub name: String,
    pub version: String,
    pub summary: String,
    pub actions: Vec<ActionKind>,
}
