//! `read`: lines of a text, or a file that is none as an image or a blob.

mod lines;

use lockgate_client::ClientError;
use lockgate_client::executor::Blocks;
use lockgate_grant::uri;
use lockgate_wire::Base64Text;
use rmcp::model::{ContentBlock, ResourceContents};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{counted, max_bytes};
use crate::face::answer::{Answer, Outcome, Refusal};
use crate::face::call::Call;
use crate::face::contents;
use crate::face::granted::Deed;
use crate::face::limits;
use crate::face::output::incomplete;
use crate::face::tools::beforehand;
use lines::Lines;

pub(super) const DESCRIPTION: &str = "Read a file: lines of a text, from start_line on. Tells whether there is more, and where to go on. \
     U+FFFD stands for bytes that are no UTF-8. \
     An image is answered as an image, another file that is no text as a blob.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// The file; relative paths begin in the working directory
    path: String,
    /// The first line to read, counted from 1 (1 if absent)
    #[schemars(range(min = 1))]
    start_line: Option<u64>,
    /// How many bytes of that line to pass over first: where a cut line goes on (0 if absent)
    start_offset: Option<u64>,
    /// How many lines to read at most (2000 if absent)
    #[schemars(range(min = 1))]
    lines: Option<u64>,
    /// How many bytes of text to read at most (65536 if absent)
    #[schemars(range(min = 1024, max = 262144))]
    max_bytes: Option<u64>,
}

/// What was read.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// The file
    path: String,
    /// The text that was read; null for a file that is no text, which is in the content
    text: Option<String>,
    /// The number of the first line of the text
    start_line: u64,
    /// How many lines of it there are here
    lines: u64,
    /// Where to go on with start_line; null at the end of the file
    next_line: Option<u64>,
    /// Where in that line to go on, with start_offset; null at its beginning
    next_offset: Option<u64>,
    /// The last line here is cut: it alone is longer than max_bytes
    line_is_cut: bool,
    /// Some bytes of it are no UTF-8, and U+FFFD stands for them: written back, the file would be another one
    is_lossy: bool,
    /// What it is, where it is no text
    media_type: Option<String>,
    /// Its size in bytes, where it is no text
    bytes: Option<u64>,
}

pub(super) async fn read(call: &Call, params: Params) -> Outcome {
    let asked = Asked {
        line: counted("start_line", params.start_line, 1)?,
        offset: params.start_offset.unwrap_or(0),
        lines: counted("lines", params.lines, limits::READ_LINES)?,
        most: max_bytes(params.max_bytes, limits::READ_BYTES)? as u64,
        path: params.path,
    };
    let place = call.place().await?;
    let path = place.path(&asked.path)?;
    let asked = &asked;
    let uri = uri::to_file_uri(&path);
    beforehand::read(&place, &path, &asked.path).await?;
    let (of, uri) = (&asked.path, &uri);
    let reading = contents::reading(&place, &path, |mut blocks| async move {
        let start = blocks.next().await.transpose()?.unwrap_or_default();
        match is_text(&start) {
            true => text(blocks, start, asked).await,
            false => blob(blocks, start, of, uri).await,
        }
    });
    match reading.await {
        Ok(outcome) => outcome,
        Err(error) => Err(place.refused(Deed::Read, &path, &asked.path, error).await),
    }
}

/// What of the file was asked for.
struct Asked {
    path: String,
    line: u64,
    /// Within that line.
    offset: u64,
    lines: u64,
    /// In bytes.
    most: u64,
}

async fn text(
    mut blocks: Blocks,
    start: Vec<u8>,
    asked: &Asked,
) -> std::result::Result<Outcome, ClientError> {
    let Asked {
        path,
        line: first,
        offset,
        ..
    } = asked;
    let (first, offset) = (*first, *offset);
    let mut lines = Lines::new(first, asked.lines, asked.most as usize).from(offset);
    let mut block = Some(start);
    let mut passed = 0;
    while let Some(data) = block {
        passed += data.len() as u64;
        if lines.take(&data) {
            break;
        }
        if lines.is_before() && passed > limits::SCANNED_BYTES {
            return Ok(Err(Refusal::new(format!(
                "{path}: what was asked for (line {first}) is not within the first {} MiB, which is as far as `read` counts lines; `search` finds lines by what is in them",
                limits::SCANNED_BYTES / (1024 * 1024)
            ))));
        }
        block = blocks.next().await.transpose()?;
    }
    Ok(told(lines, asked))
}

/// The lines that were found.
fn told(lines: Lines, asked: &Asked) -> Outcome {
    let Asked { path, offset, .. } = asked;
    let (first, offset) = (asked.line, *offset);
    if lines.is_before() && offset > 0 && lines.line >= first {
        return Err(Refusal::new(format!(
            "{path}: line {first} has no byte {offset}; it ends before it"
        )));
    }
    // Nothing may be left of a line that is there.
    let is_there = offset > 0 && lines.line >= first;
    let read = lines.end(path.clone());
    if read.lines == 0 && first > 1 && !is_there {
        return Err(Refusal::new(format!(
            "{path}: there is no line {first}; the file ends before it"
        )));
    }
    let text = read.text.clone().unwrap_or_default();
    let mut content = vec![ContentBlock::text(text)];
    if let (Some(next), Some(offset)) = (read.next_line, read.next_offset) {
        content.push(ContentBlock::text(format!(
            "[the last line here is cut: it is longer than max_bytes; go on with start_line {next} and start_offset {offset}]"
        )));
    } else if let Some(next) = read.next_line {
        content.push(ContentBlock::text(format!(
            "[lines {first} to {} were read; there is more: go on with start_line {next}]",
            next - 1
        )));
    }
    if read.is_lossy {
        content.push(ContentBlock::text(
            "[some bytes here are no UTF-8, and U+FFFD stands for them]",
        ));
    }
    Ok(Answer::with(content, &read))
}

/// By its beginning. What is UTF-8 but for some bytes is text as well, with marks in their place: an agent that is to change a source in an old encoding, or looks for what
/// a log says, can do nothing with a blob of it.
fn is_text(start: &[u8]) -> bool {
    let whole = &start[..start.len() - incomplete(start)];
    if memchr::memchr(0, start).is_some() {
        return false;
    }
    let strange: usize = whole.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    strange == 0
        || (strange * 4 <= whole.len()
            && media_type(start) == NO_MEDIA_TYPE
            && !whole.iter().any(steers))
}

/// A byte that no text has.
fn steers(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x08 | 0x1b)
}

const NO_MEDIA_TYPE: &str = "application/octet-stream";

fn media_type(start: &[u8]) -> &'static str {
    match start {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => "image/webp",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        _ => NO_MEDIA_TYPE,
    }
}

async fn blob(
    mut blocks: Blocks,
    start: Vec<u8>,
    path: &str,
    uri: &str,
) -> std::result::Result<Outcome, ClientError> {
    let mut data = start;
    while let Some(block) = blocks.next().await {
        data.extend_from_slice(&block?);
        if data.len() as u64 > limits::BINARY_BYTES {
            break;
        }
    }
    let media_type = media_type(&data);
    if data.len() as u64 > limits::BINARY_BYTES {
        return Ok(Err(Refusal::new(format!(
            "{path}: this is no text ({media_type}) and larger than {} KiB, which is what is given of such files",
            limits::BINARY_BYTES / 1024
        ))));
    }
    let encoded = Base64Text::encode(&data).as_str().to_owned();
    let content = match media_type.starts_with("image/") {
        true => ContentBlock::image(encoded, media_type),
        false => {
            ContentBlock::resource(ResourceContents::blob(encoded, uri).with_mime_type(media_type))
        }
    };
    let read = Result {
        path: path.to_owned(),
        text: None,
        start_line: 1,
        lines: 0,
        next_line: None,
        next_offset: None,
        line_is_cut: false,
        is_lossy: false,
        media_type: Some(media_type.to_owned()),
        bytes: Some(data.len() as u64),
    };
    Ok(Ok(Answer::with(vec![content], &read)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_what_is_none() {
        assert!(is_text(b"") && is_text("ä\n".as_bytes()) && is_text(&"ä".as_bytes()[..1]));
        assert!(
            !is_text(b"a\0b") && !is_text(&[0xff, b'a']) && !is_text("ä".as_bytes()[1..].as_ref())
        );
        assert!(is_text(b"caf\xe9, na\xefve\n") && is_text(b"a log line \xff\x1b[0m\n"));
        assert!(
            !is_text(b"caf\xe9\x01 or not")
                && !is_text(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\n")
        );
    }
}
