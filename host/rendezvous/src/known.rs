//! What a rendezvous knows: the key that signs URLs, and the tokens. It comes from a file, or from the registry that several nodes share.

use std::collections::HashMap;

use crate::token::{Token, digest};

/// As it was last heard.
#[derive(Debug, Default)]
pub struct Known {
    key: Vec<u8>,
    /// By digest.
    tokens: HashMap<String, Token>,
    /// Something may have been said since that could not be heard.
    is_stale: bool,
}

impl Known {
    /// The key that signs URLs.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn set_key(&mut self, key: Vec<u8>) {
        self.key = key;
    }

    /// Whether all that is written is known here. If not, nobody new may be let in: it may be a revocation.
    pub(crate) fn is_current(&self) -> bool {
        !self.is_stale
    }

    pub(crate) fn set_current(&mut self, is_current: bool) {
        self.is_stale = !is_current;
    }

    /// What is known of a token. It is looked for by its digest: how long that takes may depend on how much of the digest is right, of which no guesser can
    /// choose a byte.
    pub(crate) fn find(&self, token: &str) -> Option<&Token> {
        self.tokens.get(&digest(token))
    }

    /// The token of that name.
    pub(crate) fn named(&self, id: &str) -> Option<&Token> {
        self.tokens.values().find(|token| token.id == id)
    }

    pub(crate) fn insert(&mut self, token: Token) {
        self.tokens.insert(token.sha256.clone(), token);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.tokens.retain(|_, token| token.id != id);
    }

    /// All tokens, the oldest first.
    pub fn tokens(&self) -> Vec<&Token> {
        let mut tokens: Vec<_> = self.tokens.values().collect();
        tokens.sort_by_key(|token| (token.created, token.id.clone()));
        tokens
    }
}
