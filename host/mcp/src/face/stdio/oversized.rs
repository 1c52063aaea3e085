//! Messages that are longer than what is taken, as their bytes pass by: they are never kept, and whoever sent one is to hear of it.
//!
//! The answer needs the request's id, which stands anywhere in it, with some SDKs at the very end. So the top level of each line is followed byte by byte, and
//! of that no more is kept than a name and an id may have.

use rmcp::model::RequestId;
use serde_json::Value;

/// Bytes that are kept of a member's name or value: an id has no more.
const KEPT: usize = 256;

/// A request that was too long, or a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Oversized {
    /// Its own; null of a batch.
    pub(super) id: Value,
    /// How long it was.
    pub(super) bytes: usize,
}

/// Follows lines.
pub(super) struct Scan {
    /// The longest that is taken, its end included.
    most: usize,
    line: Line,
}

#[derive(Default)]
struct Line {
    bytes: usize,
    /// How many objects and lists are open.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// Of the outermost object: what stands in it since its last `{`, `:` or `,`.
    text: Vec<u8>,
    /// The member whose value comes.
    name: Vec<u8>,
    id: Option<Vec<u8>>,
    has_method: bool,
    has_begun: bool,
    /// It begins as an array.
    is_batch: bool,
}

impl Scan {
    pub(super) fn new(most: usize) -> Scan {
        Scan {
            most,
            line: Line::default(),
        }
    }

    /// The next bytes; tells of each request that ends in them and was too long.
    pub(super) fn push(&mut self, bytes: &[u8], mut tell: impl FnMut(Oversized)) {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                if line.bytes + 1 > self.most
                    && let Some(oversized) = line.request()
                {
                    tell(oversized);
                }
            } else {
                self.line.push(byte);
            }
        }
    }
}

impl Line {
    fn push(&mut self, byte: u8) {
        self.bytes += 1;
        if !self.has_begun && !byte.is_ascii_whitespace() {
            (self.has_begun, self.is_batch) = (true, byte == b'[');
        }
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match (byte, self.depth) {
            (b'{' | b'[', _) => {
                self.depth += 1;
                if self.depth == 1 {
                    self.text.clear();
                }
            }
            (b'}' | b']', depth) => {
                if depth == 1 {
                    self.member_ends();
                }
                self.depth = depth.saturating_sub(1);
            }
            (b':', 1) => self.name = std::mem::take(&mut self.text),
            (b',', 1) => self.member_ends(),
            _ => {
                self.in_string = byte == b'"';
                self.keep(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.text.len() < KEPT {
            self.text.push(byte);
        }
    }

    fn member_ends(&mut self) {
        let value = std::mem::take(&mut self.text);
        match std::mem::take(&mut self.name).trim_ascii() {
            b"\"id\"" => self.id = Some(value),
            b"\"method\"" => self.has_method = true,
            _ => {}
        }
    }

    /// None: it was none, or its id cannot be told.
    fn request(self) -> Option<Oversized> {
        let bytes = self.bytes;
        if self.is_batch {
            let id = Value::Null;
            return Some(Oversized { id, bytes });
        }
        let id: RequestId = serde_json::from_slice(&self.id?).ok()?;
        let id = serde_json::to_value(id).ok()?;
        self.has_method.then_some(Oversized { id, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(most: usize, text: &str) -> Vec<Oversized> {
        let mut whole = Vec::new();
        Scan::new(most).push(text.as_bytes(), |found| whole.push(found));
        let (mut scan, mut single) = (Scan::new(most), Vec::new());
        for byte in text.bytes() {
            scan.push(&[byte], |found| single.push(found));
        }
        assert_eq!(whole, single, "however it comes: {text}");
        whole
    }

    #[test]
    fn the_id_of_a_request_that_is_too_long_is_found_wherever_it_stands() {
        let params = r#""params":{"id":1,"x":["}",{"id":2}],"y":"\",\"id\":3,{"}"#;
        for (text, id) in [
            (format!(r#"{{"id":7,"method":"a",{params}}}"#), "7"),
            (
                format!(r#"{{"method":"a",{params},"jsonrpc":"2.0", "id" : "q-\"1" }}"#),
                r#""q-\"1""#,
            ),
            (format!(r#" [{{"id":7,"method":"a",{params}}}, 8]"#), "null"),
            (
                format!(
                    r#" {{"jsonrpc":"2.0","id":-3,{params},"method":"tools/call"}}{}"#,
                    "\r"
                ),
                "-3",
            ),
        ] {
            let found = found(20, &format!("{{}}\n{text}\n{{\"id\":8}}\n"));
            let [one] = &found[..] else {
                panic!("{text}: {found:?}");
            };
            assert_eq!((one.id.to_string(), one.bytes), (id.to_owned(), text.len()));
        }
    }

    #[test]
    fn what_fits_or_is_no_request_is_not_told_of() {
        let fits = "{\"id\":7,\"method\":\"a\"}\n";
        assert_eq!(found(fits.len(), fits), []);
        assert_eq!(found(fits.len() - 1, fits).len(), 1);
        for text in [
            r#"{"method":"a","params":{"id":1}}"#,
            r#"{"id":1,"result":{"method":"a"}}"#,
            r#"{"id":{"a":1},"method":"a"}"#,
            r#""id":1,"method":"a""#,
            r#"}}}{"#,
            "                      ",
        ] {
            assert_eq!(found(5, &format!("{text}\n")), [], "{text}");
        }
        let long = "9".repeat(10_000);
        assert_eq!(
            found(5, &format!("{{\"id\":{long},\"method\":\"a\"}}\n")),
            []
        );
    }
}
