//! Which session works under which name: the SDK knows the names, and the sessions what they do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;

use crate::face::session::Session;

/// What carries a session's name.
const NAME: &str = "mcp-session-id";

/// The sessions of a server, by their names.
#[derive(Clone, Default)]
pub(in crate::face) struct Roster(Arc<Mutex<HashMap<String, Weak<Session>>>>);

impl Roster {
    /// A request of a session has come, with the name that the SDK found good.
    pub(in crate::face) fn notes(
        &self,
        session: &Arc<Session>,
        context: &RequestContext<RoleServer>,
    ) {
        let head = context.extensions.get::<Parts>();
        let name = head.and_then(|head| head.headers.get(NAME)?.to_str().ok());
        if let Some(name) = name {
            self.put(name, session);
        }
    }

    fn put(&self, name: &str, session: &Arc<Session>) {
        let mut all = self.all();
        if !all.contains_key(name) {
            // Those that have ended, in whichever way.
            all.retain(|_, session| session.strong_count() > 0);
            all.insert(name.to_owned(), Arc::downgrade(session));
        }
    }

    /// Whether the session of that name does something, heard of or not.
    pub(super) fn is_busy(&self, name: &str) -> bool {
        let session = self.all().get(name).and_then(Weak::upgrade);
        session.is_some_and(|session| session.is_busy())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Weak<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::face::{Access, Commands, Directory, Files};

    #[test]
    fn a_session_is_busy_while_a_call_of_it_runs_and_none_once_it_is_gone() {
        let access = Access {
            files: Files::Everything,
            commands: Commands::No,
            directory: Directory::OfExecutor(PathBuf::new()),
            kept: Vec::new(),
        };
        let connect =
            Arc::new(|_| -> crate::face::Connecting { unreachable!("nothing is called") });
        let session = Arc::new(Session::new(Arc::new(access), connect));
        let roster = Roster::default();
        roster.put("one", &session);
        assert!(!roster.is_busy("one") && !roster.is_busy("other"));
        let seat = Arc::clone(&session.seats).try_acquire_owned();
        assert!(roster.is_busy("one"));
        drop(seat);
        assert!(!roster.is_busy("one"));
        drop(session);
        assert!(!roster.is_busy("one"));
    }
}
