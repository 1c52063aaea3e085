//! Who comes in: by path and bearer token, from the head of a request alone.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Request, Response, StatusCode};

use super::{Answer, PATH};
use crate::face::limits;

/// What clients must bring as `Authorization: Bearer …`.
pub struct Token(String);

/// Why a text is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It could be guessed.
    #[error("the token has {length} characters; at least {least} are needed, such as `openssl rand -hex 32` prints", least = limits::TOKEN_CHARACTERS)]
    TooShort {
        /// Its own.
        length: usize,
    },
    /// It cannot stand in a header.
    #[error(
        "the token has characters other than printable ASCII without spaces, which no header can carry"
    )]
    Characters,
}

impl Token {
    /// From a text, without the white space around it.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Characters);
        }
        if text.len() < limits::TOKEN_CHARACTERS {
            return Err(TokenError::TooShort { length: text.len() });
        }
        Ok(Token(text.to_owned()))
    }

    /// Takes as long whatever is wrong.
    fn is(&self, other: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let pairs = own.iter().zip(other);
        own.len() == other.len() && pairs.fold(0, |all, (one, other)| all | (one ^ other)) == 0
    }
}

/// Without what it says.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

pub(super) struct Door {
    token: Option<Token>,
}

impl Door {
    pub(super) fn new(token: Option<Token>) -> Door {
        Door { token }
    }

    /// What a request is sent away with, if it is.
    pub(super) fn refuses<B>(&self, request: &Request<B>) -> Option<Answer> {
        if let Some(token) = &self.token
            && !brings(request.headers(), token)
        {
            let mut refusal = plain(
                StatusCode::UNAUTHORIZED,
                "a bearer token is needed: Authorization: Bearer …\n",
            );
            let scheme = hyper::header::HeaderValue::from_static("Bearer");
            refusal.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            return Some(closing(refusal));
        }
        match request.uri().path() {
            PATH => None,
            _ => Some(plain(
                StatusCode::NOT_FOUND,
                "there is nothing here; MCP is at /mcp\n",
            )),
        }
    }
}

/// Exactly one header, with exactly this token.
fn brings(headers: &HeaderMap, token: &Token) -> bool {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return false;
    };
    let value = value.as_bytes();
    let scheme = b"bearer ";
    value.len() > scheme.len()
        && value[..scheme.len()].eq_ignore_ascii_case(scheme)
        && token.is(value[scheme.len()..].trim_ascii())
}

pub(super) fn too_many_sessions() -> Answer {
    let mut refusal = plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many sessions are open; end one (DELETE) or try again later\n",
    );
    let later = hyper::header::HeaderValue::from_static("30");
    refusal.headers_mut().insert(RETRY_AFTER, later);
    refusal
}

/// There is no place for the connection, and it ends.
pub(super) fn too_many_connections() -> Answer {
    closing(plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many connections are open; close some or try again later\n",
    ))
}

/// A body is larger than any message.
pub(super) fn too_much() -> Answer {
    closing(plain(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the message is too long: 16 MiB are taken at most; give less at once\n",
    ))
}

/// A body did not come whole, or not in its time.
pub(super) fn no_body() -> Answer {
    closing(plain(
        StatusCode::REQUEST_TIMEOUT,
        "the message did not come whole, or not in its time\n",
    ))
}

/// A session that has ended, or never was.
pub(super) fn no_session() -> Answer {
    plain(
        StatusCode::NOT_FOUND,
        "there is no session of that name; begin another one by `initialize`\n",
    )
}

/// Nothing of what came has an answer.
pub(super) fn accepted() -> Answer {
    plain(StatusCode::ACCEPTED, "")
}

/// Ends the connection: places are for those who may come in.
fn closing(mut refusal: Answer) -> Answer {
    let close = hyper::header::HeaderValue::from_static("close");
    refusal.headers_mut().insert(CONNECTION, close);
    refusal
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0123456789abcdef";

    fn refused(path: &str, headers: &[&str]) -> Option<StatusCode> {
        let door = Door::new(Some(Token::parse(GOOD).expect("a token")));
        let mut request = Request::builder().uri(path);
        for value in headers {
            request = request.header(AUTHORIZATION, *value);
        }
        let request = request.body(()).expect("a request");
        door.refuses(&request).map(|refusal| refusal.status())
    }

    #[test]
    fn attack_29_only_the_whole_token_in_one_header_opens() {
        let good = format!("Bearer {GOOD}");
        assert_eq!(refused("/mcp", &[&good]), None);
        assert_eq!(refused("/mcp", &[&format!("bearer  {GOOD}")]), None);
        for headers in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer 0123456789abcde"],
            &["Bearer 0123456789abcdeff"],
            &["Bearer 0123456789abcdeF"],
            &["Basic 0123456789abcdef"],
            &["0123456789abcdef"],
            &[&good, &good],
            &["Bearer \u{e4}123456789abcdef"],
        ] {
            assert_eq!(
                refused("/mcp", headers),
                Some(StatusCode::UNAUTHORIZED),
                "{headers:?}"
            );
        }
        assert_eq!(
            refused(&format!("/mcp?token={GOOD}"), &[]),
            Some(StatusCode::UNAUTHORIZED)
        );
        assert_eq!(
            refused("/", &[]),
            Some(StatusCode::UNAUTHORIZED),
            "who has no token learns nothing"
        );
        for path in ["/", "/mcp/", "/mcp/..", "//mcp", "/MCP", "/readyz"] {
            assert_eq!(
                refused(path, &[&good]),
                Some(StatusCode::NOT_FOUND),
                "{path}"
            );
        }
    }

    #[test]
    fn a_token_that_can_be_guessed_or_not_be_sent_is_none() {
        assert!(Token::parse("0123456789abcde").is_err());
        assert!(Token::parse("0123456789abcdef 0123456789abcdef").is_err());
        assert!(Token::parse("0123456789äbcdef").is_err());
        let token = Token::parse("  0123456789abcdef\n").expect("a token");
        assert_eq!(format!("{token:?}"), "Token");
    }
}
