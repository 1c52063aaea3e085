//! Messages going out.
//!
//! Small ones are serialized. Those that carry contents are written by hand around base64 that is encoded in place, in one
//! string of exactly the right capacity: serde would scan the payload for characters to escape, which costs ten times the
//! encoding. None of these fail: a result that cannot be serialized becomes an internal error.

use serde::Serialize;

use crate::base64::{append, encoded_len};
use crate::http::Header;
use crate::process::{ReadResult, Stream};
use crate::{ErrorObject, Id, code, notify};

/// `{"id", "result"}`.
pub fn response<T: Serialize + ?Sized>(id: &Id, result: &T) -> String {
    #[derive(Serialize)]
    struct Message<'a, T: ?Sized> {
        id: &'a Id,
        result: &'a T,
    }
    serde_json::to_string(&Message { id, result }).unwrap_or_else(|failure| {
        error(
            Some(id),
            code::INTERNAL,
            &format!("failed to serialize the result: {failure}"),
        )
    })
}

/// `{"error": {"code", "message"}, "id"}`; without an id (the message could not be read) the id is -1.
pub fn error(id: Option<&Id>, code: i64, message: &str) -> String {
    #[derive(Serialize)]
    struct Message<'a> {
        error: ErrorObject,
        id: &'a Id,
    }
    let message = Message {
        error: ErrorObject {
            code,
            message: message.to_owned(),
        },
        id: id.unwrap_or(&Id::Number(-1)),
    };
    serde_json::to_string(&message).unwrap_or_default()
}

/// `{"method", "params"}`.
pub fn notification<T: Serialize + ?Sized>(method: &str, params: &T) -> String {
    #[derive(Serialize)]
    struct Message<'a, T: ?Sized> {
        method: &'a str,
        params: &'a T,
    }
    serde_json::to_string(&Message { method, params }).unwrap_or_default()
}

/// `{"id", "method", "params"}`. Fails only for params that JSON cannot express.
pub fn request<T: Serialize + ?Sized>(
    id: &Id,
    method: &str,
    params: &T,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Message<'a, T: ?Sized> {
        id: &'a Id,
        method: &'a str,
        params: &'a T,
    }
    serde_json::to_string(&Message { id, method, params })
}

/// The answer to `fs/readFile` with `data` as the contents.
pub fn file_result(id: &Id, data: &[u8]) -> String {
    let mut message = start_result(id, FILE.len() + encoded_len(data.len()) + FILE_END.len());
    message.push_str(FILE);
    append(data, &mut message);
    message.push_str(FILE_END);
    message
}

const FILE: &str = r#"{"dataBase64":""#;
const FILE_END: &str = r#""}}"#;

/// The answer to `fs/readBlock` with `data` as the chunk.
pub fn block_result(id: &Id, data: &[u8], eof: bool) -> String {
    let end = if eof {
        r#"","eof":true}}"#
    } else {
        r#"","eof":false}}"#
    };
    let mut message = start_result(id, BLOCK.len() + encoded_len(data.len()) + end.len());
    message.push_str(BLOCK);
    append(data, &mut message);
    message.push_str(end);
    message
}

const BLOCK: &str = r#"{"chunk":""#;

/// A `process/output` notification.
pub fn output_notification(process_id: &str, seq: u64, stream: Stream, data: &[u8]) -> String {
    let mut message = String::with_capacity(128 + process_id.len() + encoded_len(data.len()));
    message.push_str(r#"{"method":""#);
    message.push_str(notify::PROCESS_OUTPUT);
    message.push_str(r#"","params":{"processId":"#);
    push_json(&mut message, process_id);
    message.push(',');
    push_chunk_members(&mut message, seq, stream, data);
    message.push_str("}}");
    message
}

/// The answer to `process/read`, for results whose chunks may hold a MiB.
pub fn read_result(id: &Id, result: &ReadResult) -> String {
    let chunks: usize = result
        .chunks
        .iter()
        .map(|chunk| 64 + encoded_len(chunk.chunk.len()))
        .sum();
    let mut message = start_result(
        id,
        chunks + 160 + result.failure.as_ref().map_or(0, String::len),
    );
    message.push_str(r#"{"chunks":["#);
    for (n, chunk) in result.chunks.iter().enumerate() {
        message.push_str(if n == 0 { "{" } else { ",{" });
        push_chunk_members(&mut message, chunk.seq, chunk.stream, &chunk.chunk);
        message.push('}');
    }
    message.push_str(r#"],"nextSeq":"#);
    push_json(&mut message, &result.next_seq);
    message.push_str(r#","exited":"#);
    push_json(&mut message, &result.exited);
    message.push_str(r#","exitCode":"#);
    push_json(&mut message, &result.exit_code);
    message.push_str(r#","closed":"#);
    push_json(&mut message, &result.closed);
    message.push_str(r#","failure":"#);
    push_json(&mut message, &result.failure);
    message.push_str(r#","sandboxDenied":"#);
    push_json(&mut message, &result.sandbox_denied);
    message.push_str("}}");
    message
}

/// The answer to `http/request` with `body` as the body.
pub fn http_result(id: &Id, status: u16, headers: &[Header], body: &[u8]) -> String {
    let about: usize = headers
        .iter()
        .map(|header| 32 + header.name.len() + header.value.len())
        .sum();
    let mut message = start_result(id, 64 + about + encoded_len(body.len()));
    message.push_str(r#"{"status":"#);
    push_json(&mut message, &status);
    message.push_str(r#","headers":"#);
    push_json(&mut message, headers);
    message.push_str(r#","bodyBase64":""#);
    append(body, &mut message);
    message.push_str(r#""}}"#);
    message
}

/// An `http/request/bodyDelta` notification. `end`: it is the last one, with the error that cut the body short, if there was one.
pub fn body_delta(request_id: &str, seq: u64, data: &[u8], end: Option<Option<&str>>) -> String {
    let mut message = String::with_capacity(160 + request_id.len() + encoded_len(data.len()));
    message.push_str(r#"{"method":""#);
    message.push_str(notify::HTTP_BODY_DELTA);
    message.push_str(r#"","params":{"requestId":"#);
    push_json(&mut message, request_id);
    message.push_str(r#","seq":"#);
    push_json(&mut message, &seq);
    message.push_str(r#","deltaBase64":""#);
    append(data, &mut message);
    message.push_str(r#"","done":"#);
    push_json(&mut message, &end.is_some());
    message.push_str(r#","error":"#);
    push_json(&mut message, &end.flatten());
    message.push_str("}}");
    message
}

pub(crate) fn start_result(id: &Id, more: usize) -> String {
    let id_len = match id {
        Id::Number(_) => 20,
        Id::String(text) => 2 + text.len(),
    };
    let mut message = String::with_capacity(16 + id_len + more);
    message.push_str(r#"{"id":"#);
    push_json(&mut message, id);
    message.push_str(r#","result":"#);
    message
}

fn push_chunk_members(message: &mut String, seq: u64, stream: Stream, data: &[u8]) {
    message.push_str(r#""seq":"#);
    push_json(message, &seq);
    message.push_str(r#","stream":""#);
    message.push_str(stream.name());
    message.push_str(r#"","chunk":""#);
    append(data, message);
    message.push('"');
}

/// Small members go through serde: it knows how to escape.
pub(crate) fn push_json<T: Serialize + ?Sized>(message: &mut String, value: &T) {
    message.push_str(&serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()));
}
