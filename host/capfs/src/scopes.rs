//! The scopes of all sessions, remembered by what their profiles say: bounded in number and in bytes, whoever made them.

use std::collections::HashMap;
use std::sync::Arc;

use lockgate_grant::Sandbox;

use crate::files::Files;
use crate::limits;

#[derive(Default)]
pub(crate) struct Scopes {
    sessions: HashMap<u64, Session>,
    count: usize,
    bytes: usize,
    clock: u64,
}

/// The scopes of one session.
#[derive(Default)]
struct Session {
    /// The one that was used last, apart from the others: mostly it is wanted again, and hashing a profile takes longer than the rest of a look-up.
    latest: Option<(Arc<Sandbox>, Kept)>,
    others: HashMap<Arc<Sandbox>, Kept>,
}

struct Kept {
    files: Files,
    used: u64,
    /// Of the profile and of what it grants.
    bytes: usize,
}

impl Scopes {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn find(&mut self, sandbox: &Arc<Sandbox>, session: u64) -> Option<Files> {
        self.clock += 1;
        let kept = self.sessions.get_mut(&session)?.find(sandbox)?;
        kept.used = self.clock;
        Some(kept.files.clone())
    }

    /// Remembers files for a profile. Returns what has to go for it, to be dropped where no lock is held. A profile that is
    /// enormous is not remembered: it is decided anew each time.
    #[must_use]
    pub(crate) fn keep(&mut self, sandbox: Arc<Sandbox>, session: u64, files: Files) -> Vec<Files> {
        let granted = match &files {
            Files::Direct => 0,
            Files::Scoped(scope) => scope.grants().bytes(),
        };
        let bytes = sandbox.bytes() + granted;
        if bytes > limits::SCOPE_BYTES {
            return Vec::new();
        }
        let mut gone = Vec::new();
        while self.count >= limits::SCOPES || self.bytes + bytes > limits::SCOPES_BYTES {
            gone.extend(self.evict());
        }
        self.clock += 1;
        let kept = Kept {
            files,
            used: self.clock,
            bytes,
        };
        let former = self
            .sessions
            .entry(session)
            .or_default()
            .insert(sandbox, kept);
        self.count += 1;
        self.bytes += bytes;
        gone.extend(former.map(|former| self.let_go(former)));
        gone
    }

    fn let_go(&mut self, kept: Kept) -> Files {
        self.count -= 1;
        self.bytes -= kept.bytes;
        kept.files
    }

    /// Lets go of the eighth that was used longest ago, so that the search for it is rare.
    fn evict(&mut self) -> Vec<Files> {
        let mut ages: Vec<u64> = self.sessions.values().flat_map(Session::used).collect();
        let eighth = ages.len() / 8;
        let (_, limit, _) = ages.select_nth_unstable(eighth);
        let limit = *limit;
        let mut gone = Vec::new();
        for scopes in self.sessions.values_mut() {
            gone.extend(scopes.unused_since(limit));
        }
        self.sessions.retain(|_, scopes| !scopes.is_empty());
        gone.into_iter().map(|kept| self.let_go(kept)).collect()
    }

    #[must_use]
    pub(crate) fn forget(&mut self, session: u64) -> Vec<Files> {
        let scopes = self.sessions.remove(&session).unwrap_or_default();
        let all = scopes.latest.into_iter().chain(scopes.others);
        all.map(|(_, kept)| self.let_go(kept)).collect()
    }
}

impl Session {
    fn find(&mut self, sandbox: &Arc<Sandbox>) -> Option<&mut Kept> {
        // The pointers are compared first.
        if self.latest.as_ref().is_none_or(|(key, _)| key != sandbox) {
            let found = self.others.remove_entry(sandbox)?;
            self.others.extend(self.latest.replace(found));
        }
        self.latest.as_mut().map(|(_, kept)| kept)
    }

    /// Returns what was kept for the profile before.
    fn insert(&mut self, sandbox: Arc<Sandbox>, kept: Kept) -> Option<Kept> {
        match self.find(&sandbox) {
            Some(former) => Some(std::mem::replace(former, kept)),
            None => {
                self.others.extend(self.latest.replace((sandbox, kept)));
                None
            }
        }
    }

    fn used(&self) -> impl Iterator<Item = u64> {
        let latest = self.latest.iter().map(|(_, kept)| kept);
        latest.chain(self.others.values()).map(|kept| kept.used)
    }

    fn unused_since(&mut self, limit: u64) -> Vec<Kept> {
        let latest = self.latest.take_if(|(_, kept)| kept.used <= limit);
        let others = self.others.extract_if(|_, kept| kept.used <= limit);
        latest
            .into_iter()
            .chain(others)
            .map(|(_, kept)| kept)
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.latest.is_none() && self.others.is_empty()
    }
}
