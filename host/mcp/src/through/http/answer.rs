//! What a server's answer means to the SDK.

use lockgate_client::{HttpBody, HttpResponse};
use lockgate_wire::http::Header;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, HttpStatusError, InsufficientScopeError, StreamableHttpError,
    StreamableHttpPostResponse, StreamableHttpResponseLimits,
};

use super::events::events;
use super::pace::Pace;
use crate::through::ThroughError;

pub(super) type Failure = StreamableHttpError<ThroughError>;

/// The first value of a header; names of answers are in lower case.
pub(super) fn header<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|header| header.name == name)?;
    Some(&found.value)
}

/// Whether the body is of that type; parameters do not matter.
pub(super) fn is_of_type(headers: &[Header], expected: &str) -> bool {
    let told = header(headers, "content-type").unwrap_or_default();
    let kind = told.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(expected)
}

/// A refusal for want of a credential, or of a better one, with the server's challenge.
pub(super) fn challenge(answer: &HttpResponse) -> Option<Failure> {
    let told = header(&answer.headers, "www-authenticate")?.to_owned();
    match answer.status {
        401 => Some(Failure::AuthRequired(AuthRequiredError::new(told))),
        403 => {
            let scope = scope(&told);
            Some(Failure::InsufficientScope(InsufficientScopeError::new(
                told, scope,
            )))
        }
        _ => None,
    }
}

/// Statuses that say "not now".
pub(super) fn not_now(answer: &HttpResponse) -> Option<Failure> {
    if answer.status != 429 && answer.status < 500 {
        return None;
    }
    let after = header(&answer.headers, "retry-after").map(str::to_owned);
    Some(Failure::HttpStatus(HttpStatusError::new(
        answer.status,
        after,
    )))
}

/// What was answered to a message.
pub(super) async fn to_message(
    message: &ClientJsonRpcMessage,
    in_session: bool,
    answer: HttpResponse,
    limits: StreamableHttpResponseLimits,
    pace: Pace,
) -> Result<StreamableHttpPostResponse, Failure> {
    let status = answer.status;
    if let Some(failure) = challenge(&answer) {
        return Err(failure);
    }
    if matches!(status, 202 | 204) {
        return match message {
            // In a session the answer may still come over the stream that the server has for its own messages.
            JsonRpcMessage::Request(_) if !in_session => {
                Err(Failure::Client(ThroughError::Answer(format!(
                    "it answered a request with HTTP status {status} and nothing else"
                ))))
            }
            _ => Ok(StreamableHttpPostResponse::Accepted),
        };
    }
    if status == 404 && in_session {
        return Err(Failure::SessionExpired);
    }
    let is_json = is_of_type(&answer.headers, "application/json");
    if !(200..300).contains(&status) {
        return refused(message, in_session, answer, is_json, limits).await;
    }
    let session = header(&answer.headers, "mcp-session-id").map(str::to_owned);
    if is_of_type(&answer.headers, "text/event-stream") {
        let events = events(answer.body, limits.max_sse_event_size, pace);
        return Ok(StreamableHttpPostResponse::Sse(events, session));
    }
    let kind = header(&answer.headers, "content-type").map(str::to_owned);
    let body = whole(answer.body, limits.max_json_response_size).await?;
    // Nobody waits for an answer to anything but a request; some servers send an empty 200, or whatever they like.
    let JsonRpcMessage::Request(request) = message else {
        return Ok(StreamableHttpPostResponse::Accepted);
    };
    if !is_json {
        return Err(Failure::UnexpectedContentType(kind));
    }
    if std::str::from_utf8(&body).is_ok_and(lockgate_wire::too_many_values) {
        return Err(Failure::Client(ThroughError::TooMany));
    }
    let answered = serde_json::from_slice(&body).map_err(|error| {
        Failure::Client(ThroughError::Answer(format!(
            "its answer of {} bytes is no message of MCP: {error}",
            body.len()
        )))
    })?;
    let answered = to_request(&request.id, answered)?;
    Ok(StreamableHttpPostResponse::Json(answered, session))
}

/// The answer, if it is one to this request: for any other the SDK would go on waiting.
fn to_request(
    asked: &RequestId,
    answered: ServerJsonRpcMessage,
) -> Result<ServerJsonRpcMessage, Failure> {
    let id = match &answered {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => match &error.id {
            Some(id) => Some(id),
            // Servers that could not read the request do not know its id.
            None => {
                let said = error.error.clone();
                return Ok(ServerJsonRpcMessage::error(said, Some(asked.clone())));
            }
        },
        _ => None,
    };
    // Some servers make texts of numbers.
    match id.is_some_and(|id| id.to_string() == asked.to_string()) {
        true => Ok(answered),
        false => Err(Failure::Client(ThroughError::Answer(
            "it answered something else than the request".to_owned(),
        ))),
    }
}

/// An answer that is no success: a JSON-RPC error in it is the answer, whatever the status.
async fn refused(
    message: &ClientJsonRpcMessage,
    in_session: bool,
    answer: HttpResponse,
    is_json: bool,
    limits: StreamableHttpResponseLimits,
) -> Result<StreamableHttpPostResponse, Failure> {
    let status = answer.status;
    let not_now = not_now(&answer);
    if let Some(failure) = not_now
        && (!is_json || status == 429)
    {
        return Err(failure);
    }
    let most = match is_json {
        true => limits.max_json_response_size,
        false => limits.max_error_response_size,
    };
    let body = beginning(answer.body, most).await;
    if std::str::from_utf8(&body).is_ok_and(lockgate_wire::too_many_values) {
        return Err(Failure::Client(ThroughError::TooMany));
    }
    let said = match serde_json::from_slice(&body) {
        Ok(ServerJsonRpcMessage::Error(said)) => Some(said.error),
        _ => None,
    };
    let denied = matches!(status, 401 | 403);
    if let JsonRpcMessage::Request(request) = message
        && !denied
    {
        // A server of before `server/discover` refuses it before it knows what it is; the SDK then goes on in the older way.
        let asks_what_it_is = matches!(request.request, ClientRequest::DiscoverRequest(_));
        let said = match said {
            None if asks_what_it_is && !in_session && status < 500 => {
                Some(ErrorData::invalid_request(
                    format!("the server refused `server/discover` with HTTP status {status}"),
                    None,
                ))
            }
            said => said,
        };
        if let Some(said) = said {
            // Servers that could not read the request do not know its id.
            let error = ServerJsonRpcMessage::error(said, Some(request.id.clone()));
            return Ok(StreamableHttpPostResponse::Json(error, None));
        }
    }
    Err(Failure::Client(ThroughError::Status {
        status,
        said: complaint(&body, limits.max_error_response_size),
    }))
}

/// An answer that is no event stream, in one line.
pub(super) async fn unexpected(answer: HttpResponse, most: usize) -> Failure {
    let status = answer.status;
    let body = beginning(answer.body, most).await;
    Failure::Client(ThroughError::Status {
        status,
        said: complaint(&body, most),
    })
}

async fn whole(mut body: HttpBody, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Failure::Client(ThroughError::Cut(error)))?;
        if piece.len() > most - bytes.len() {
            return Err(Failure::ResponseBodyTooLarge { max_size: most });
        }
        bytes.extend(piece);
    }
    Ok(bytes)
}

/// As much as there is, up to `most`.
async fn beginning(mut body: HttpBody, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < most
        && let Some(Ok(piece)) = body.next().await
    {
        bytes.extend(piece);
    }
    bytes.truncate(most);
    bytes
}

/// What a person may be shown of a server's words.
fn complaint(body: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(most).min(512)]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    words.chars().filter(|c| !c.is_control()).collect()
}

/// `scope` of a challenge.
fn scope(challenge: &str) -> Option<String> {
    // Everything but the value keeps its length in lower case.
    let at = challenge.to_ascii_lowercase().find("scope=")? + "scope=".len();
    let value = &challenge[at..];
    let value = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split([',', ';', ' ']).next()?,
    };
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_what_stands_before_the_parameters() {
        let told = |value: &str| vec![Header::new("content-type", value)];
        assert!(is_of_type(
            &told("Application/JSON; charset=utf-8"),
            "application/json"
        ));
        assert!(!is_of_type(
            &told("application/json-seq"),
            "application/json"
        ));
        assert!(!is_of_type(&[], "application/json"));
    }

    #[test]
    fn the_scope_of_a_challenge_is_found_quoted_or_not() {
        assert_eq!(
            scope(r#"Bearer a="b", Scope="x:r y""#).as_deref(),
            Some("x:r y")
        );
        assert_eq!(scope("Bearer scope=x, error=y").as_deref(), Some("x"));
        assert_eq!(scope("Bearer scope=\"\""), None);
        assert_eq!(scope("Bearer ü"), None);
    }

    #[test]
    fn a_complaint_is_one_short_line() {
        assert_eq!(
            complaint(b"<h1>\r\n  not \x1b[1mhere</h1>", 100),
            "<h1> not [1mhere</h1>"
        );
        assert!(complaint(&[b'x'; 10_000], 10_000).len() <= 512);
    }
}
