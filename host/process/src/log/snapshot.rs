//! What `process/read` answers: a copy of what is retained, and how things stand.

use std::fmt;
use std::time::Duration;

use crate::record::{Event, Record, Stream};

/// A retained chunk, copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its number.
    pub seq: u64,
    /// Where it was written to.
    pub stream: Stream,
    /// The bytes.
    pub data: Vec<u8>,
}

/// What `process/read` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// In order of their numbers.
    pub chunks: Vec<Chunk>,
    /// See [`super::OutputLog::snapshot`].
    pub next_seq: u64,
    /// Whether the exit code is known.
    pub exited: bool,
    /// The status, 128 + signal, or -1.
    pub exit_code: Option<i32>,
    /// Whether everything has happened.
    pub closed: bool,
    /// The bound that it went beyond.
    pub exceeded: Option<Exceeded>,
}

/// The bound that ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// It went on for longer than this.
    Time(Duration),
    /// It wrote more bytes than these.
    Output(u64),
    /// Neither: what holds it to its bounds was killed.
    Unkept,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exceeded::Time(time) => write!(
                f,
                "the executor ended the process: it may take at most {} ms here",
                time.as_millis()
            ),
            Exceeded::Output(bytes) => write!(
                f,
                "the executor ended the process: it may write at most {bytes} bytes here"
            ),
            Exceeded::Unkept => f.write_str(
                "the executor ended the process: its keeper was killed, and without one no limit holds"
            ),
        }
    }
}

impl Snapshot {
    pub(super) fn of(
        record: &Record,
        after_seq: u64,
        max_bytes: Option<usize>,
        exceeded: Option<Exceeded>,
    ) -> Snapshot {
        let mut chunks = Vec::new();
        let mut taken = 0_usize;
        for event in record.chunks_from(after_seq.saturating_add(1)) {
            let Event::Output { seq, stream, data } = event else {
                continue;
            };
            // Nothing is numbered u64::MAX, but a client may say that it has seen it.
            if seq <= after_seq {
                continue;
            }
            taken += data.len();
            if !chunks.is_empty() && max_bytes.is_some_and(|max| taken > max) {
                break;
            }
            chunks.push(Chunk {
                seq,
                stream,
                data: data.to_vec(),
            });
        }
        let next_seq = match (max_bytes, chunks.last()) {
            (Some(_), Some(last)) => last.seq + 1,
            _ => record.next_seq(),
        };
        Snapshot {
            chunks,
            next_seq,
            exited: record.exit_code().is_some(),
            exit_code: record.exit_code(),
            closed: record.is_closed(),
            exceeded,
        }
    }
}
