//! The scopes of all sessions, remembered by what their profiles say: bounded in number and in bytes, whoever made them.

use std::collections::HashMap;

use lockgate_grant::Sandbox;

use crate::files::Files;
use crate::limits;

#[derive(Default)]
pub(crate) struct Scopes {
    /// By session, then by profile.
    sessions: HashMap<u64, HashMap<Sandbox, Kept>>,
    count: usize,
    bytes: usize,
    clock: u64,
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

    pub(crate) fn find(&mut self, sandbox: &Sandbox, session: u64) -> Option<Files> {
        self.clock += 1;
        let kept = self.sessions.get_mut(&session)?.get_mut(sandbox)?;
        kept.used = self.clock;
        Some(kept.files.clone())
    }

    /// Remembers files for a profile. Returns what has to go for it, to be dropped where no lock is held. A profile that is
    /// enormous is not remembered: it is decided anew each time.
    #[must_use]
    pub(crate) fn keep(&mut self, sandbox: Sandbox, session: u64, files: Files) -> Vec<Files> {
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
        let mut ages: Vec<u64> = self
            .sessions
            .values()
            .flat_map(HashMap::values)
            .map(|kept| kept.used)
            .collect();
        let eighth = ages.len() / 8;
        let (_, limit, _) = ages.select_nth_unstable(eighth);
        let limit = *limit;
        let mut gone = Vec::new();
        for scopes in self.sessions.values_mut() {
            gone.extend(scopes.extract_if(|_, kept| kept.used <= limit));
        }
        self.sessions.retain(|_, scopes| !scopes.is_empty());
        gone.into_iter()
            .map(|(_, kept)| self.let_go(kept))
            .collect()
    }

    #[must_use]
    pub(crate) fn forget(&mut self, session: u64) -> Vec<Files> {
        let scopes = self.sessions.remove(&session).unwrap_or_default();
        scopes.into_values().map(|kept| self.let_go(kept)).collect()
    }
}
