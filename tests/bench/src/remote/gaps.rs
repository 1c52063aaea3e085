//! Streams that tick, and how long each is silent while something happens to what carries them.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use futures_util::future::try_join_all;
use lockgate_client::{Client, Event};
use lockgate_wire::process::StartParams;

use super::failed;
use crate::connection::microseconds;
use crate::failure::Failure;
use crate::limits;

/// What the process under a stream does: a line each few milliseconds.
pub(crate) const TICKS: &str = "i=0; while :; do echo $i; i=$((i + 1)); sleep 0.005; done";

/// Lines of each stream before it happens, and after it.
const LINES: usize = 100;

/// Microseconds of each stream's longest silence, from the moment before `happens` on: it is called once all streams have ticked for a while. Each of
/// them has to bring every line, once and in order.
pub(crate) async fn longest(
    streams: &[(Client, StartParams)],
    happens: impl FnOnce() -> Result<(), Failure>,
) -> Result<Vec<f64>, Failure> {
    let event = Happening {
        ready: Cell::new(0),
        streams: streams.len(),
        happens: RefCell::new(Some(happens)),
    };
    try_join_all(
        streams
            .iter()
            .map(|(client, params)| event.silence_of(client, params)),
    )
    .await
}

/// What happens to all streams at once.
struct Happening<F> {
    /// Streams that have ticked for a while.
    ready: Cell<usize>,
    streams: usize,
    /// Until it has happened.
    happens: RefCell<Option<F>>,
}

impl<F: FnOnce() -> Result<(), Failure>> Happening<F> {
    /// Another stream is ready; with the last one it happens.
    fn one_more_is_ready(&self) -> Result<(), Failure> {
        self.ready.set(self.ready.get() + 1);
        match self.ready.get() == self.streams {
            true => self.happens.take().map_or(Ok(()), |happens| happens()),
            false => Ok(()),
        }
    }

    fn has_happened(&self) -> bool {
        self.ready.get() == self.streams
    }

    async fn silence_of(&self, client: &Client, params: &StartParams) -> Result<f64, Failure> {
        let mut process = client.start(params).await.map_err(|error| failed(&error))?;
        let mut ticks = Ticks::default();
        let (mut heard, mut longest) = (Instant::now(), 0_f64);
        // How many lines end the measure, once that is known.
        let (mut is_ready, mut enough) = (false, None);
        while enough.is_none_or(|enough| ticks.lines < enough) {
            match tokio::time::timeout(limits::SILENCE, process.events.next()).await {
                Ok(Some(Event::Output { data, .. })) => ticks.take(&data)?,
                Ok(other) => return Err(Failure::Wrong(format!("{other:?} in the stream"))),
                Err(_) => {
                    return Err(Failure::Silence {
                        what: "a stream whose node was killed",
                        seconds: limits::SILENCE.as_secs(),
                    });
                }
            }
            if self.has_happened() {
                longest = longest.max(microseconds(heard));
                enough.get_or_insert(ticks.lines + LINES);
            }
            heard = Instant::now();
            if !is_ready && ticks.lines >= LINES {
                is_ready = true;
                self.one_more_is_ready()?;
            }
        }
        Ok(longest)
    }
}

/// What came of a stream's lines.
#[derive(Default)]
struct Ticks {
    lines: usize,
    /// The beginning of the next one.
    rest: Vec<u8>,
}

impl Ticks {
    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.rest.extend(data);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if line != format!("{}\n", self.lines).into_bytes() {
                let words = "a line is missing, or came twice".to_owned();
                return Err(Failure::Wrong(words));
            }
            self.lines += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_once_each_and_in_order_however_they_are_cut() {
        let mut ticks = Ticks::default();
        for piece in ["0\n1", "", "\n2\n", "3\n"] {
            ticks.take(piece.as_bytes()).expect("in order");
        }
        assert_eq!(ticks.lines, 4);
        for wrong in ["5\n", "3\n"] {
            let mut ticks = Ticks {
                lines: 4,
                rest: Vec::new(),
            };
            assert!(ticks.take(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }
}
