//! What is written in the shared registry, and how it is read.

use async_nats::jetstream::kv::{self, Operation};
use lockgate_relay::noise::PublicKeys;
use lockgate_relay::registry::EnvironmentId;
use serde::{Deserialize, Serialize};

use super::NodeId;
use super::bucket::ClusterError;
use crate::hex::unhex;
use crate::token::Token;

/// What signs URLs.
#[derive(Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) version: u32,
    pub(super) key: String,
}

/// Where an executor is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connected {
    /// To which node.
    pub(crate) node: NodeId,
    /// In seconds since 1970.
    pub(crate) since: u64,
    /// Its registration and keys, if its streams are encrypted.
    pub(crate) registration: Option<(String, PublicKeys)>,
}

/// Who is about to connect.
#[derive(Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) environment: String,
    pub(super) keys: PublicKeys,
}

/// What was written.
#[derive(Debug)]
pub(crate) enum Change {
    Key(Vec<u8>),
    Token(Token),
    /// Or it makes no sense here, and so is worth nothing here.
    Revoked(String),
    Connected(EnvironmentId, Connected),
    Left(EnvironmentId),
    /// A node is there, and says so for that time.
    Pulse(NodeId, u64),
    /// A node has ended.
    Ended(NodeId),
    /// What this version does not know.
    Unknown,
}

/// One change, and its place in the order of all.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) revision: u64,
    /// What was written before this was opened has come with this one.
    pub(crate) is_latest: bool,
    pub(crate) change: Change,
}

pub(super) fn json(value: &impl Serialize) -> bytes::Bytes {
    // Our own types can be written.
    serde_json::to_vec(value).unwrap_or_default().into()
}

pub(super) fn parsed<T: for<'a> Deserialize<'a>>(
    key: &str,
    value: &[u8],
) -> Result<T, ClusterError> {
    serde_json::from_slice(value).map_err(|error| ClusterError::Entry {
        key: key.to_owned(),
        reason: error.to_string(),
    })
}

pub(super) fn read_key(value: &[u8]) -> Result<Vec<u8>, ClusterError> {
    let wrong = |reason: &str| ClusterError::Entry {
        key: "key".to_owned(),
        reason: reason.to_owned(),
    };
    let key: Key = parsed("key", value)?;
    if key.version != 1 {
        return Err(wrong("its version is not known here"));
    }
    unhex(&key.key).ok_or_else(|| wrong("it is no hex"))
}

/// What does not concern who may be let in is passed over where it makes no sense; a token that makes none is worth nothing.
pub(super) fn read(entry: &kv::Entry) -> Result<Change, ClusterError> {
    let is_there = entry.operation == Operation::Put;
    let key = entry.key.as_str();
    let pass_over = |error: &dyn std::fmt::Display| {
        tracing::error!("the registry on NATS, {key}: {error}; it is passed over");
        Change::Unknown
    };
    if let Some(id) = key.strip_prefix("token.") {
        let token = is_there.then(|| parsed::<Token>(key, &entry.value));
        return Ok(match token {
            Some(Ok(token)) if token.id == id => Change::Token(token),
            Some(wrong) => {
                let error = wrong.err().map_or_else(
                    || "its id is another one".to_owned(),
                    |error| error.to_string(),
                );
                tracing::error!("the registry on NATS, {key}: {error}; it is worth nothing here");
                Change::Revoked(id.to_owned())
            }
            None => Change::Revoked(id.to_owned()),
        });
    }
    if let Some(id) = key.strip_prefix("environment.") {
        let id: EnvironmentId = match id.parse() {
            Ok(id) => id,
            Err(error) => return Ok(pass_over(&error)),
        };
        return Ok(match is_there.then(|| parsed(key, &entry.value)) {
            Some(Ok(connected)) => Change::Connected(id, connected),
            Some(Err(error)) => pass_over(&error),
            None => Change::Left(id),
        });
    }
    if let Some(node) = key.strip_prefix("node.") {
        let number = std::str::from_utf8(&entry.value)
            .ok()
            .and_then(|text| text.parse().ok());
        return Ok(match number {
            Some(number) if is_there => Change::Pulse(node.to_owned(), number),
            _ => Change::Ended(node.to_owned()),
        });
    }
    match key {
        "key" if is_there => read_key(&entry.value).map(Change::Key),
        "key" => Err(ClusterError::Entry {
            key: key.to_owned(),
            reason: "it was removed; every URL was signed with it".to_owned(),
        }),
        // Of a later version.
        _ => Ok(Change::Unknown),
    }
}
