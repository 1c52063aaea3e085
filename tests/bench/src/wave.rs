//! Several calls at once, as cheaply as a client can: the requests of a wave are framed once and sent with one write, and
//! of the answers only the head is looked at. A client that does more is slower than a good server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use crate::connection::{Connection, unreadable};
use crate::failure::Failure;
use crate::incoming::{self, Incoming};
use crate::limits;

/// A connection with a wave of requests ready to be sent again and again.
pub(crate) struct Wave {
    stream: TcpStream,
    method: &'static str,
    requests: Vec<u8>,
    count: usize,
    received: Vec<u8>,
}

impl Wave {
    /// Frames `params` as calls of `method`. The connection must have no answers open.
    pub(crate) fn new(connection: Connection, method: &'static str, params: &[String]) -> Self {
        let mut requests = Vec::new();
        for (number, params) in params.iter().enumerate() {
            // Ids may come again once they are answered.
            let id = 1_000 + number;
            let text = format!("{{\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}");
            frame(text.as_bytes(), &mut requests);
        }
        Self {
            stream: connection.into_stream(),
            method,
            requests,
            count: params.len(),
            received: Vec::with_capacity(limits::LARGE_READS),
        }
    }

    /// Sends the wave and waits for all its answers; seconds.
    pub(crate) fn ride(&mut self) -> Result<f64, Failure> {
        let begin = Instant::now();
        self.stream.write_all(&self.requests)?;
        let mut open = self.count;
        while open > 0 {
            let mut at = 0;
            while let Some((start, end)) = next_frame(&self.received[at..])? {
                open -= usize::from(self.answer(&self.received[at + start..at + end])?);
                at += end;
            }
            self.received.drain(..at);
            if open > 0 {
                self.receive()?;
            }
        }
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Whether this payload is an answer; an error object is a failure.
    fn answer(&self, payload: &[u8]) -> Result<bool, Failure> {
        // A control frame's payload (a ping after 30 s) is empty or no JSON object.
        if !payload.starts_with(b"{") {
            return Ok(false);
        }
        let text = std::str::from_utf8(payload)
            .map_err(|_| Failure::Wrong("a message that is no text".into()))?;
        match incoming::read(text) {
            Some(Incoming::Answer { ok: true, .. }) => Ok(true),
            Some(Incoming::Answer { .. }) => {
                crate::connection::accept(self.method, text).map(|()| true)
            }
            Some(_) => Ok(false),
            None => Err(unreadable(text)),
        }
    }

    fn receive(&mut self) -> Result<(), Failure> {
        let kept = self.received.len();
        self.received.resize(kept + limits::WAVE_READS, 0);
        let length = self.stream.read(&mut self.received[kept..])?;
        self.received.truncate(kept + length);
        if length == 0 {
            return Err(Failure::Wrong("the server closed the connection".into()));
        }
        Ok(())
    }
}

/// Appends one text frame. Clients must mask; the key of zeros leaves the payload as it is.
fn frame(payload: &[u8], into: &mut Vec<u8>) {
    const FINAL_TEXT: u8 = 0x81;
    const MASKED: u8 = 0x80;
    into.push(FINAL_TEXT);
    match payload.len() {
        length @ ..126 => into.push(MASKED | length as u8),
        length @ ..65_536 => {
            into.push(MASKED | 126);
            into.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            into.push(MASKED | 127);
            into.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(payload);
}

/// Where the payload of the first whole frame begins and ends. Servers do not mask.
fn next_frame(bytes: &[u8]) -> Result<Option<(usize, usize)>, Failure> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    const CLOSE: u8 = 0x8;
    if first & 0xf == CLOSE {
        return Err(Failure::Wrong("the server closed the connection".into()));
    }
    let number = |count: usize| {
        let digits = rest.get(..count)?;
        Some(
            digits
                .iter()
                .fold(0, |number, &byte| number << 8 | usize::from(byte)),
        )
    };
    let (start, length) = match second {
        126 => (4, number(2)),
        127 => (10, number(8)),
        length => (2, Some(usize::from(length))),
    };
    let end = length.map(|length| start + length.min(limits::MESSAGE));
    Ok(end
        .filter(|&end| end <= bytes.len())
        .map(|end| (start, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_only_when_they_are_whole() {
        let bytes = [0x81, 2, b'{', b'}', 0x81, 126, 0, 200];
        assert_eq!(next_frame(&bytes).expect("frame"), Some((2, 4)));
        assert_eq!(next_frame(&bytes[..3]).expect("part"), None);
        assert_eq!(next_frame(&bytes[4..]).expect("part"), None);
        assert!(next_frame(&[0x88, 0]).is_err());
    }

    #[test]
    fn the_length_of_a_frame_is_written_in_the_shortest_form() {
        for (length, header) in [(3, 6), (300, 8), (70_000, 14)] {
            let mut bytes = Vec::new();
            frame(&vec![b'x'; length], &mut bytes);
            assert_eq!(bytes.len(), header + length);
        }
    }
}
