//! How the end of a websocket that broke the rules is told to its peer (RFC 6455, 7.1.7 and 7.4.1).

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// What to say to a peer whose frames made this error; None where nobody is there to hear it, or nobody broke a rule.
pub fn violation(error: &Error) -> Option<CloseFrame> {
    let (code, reason) = match error {
        // It is gone, or was about to go.
        Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::SendAfterClosing
            | ProtocolError::ReceivedAfterClosing,
        ) => return None,
        Error::Protocol(_) => (CloseCode::Protocol, "a frame breaks RFC 6455"),
        Error::Utf8(_) => (CloseCode::Invalid, "a text is not UTF-8"),
        Error::Capacity(_) => (CloseCode::Size, "a message is too large"),
        _ => return None,
    };
    Some(CloseFrame {
        code,
        reason: reason.into(),
    })
}
