//! Tokens: who may be an executor, or a harness, of which environment.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// What a token's bearer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenRole {
    /// Be the executor of the environment.
    Executor,
    /// Connect to it.
    Harness,
    /// Both.
    Both,
}

/// What is known of a token. Not the token: only its digest is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Names it in lists and logs; not secret.
    pub id: String,
    /// SHA-256 of the token, in hex.
    pub sha256: String,
    /// The environment that it is for.
    pub environment: String,
    /// What its bearer may do.
    pub role: TokenRole,
    /// Whose it is: limits are counted by tenant.
    pub tenant: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it stops being good, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl TokenRole {
    /// Whether it includes the other.
    pub fn may_be(self, other: TokenRole) -> bool {
        self == TokenRole::Both || self == other
    }
}

impl fmt::Display for TokenRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenRole::Executor => "executor",
            TokenRole::Harness => "harness",
            TokenRole::Both => "both",
        })
    }
}

impl Token {
    /// With a name, for a secret made of these bytes. The secret is given out once and kept nowhere.
    pub(crate) fn issue(self, random: &[u8]) -> (String, Token) {
        let secret = format!("lockgate_{}", hex(random));
        let sha256 = digest(&secret);
        let id = sha256[..12].to_owned();
        (secret, Token { id, sha256, ..self })
    }

    /// Whether it is not good any more.
    pub fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// The digest by which a token is known.
pub(crate) fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
