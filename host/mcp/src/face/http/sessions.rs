//! The sessions of the HTTP server: the SDK's, up to a number.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::Stream;
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use rmcp::model::{
    ClientJsonRpcMessage, JsonRpcMessage, ProtocolVersion, ServerJsonRpcMessage, ServerResult,
};
use rmcp::transport::common::server_side_http::{ServerSseMessage, SessionId};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};

use super::roster::Roster;
use crate::face::limits;

pub(super) struct Sessions {
    all: LocalSessionManager,
    /// When each was last heard of.
    heard: Mutex<HashMap<SessionId, Instant>>,
    /// The protocol's version that each has settled on.
    versions: Mutex<HashMap<SessionId, ProtocolVersion>>,
    roster: Roster,
}

impl Sessions {
    /// Each ends when it was `idle` for so long.
    pub(super) fn new(roster: Roster, idle: Duration) -> Sessions {
        let mut all = LocalSessionManager::default();
        all.session_config.keep_alive = Some(idle);
        all.session_config.init_timeout = Some(limits::REQUEST_HEAD);
        Sessions {
            all,
            heard: Mutex::default(),
            versions: Mutex::default(),
            roster,
        }
    }

    /// Whether a request is the first one of a session. Later ones name theirs; since 2026-07-28 there are none.
    pub(super) fn would_begin<B>(&self, request: &Request<B>) -> bool {
        let header = |headers: &HeaderMap, name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let headers = request.headers();
        let version = header(headers, "mcp-protocol-version");
        let has_none = version
            .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str());
        request.method() == Method::POST && header(headers, "mcp-session-id").is_none() && !has_none
    }

    /// Whether there is no place for another one, also if the one that has been silent longest gives way. One that does something does not: who waits for a
    /// command is silent.
    pub(super) async fn are_full(&self) -> bool {
        let open = self.all.sessions.read().await;
        if open.len() < limits::SESSIONS {
            return false;
        }
        let silent = {
            let mut heard = self.heard();
            heard.retain(|session, _| open.contains_key(session));
            gives_way(&heard, Instant::now(), |session| {
                self.roster.is_busy(session)
            })
        };
        drop(open);
        match silent {
            Some(session) => {
                // Fails where it has ended meanwhile.
                let _ = self.close_session(&session).await;
                false
            }
            None => true,
        }
    }

    /// The protocol's version in the session of that name, if there is one.
    pub(super) fn version(&self, name: &str) -> Option<ProtocolVersion> {
        self.versions().get(name).cloned()
    }

    fn versions(&self) -> MutexGuard<'_, HashMap<SessionId, ProtocolVersion>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<SessionId, Instant>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message of it has come.
    fn hears(&self, session: &SessionId) {
        if let Some(heard) = self.heard().get_mut(session) {
            *heard = Instant::now();
        }
    }

    /// Ends all of them.
    pub(super) async fn close(&self) {
        let all: Vec<_> = self.all.sessions.read().await.keys().cloned().collect();
        for session in all {
            // Fails where it has ended meanwhile.
            let _ = self.close_session(&session).await;
        }
    }
}

/// The one that has been silent longest of those that do nothing, if that is long enough.
fn gives_way(
    heard: &HashMap<SessionId, Instant>,
    now: Instant,
    is_busy: impl Fn(&SessionId) -> bool,
) -> Option<SessionId> {
    let silent = heard
        .iter()
        .filter(|(_, last)| now.duration_since(**last) >= limits::SESSION_YIELDS);
    let idle = silent.filter(|(session, _)| !is_busy(session));
    let (session, _) = idle.min_by_key(|(_, last)| **last)?;
    Some(session.clone())
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        // Between the look at the door and here others may have come.
        if self.are_full().await {
            let reason = io::Error::other("too many sessions are open");
            return Err(LocalSessionManagerError::SessionError(reason.into()));
        }
        let (session, transport) = self.all.create_session().await?;
        self.heard().insert(session.clone(), Instant::now());
        Ok((session, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        let answer = self.all.initialize_session(id, message).await?;
        if let JsonRpcMessage::Response(response) = &answer
            && let ServerResult::InitializeResult(begun) = &response.result
        {
            let version = begun.protocol_version.clone();
            self.versions().insert(id.clone(), version);
        }
        Ok(answer)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.all.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.heard().remove(id);
        self.versions().remove(id);
        self.all.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.hears(id);
        self.all.create_stream(id, message).await
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        self.hears(id);
        self.all.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.hears(id);
        self.all.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.all.resume(id, last_event_id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_gives_way_only_after_a_long_silence_in_which_it_does_nothing() {
        let now = Instant::now() + 2 * limits::SESSION_YIELDS;
        let silent_for = |share: u32| now - limits::SESSION_YIELDS * share / 10;
        let heard = |of: &[(&str, u32)]| {
            let of = of
                .iter()
                .map(|(name, share)| (SessionId::from(*name), silent_for(*share)));
            gives_way(&of.collect(), now, |session| session.starts_with("busy"))
        };
        assert_eq!(heard(&[]), None);
        assert_eq!(heard(&[("a", 3), ("b", 9)]), None);
        assert_eq!(
            heard(&[("a", 12), ("b", 15), ("c", 1)]).as_deref(),
            Some("b")
        );
        // A command may run for long without a word.
        assert_eq!(heard(&[("busy", 20)]), None);
        assert_eq!(heard(&[("busy", 20), ("b", 12)]).as_deref(), Some("b"));
    }
}
