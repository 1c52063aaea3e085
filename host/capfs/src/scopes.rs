//! The scopes of all sessions, remembered by what their profiles say and what policies leave of them: bounded in number and in bytes,
//! whoever made them.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use lockgate_grant::Sandbox;
use lockgate_grant::narrowing::GrantEntry;

use crate::files::Files;
use crate::limits;

#[derive(Default)]
pub(crate) struct Scopes {
    sessions: HashMap<u64, Session>,
    count: usize,
    bytes: usize,
    clock: u64,
}

/// What a request may do: its profile, if it has one, and the lists of policies that hold beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Request<'a> {
    /// Compared by its pointer first.
    pub(crate) sandbox: Option<&'a Arc<Sandbox>>,
    pub(crate) within: &'a [Vec<GrantEntry>],
}

impl Request<'_> {
    /// It says nothing at all.
    pub(crate) fn is_unrestricted(self) -> bool {
        self.sandbox.is_none() && self.within.is_empty()
    }

    fn keep(self) -> Kept {
        Kept {
            sandbox: self.sandbox.map(Arc::clone),
            within: self.within.into(),
        }
    }

    fn bytes(self) -> usize {
        let entry = |entry: &GrantEntry| size_of::<GrantEntry>() + entry.path.len();
        let list = |list: &Vec<GrantEntry>| {
            size_of::<Vec<GrantEntry>>() + list.iter().map(entry).sum::<usize>()
        };
        self.sandbox.map_or(0, |sandbox| sandbox.bytes())
            + self.within.iter().map(list).sum::<usize>()
    }
}

/// A request's, kept.
struct Kept {
    sandbox: Option<Arc<Sandbox>>,
    within: Box<[Vec<GrantEntry>]>,
}

/// So that what is kept is found without a copy of what is looked for.
trait Asked {
    fn request(&self) -> Request<'_>;
}

impl Asked for Request<'_> {
    fn request(&self) -> Request<'_> {
        *self
    }
}

impl Asked for Kept {
    fn request(&self) -> Request<'_> {
        Request {
            sandbox: self.sandbox.as_ref(),
            within: &self.within,
        }
    }
}

impl<'a> Borrow<dyn Asked + 'a> for Kept {
    fn borrow(&self) -> &(dyn Asked + 'a) {
        self
    }
}

impl PartialEq for dyn Asked + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.request() == other.request()
    }
}

impl Eq for dyn Asked + '_ {}

impl Hash for dyn Asked + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.request().hash(state);
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.request() == other.request()
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.request().hash(state);
    }
}

/// The scopes of one session.
#[derive(Default)]
struct Session {
    /// The one that was used last, apart from the others: mostly it is wanted again, and hashing a profile takes longer than the rest of a look-up.
    latest: Option<(Kept, Opened)>,
    others: HashMap<Kept, Opened>,
}

struct Opened {
    files: Files,
    used: u64,
    /// Of what the request says and of what that grants.
    bytes: usize,
}

impl Scopes {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn find(&mut self, request: Request<'_>, session: u64) -> Option<Files> {
        self.clock += 1;
        let opened = self.sessions.get_mut(&session)?.find(request)?;
        opened.used = self.clock;
        Some(opened.files.clone())
    }

    /// Remembers files for a request. Returns what has to go for it, to be dropped where no lock is held. A profile that is
    /// enormous is not remembered: it is decided anew each time.
    #[must_use]
    pub(crate) fn keep(&mut self, request: Request<'_>, session: u64, files: Files) -> Vec<Files> {
        let granted = match &files {
            Files::Direct => 0,
            Files::Scoped(scope) => scope.grants().bytes(),
        };
        let bytes = request.bytes() + granted;
        if bytes > limits::SCOPE_BYTES {
            return Vec::new();
        }
        let mut gone = Vec::new();
        while self.count >= limits::SCOPES || self.bytes + bytes > limits::SCOPES_BYTES {
            gone.extend(self.evict());
        }
        self.clock += 1;
        let opened = Opened {
            files,
            used: self.clock,
            bytes,
        };
        let former = self
            .sessions
            .entry(session)
            .or_default()
            .insert(request, opened);
        self.count += 1;
        self.bytes += bytes;
        gone.extend(former.map(|former| self.let_go(former)));
        gone
    }

    fn let_go(&mut self, opened: Opened) -> Files {
        self.count -= 1;
        self.bytes -= opened.bytes;
        opened.files
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
        gone.into_iter().map(|opened| self.let_go(opened)).collect()
    }

    #[must_use]
    pub(crate) fn forget(&mut self, session: u64) -> Vec<Files> {
        let scopes = self.sessions.remove(&session).unwrap_or_default();
        let all = scopes.latest.into_iter().chain(scopes.others);
        all.map(|(_, opened)| self.let_go(opened)).collect()
    }
}

impl Session {
    fn find(&mut self, request: Request<'_>) -> Option<&mut Opened> {
        let latest = self.latest.as_ref();
        if latest.is_none_or(|(kept, _)| kept.request() != request) {
            let found = self.others.remove_entry(&request as &dyn Asked)?;
            self.others.extend(self.latest.replace(found));
        }
        self.latest.as_mut().map(|(_, opened)| opened)
    }

    /// Returns what was opened for the same before.
    fn insert(&mut self, request: Request<'_>, opened: Opened) -> Option<Opened> {
        match self.find(request) {
            Some(former) => Some(std::mem::replace(former, opened)),
            None => {
                let latest = (request.keep(), opened);
                self.others.extend(self.latest.replace(latest));
                None
            }
        }
    }

    fn used(&self) -> impl Iterator<Item = u64> {
        let latest = self.latest.iter().map(|(_, opened)| opened);
        latest.chain(self.others.values()).map(|opened| opened.used)
    }

    fn unused_since(&mut self, limit: u64) -> Vec<Opened> {
        let latest = self.latest.take_if(|(_, opened)| opened.used <= limit);
        let others = self.others.extract_if(|_, opened| opened.used <= limit);
        latest
            .into_iter()
            .chain(others)
            .map(|(_, opened)| opened)
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.latest.is_none() && self.others.is_empty()
    }
}
