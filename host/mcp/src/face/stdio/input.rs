//! Lines of an input, of which none is kept that is too long.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::face::limits;

pub(super) struct Input<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// The line that is coming is too long: the rest of it is passed over.
    is_too_long: bool,
    /// The line was given out.
    is_over: bool,
}

impl<R: AsyncRead + Unpin> Input<R> {
    pub(super) fn new(input: R) -> Input<R> {
        Input {
            input: BufReader::new(input),
            line: Vec::new(),
            is_too_long: false,
            is_over: false,
        }
    }

    /// The next line, without its end; none once there is no other. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if std::mem::take(&mut self.is_over) {
            self.line.clear();
            // One that was very long should not be paid for ever.
            self.line.shrink_to(limits::OUTPUT_BYTES);
        }
        loop {
            let there = self.input.fill_buf().await?;
            if there.is_empty() {
                // What has no end is not whole.
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', there);
            let length = end.map_or(there.len(), |end| end + 1);
            self.is_too_long |= self.line.len() + length > limits::MESSAGE_BYTES;
            match self.is_too_long {
                true => self.line.clear(),
                false => self.line.extend_from_slice(&there[..length]),
            }
            self.input.consume(length);
            if end.is_some() && !std::mem::take(&mut self.is_too_long) {
                self.is_over = true;
                return Ok(Some(self.line.trim_ascii()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8]) -> Vec<String> {
        let mut input = Input::new(input);
        let mut lines = Vec::new();
        while let Some(line) = input.next().await.expect("readable") {
            lines.push(String::from_utf8_lossy(line).into_owned());
        }
        lines
    }

    #[tokio::test]
    async fn lines_come_whole_and_those_that_are_too_long_do_not() {
        assert_eq!(lines(b"a\r\n\n b \nc").await, ["a", "", "b"]);
        let most = limits::MESSAGE_BYTES;
        for (length, comes) in [(most - 1, true), (most, false), (3 * most, false)] {
            let text = [&b"a\n"[..], &vec![b'x'; length], b"\nb\n"].concat();
            let found = lines(&text).await;
            assert_eq!((found.len() == 3, &*found[found.len() - 1]), (comes, "b"));
        }
    }
}
