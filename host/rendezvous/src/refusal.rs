//! What is said to whoever gets nothing: `{"error": {"code", "message"}}`, as executors read it.

use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use lockgate_relay::registry::{ErrorBody, ErrorDetail};

use crate::http::{Reply, json};

/// A refusal.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> Refusal {
        Refusal {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// It may be otherwise in so many seconds.
    pub(crate) fn for_now(self, seconds: u64) -> Refusal {
        Refusal {
            retry_after: Some(seconds),
            ..self
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Response<Full<bytes::Bytes>> {
        let error = ErrorDetail {
            code: Some(refusal.code.to_owned()),
            message: Some(refusal.message),
        };
        let mut reply = json(refusal.status, &ErrorBody { error });
        let headers = reply.headers_mut();
        if let Some(seconds) = refusal.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match refusal.status {
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("Bearer");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                let version = HeaderValue::from_static("13");
                headers.insert(header::SEC_WEBSOCKET_VERSION, version);
            }
            _ => {}
        }
        reply
    }
}
