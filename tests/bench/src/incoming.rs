//! What a server sent, read with as little work as can be: at a million answers a second, or a gigabyte
//! of output, a full JSON parse would measure the generator. Only the head of a message
//! is looked at where its shape is the usual one; everything else goes through `serde_json`.

use serde_json::Value;

/// One message from a server.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming<'a> {
    /// A response or an error; `ok` tells which.
    Answer {
        /// The request's id.
        id: u64,
        /// A result, not an error.
        ok: bool,
    },
    /// `process/output`.
    Output {
        /// Sequence number.
        seq: u64,
        /// The base64 text.
        chunk: &'a str,
        /// The whole message without the chunk, for whoever wants the process id.
        process: &'a str,
    },
    /// `process/exited`.
    Exited {
        /// Sequence number.
        seq: u64,
        /// Exit code.
        code: i64,
        /// Process id.
        process: String,
    },
    /// `process/closed`.
    Closed {
        /// Sequence number.
        seq: u64,
        /// Process id.
        process: String,
    },
    /// Anything else.
    Other,
}

/// Reads one text message; `None` when it is not JSON of any known shape.
pub(crate) fn read(text: &str) -> Option<Incoming<'_>> {
    answer(text)
        .or_else(|| output(text))
        .or_else(|| other(text))
}

fn answer(text: &str) -> Option<Incoming<'_>> {
    let rest = text.strip_prefix("{\"id\":")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let id = rest[..digits].parse().ok()?;
    let rest = rest[digits..].strip_prefix(",\"")?;
    // An echo sends back the request: it counts as an answer.
    if rest.starts_with("result\"") || rest.starts_with("method\"") {
        Some(Incoming::Answer { id, ok: true })
    } else if rest.starts_with("error\"") {
        Some(Incoming::Answer { id, ok: false })
    } else {
        None
    }
}

fn output(text: &str) -> Option<Incoming<'_>> {
    const METHOD: &str = "{\"method\":\"process/output\"";
    const CHUNK: &str = "\"chunk\":\"";
    if !text.starts_with(METHOD) {
        return None;
    }
    let start = text.find(CHUNK)? + CHUNK.len();
    let end = start + text[start..].find('"')?;
    let number = |part: &str| {
        let at = part.find("\"seq\":")? + 6;
        let digits = part[at..].bytes().take_while(u8::is_ascii_digit).count();
        part[at..at + digits].parse().ok()
    };
    let seq = number(&text[..start]).or_else(|| number(&text[end..]))?;
    let name = |part: &'_ str| {
        let at = part.find("\"processId\":\"")? + 13;
        let length = part[at..].find('"')?;
        Some((at, length))
    };
    let process = match name(&text[..start]) {
        Some((at, length)) => &text[at..at + length],
        None => {
            let (at, length) = name(&text[end..])?;
            &text[end + at..end + at + length]
        }
    };
    Some(Incoming::Output {
        seq,
        chunk: &text[start..end],
        process,
    })
}

fn other(text: &str) -> Option<Incoming<'_>> {
    let value: Value = serde_json::from_str(text).ok()?;
    if let Some(id) = value["id"].as_u64() {
        return Some(Incoming::Answer {
            id,
            ok: value.get("error").is_none(),
        });
    }
    let params = &value["params"];
    let process = || params["processId"].as_str().map(str::to_owned);
    Some(match value["method"].as_str()? {
        "process/exited" => Incoming::Exited {
            seq: params["seq"].as_u64()?,
            code: params["exitCode"].as_i64()?,
            process: process()?,
        },
        "process/closed" => Incoming::Closed {
            seq: params["seq"].as_u64()?,
            process: process()?,
        },
        _ => Incoming::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_recognised_in_every_order_of_members() {
        let ok = Some(Incoming::Answer { id: 7, ok: true });
        assert_eq!(read(r#"{"id":7,"result":{}}"#), ok);
        assert_eq!(read(r#"{"result":{},"id":7}"#), ok);
        assert_eq!(read(r#"{"id":7,"method":"fs/getMetadata"}"#), ok);
        let refused = Some(Incoming::Answer { id: 7, ok: false });
        assert_eq!(read(r#"{"id":7,"error":{"code":-32004}}"#), refused);
        assert_eq!(read(r#"{"error":{"code":-32004},"id":7}"#), refused);
    }

    #[test]
    fn output_is_read_wherever_its_sequence_number_stands() {
        for text in [
            r#"{"method":"process/output","params":{"processId":"p","seq":3,"stream":"stdout","chunk":"eA=="}}"#,
            r#"{"method":"process/output","params":{"chunk":"eA==","seq":3,"processId":"p"}}"#,
        ] {
            assert_eq!(
                read(text),
                Some(Incoming::Output {
                    seq: 3,
                    chunk: "eA==",
                    process: "p"
                })
            );
        }
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        assert_eq!(read("hello"), None);
        assert_eq!(
            read(r#"{"method":"fs/missingChanged","params":{}}"#),
            Some(Incoming::Other)
        );
    }
}
