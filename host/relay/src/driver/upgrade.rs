//! The server's half of a websocket's opening handshake: what a request must have, and what answers it (RFC 6455, 4.2).

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Why a request cannot become a websocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUpgrade {
    /// It does not ask for one.
    #[error("this path speaks websocket")]
    NotAsked,
    /// It asks for another version of the protocol.
    #[error("websocket version 13 is needed")]
    Version,
    /// There is no key.
    #[error("Sec-WebSocket-Key is missing")]
    NoKey,
}

/// `Sec-WebSocket-Accept` for a request with these headers.
///
/// # Errors
/// [`NoUpgrade`].
pub fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, NoUpgrade> {
    if !has_token(headers, &header::CONNECTION, "upgrade")
        || !has_token(headers, &header::UPGRADE, "websocket")
    {
        return Err(NoUpgrade::NotAsked);
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err(NoUpgrade::Version);
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or(NoUpgrade::NoKey)?;
    // Base64 always is a header's value.
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| NoUpgrade::NoKey)
}

/// Whether a comma-separated header holds this token, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        value.to_str().is_ok_and(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        })
    })
}
