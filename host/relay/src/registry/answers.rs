//! What can be made of an answer that is no success.

use std::time::Duration;

use tokio_tungstenite::tungstenite::http::HeaderMap;

use super::ErrorBody;
use crate::limits;

/// What a refusal says: its message, else the beginning of its body, with nothing in it that moves a terminal's cursor.
pub(crate) fn preview(body: &[u8]) -> String {
    let message = serde_json::from_slice::<ErrorBody>(body)
        .ok()
        .and_then(|body| body.error.message)
        .filter(|message| !message.trim().is_empty());
    let text = message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    text.trim()
        .chars()
        .take(limits::PREVIEW)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The code of a refusal, if it says one.
pub(super) fn code(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<ErrorBody>(body)
        .ok()
        .and_then(|body| body.error.code)
}

/// `Retry-After` in seconds. A date is not understood: what it means depends on two clocks.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_previewed() {
        assert_eq!(
            preview(br#"{"error":{"code":"x","message":"no such token"}}"#),
            "no such token"
        );
        assert_eq!(code(br#"{"error":{"code":"x"}}"#).as_deref(), Some("x"));
        assert_eq!(preview(b"  <html>\x1b[2J\r\n"), "<html> [2J");
        assert_eq!(
            preview("ä".repeat(5_000).as_bytes()).chars().count(),
            limits::PREVIEW
        );
    }
}
