//! The events of a stream, each of at most so many bytes.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use lockgate_client::HttpBody;
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::{Sse, SseStream};
use tokio::time::Instant;

use super::pace::Pace;
use crate::through::{ThroughError, limits};

/// A body as events. One that is too large ends the stream, and says so to `pace`: the SDK would ask for it again and again.
pub(super) fn events(
    body: HttpBody,
    most: usize,
    pace: Pace,
) -> BoxStream<'static, Result<Sse, SseError>> {
    let for_events = pace.clone();
    let bytes = stream::unfold(Some((body, Meter::new(most), pace)), |state| async {
        let (mut body, mut meter, pace) = state?;
        let piece = match body.next().await? {
            Ok(piece) => piece,
            Err(error) => return Some((Err(ThroughError::Cut(error)), None)),
        };
        if meter.fits(&piece) {
            return Some((Ok(Bytes::from(piece)), Some((body, meter, pace))));
        }
        let too_large = ThroughError::TooLarge {
            what: "an event",
            most: meter.most,
        };
        warn(&pace, &too_large);
        Some((Err(too_large), None))
    });
    let events = SseStream::from_bytes_stream(bytes.boxed());
    let decodable = move |event: Result<Sse, SseError>| {
        let event = within_patience(event?);
        if event
            .data
            .as_deref()
            .is_some_and(lockgate_wire::too_many_values)
        {
            return Err(refused(&for_events, ThroughError::TooMany));
        }
        Ok(event)
    };
    events.map(decodable).boxed()
}

/// The events after that one. A stream that ends at once without any says so to `pace`: some servers (of the SDK) say in this way that the call is not known any more, and
/// would be asked for the rest of it without end, while somebody waits for the answer.
pub(super) fn taken_up(
    events: BoxStream<'static, Result<Sse, SseError>>,
    after: String,
    pace: Pace,
) -> BoxStream<'static, Result<Sse, SseError>> {
    let opened = Instant::now();
    let state = (events, false, after, pace);
    stream::unfold(
        state,
        move |(mut events, mut any, after, pace)| async move {
            let event = events.next().await;
            match &event {
                Some(_) if !any => {
                    any = true;
                    pace.goes_on(&after);
                }
                None if !any && opened.elapsed() < limits::AT_ONCE => pace.came_to_nothing(&after),
                _ => {}
            }
            Some((event?, (events, any, after, pace)))
        },
    )
    .boxed()
}

/// The server says how long to wait before a stream is opened again, up to what is told of us.
fn within_patience(mut event: Sse) -> Sse {
    let longest = u64::try_from(limits::RECONNECT_MOST.as_millis()).unwrap_or(u64::MAX);
    event.retry = event.retry.map(|wait| wait.min(longest));
    event
}

fn refused(pace: &Pace, error: ThroughError) -> SseError {
    warn(pace, &error);
    SseError::Body(Box::new(error))
}

fn warn(pace: &Pace, error: &ThroughError) {
    pace.stop();
    tracing::warn!("{error}; no more event streams are opened");
}

/// Counts what a parser of events may have to keep: everything since the last empty line but comments that have ended.
struct Meter {
    most: usize,
    event: usize,
    line: usize,
    is_comment: bool,
    after_return: bool,
}

impl Meter {
    fn new(most: usize) -> Meter {
        Meter {
            most,
            event: 0,
            line: 0,
            is_comment: false,
            after_return: false,
        }
    }

    /// False if some event of these bytes is too large.
    fn fits(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|&byte| self.takes(byte))
    }

    fn takes(&mut self, byte: u8) -> bool {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            // The second half of a line's end.
            b'\n' if after_return => {}
            b'\n' | b'\r' => {
                if self.line == 0 {
                    self.event = 0;
                } else if !self.is_comment {
                    self.event += self.line + 1;
                }
                self.line = 0;
            }
            byte => {
                if self.line == 0 {
                    self.is_comment = byte == b':';
                }
                self.line += 1;
            }
        }
        self.event + self.line <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(most: usize, text: &str) -> bool {
        let mut meter = Meter::new(most);
        let whole = Meter::new(most).fits(text.as_bytes());
        let single = text.bytes().all(|byte| meter.fits(&[byte]));
        assert_eq!(whole, single, "however it comes: {text:?}");
        whole
    }

    #[test]
    fn a_server_does_not_say_for_how_long_it_is_given_up() {
        let asked = |wait| within_patience(Sse::default().retry(wait)).retry;
        assert_eq!(asked(20), Some(20));
        assert_eq!(asked(u64::MAX), Some(30_000));
        assert_eq!(within_patience(Sse::default()).retry, None);
    }

    #[test]
    fn an_event_is_measured_and_a_stream_is_not() {
        // Its lines' ends count.
        assert!(fits(11, &"data: abcd\n\n".repeat(1000)));
        assert!(!fits(10, &"data: abcd\n\n".repeat(1000)));
        assert!(fits(10, &"data: abc\r\n\r\n".repeat(1000)));
        assert!(fits(10, &"data: abc\r\r".repeat(1000)));
        assert!(!fits(10, "data: abcde\n\n"));
        assert!(!fits(20, &"data: abc\n".repeat(3)));
        assert!(!fits(20, &"x".repeat(21)));
        // Pings cost nothing, but one without end does.
        assert!(fits(10, &": ping\n".repeat(1000)));
        assert!(!fits(10, &format!(": {}", "x".repeat(10))));
    }
}
