//! The answer to an opening handshake, and where it ends.
//!
//! The library reads as much as there is, and keeps what it read beyond the answer for a websocket of its own. Here that belongs to another one, so nothing
//! beyond the head of an answer that opens a websocket is handed on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::Reads;

/// What has to come at the beginning for a websocket to be open (RFC 6455, 4.1).
const OPENS: &[u8] = b"HTTP/1.1 101";

/// Reads an answer up to its end.
#[derive(Debug, Default)]
pub(super) struct Opening {
    begins: Vec<u8>,
    /// The line that is coming has something in it.
    is_in_line: bool,
    is_over: bool,
    rest: Vec<u8>,
}

impl Opening {
    /// What came behind the answer.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.rest
    }

    /// How much of what came belongs to the answer.
    fn take(&mut self, came: &[u8]) -> usize {
        for (at, byte) in came.iter().enumerate() {
            match byte {
                // An empty line before the first one is no end.
                b'\n' if !self.is_in_line && !self.begins.is_empty() => {
                    self.is_over = true;
                    // What comes with a refusal says why.
                    return match self.begins == OPENS {
                        true => at + 1,
                        false => came.len(),
                    };
                }
                b'\n' => self.is_in_line = false,
                b'\r' => {}
                byte => {
                    self.is_in_line = true;
                    if self.begins.len() < OPENS.len() {
                        self.begins.push(*byte);
                    }
                }
            }
        }
        came.len()
    }
}

impl Reads for Opening {
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(socket).poll_read(cx, out))?;
        if !self.is_over {
            let came = &out.filled()[before..];
            let taken = self.take(came);
            self.rest.extend_from_slice(&came[taken..]);
            out.set_filled(before + taken);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed on, and what is kept.
    fn read(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let mut opening = Opening::default();
        let mut handed_on = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for mut piece in pieces.iter().copied() {
            let mut buffer = [0; 512];
            let mut out = ReadBuf::new(&mut buffer);
            let read = opening.poll_read(&mut piece, &mut cx, &mut out);
            assert!(matches!(read, Poll::Ready(Ok(()))));
            handed_on.extend_from_slice(out.filled());
        }
        (handed_on, opening.into_rest())
    }

    #[test]
    fn what_comes_behind_an_answer_is_kept_wherever_it_is_cut() {
        for head in [
            &b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"[..],
            b"\r\nHTTP/1.1 101 x\nupgrade: websocket\n\n",
        ] {
            let all = [head, b"\x82\x02\n\n"].concat();
            for cut in 0..all.len() {
                let (one, two) = all.split_at(cut);
                // Nobody reads on when the answer is whole.
                let pieces = if cut < head.len() {
                    vec![one, two]
                } else {
                    vec![one]
                };
                let (handed_on, rest) = read(&pieces);
                assert_eq!(handed_on, head, "cut at {cut}");
                let came = pieces.concat();
                assert_eq!(rest, came[head.len()..], "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_comes_with_a_refusal_is_handed_on() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nwhy?";
        assert_eq!(read(&[answer]), (answer.to_vec(), Vec::new()));
    }
}
