//! Output: how fast a child's bytes reach a client that reads, and that none of them is lost or doubled.

use std::collections::BTreeMap;
use std::time::Instant;

use super::processes::start_params;
use super::{Budget, Floor, Group, Placement, Probe, Row, Scene, Series, Unit};
use crate::connection::unreadable;
use crate::failure::Failure;
use crate::floor::child::{PERIOD, pattern};
use crate::floor::local::mib_per_second;
use crate::ground::text;
use crate::incoming::{self, Incoming};
use crate::limits;
use crate::subject::Subject;

/// What goes through a terminal, in bytes.
pub(crate) const TERMINAL: usize = 16 << 20;
/// What is compared byte by byte.
const COMPARED: usize = 64 << 20;

/// What goes through a pipe in one round, in bytes.
pub(crate) fn total(scene: &Scene<'_>) -> usize {
    scene.pick(128 << 20, 256 << 20)
}

/// How many bytes a base64 text stands for.
pub(crate) fn decoded(chunk: &str) -> usize {
    let padding = chunk
        .bytes()
        .rev()
        .take(2)
        .filter(|&byte| byte == b'=')
        .count();
    chunk.len() / 4 * 3 - padding
}

/// Throughput.
pub(crate) const OUTPUT: Group = Group {
    name: "output",
    placement: Placement::Free,
    rounds: (2, 6),
    probes: &[
        Probe {
            rows: &[Row {
                name: "output",
                title: "256 MiB of output (quick: 128)",
                unit: Unit::Throughput,
                floor: &[(Floor::PipeToSocket, 1.0)],
                budgets: &[Budget::Floor(0.6), Budget::Peer],
            }],
            take: |scene, subject| {
                let total = total(scene);
                flow(scene, subject, total, false, false)
            },
        },
        Probe {
            rows: &[Row {
                name: "output-compared",
                title: "64 MiB, each byte compared",
                unit: Unit::Throughput,
                floor: &[],
                budgets: &[],
            }],
            take: |scene, subject| flow(scene, subject, COMPARED, false, true),
        },
        Probe {
            rows: &[Row {
                name: "output-tty",
                title: "16 MiB through a terminal",
                unit: Unit::Throughput,
                floor: &[(Floor::Terminal, 1.0)],
                budgets: &[Budget::Floor(0.75), Budget::Peer],
            }],
            take: |scene, subject| flow(scene, subject, TERMINAL, true, false),
        },
    ],
};

fn flow(
    scene: &mut Scene<'_>,
    subject: &Subject,
    total: usize,
    tty: bool,
    compare: bool,
) -> Result<Series, Failure> {
    let mut connection = subject.connect(limits::LARGE_READS)?;
    let id = scene.process_id();
    let program = text(&std::env::current_exe()?);
    let argv = [program.as_str(), "child", "output", &total.to_string()];
    let params = start_params(scene, subject, &id, &argv, tty, false);
    let mut account = Account::new(compare);
    let begin = Instant::now();
    connection.send("process/start", &params)?;
    let mut last = None;
    while last.is_none_or(|last| account.events < last) {
        let text = match connection.next() {
            // `closed` came, but not everything before it: told below in numbers.
            Err(Failure::Silence { .. }) if last.is_some() => break,
            text => text?,
        };
        match incoming::read(&text) {
            Some(Incoming::Output { seq, chunk, .. }) => account.output(seq, chunk)?,
            Some(Incoming::Exited { seq, code: 0, .. }) => account.event(seq)?,
            Some(Incoming::Exited { code, .. }) => {
                return Err(Failure::Wrong(format!(
                    "exit code {code} of the output child"
                )));
            }
            Some(Incoming::Closed { seq, .. }) => {
                account.event(seq)?;
                last = Some(seq);
                connection.patience(limits::LATECOMERS)?;
            }
            Some(Incoming::Answer { ok: false, .. }) => {
                crate::connection::accept("process/start", &text)?;
            }
            Some(_) => {}
            None => return Err(unreadable(&text)),
        }
    }
    let rate = mib_per_second(total, begin);
    if account.bytes != total || Some(account.events) != last {
        return Err(Failure::Wrong(format!(
            "{} of {total} bytes and {} of {} events arrived",
            account.bytes,
            account.events,
            last.unwrap_or_default(),
        )));
    }
    Ok(vec![vec![rate]])
}

/// What arrived: every number once, every byte in its place. Numbers may come out of order.
struct Account {
    /// The number that is due.
    next: u64,
    /// Events counted.
    events: u64,
    /// Bytes counted.
    bytes: usize,
    /// What came before its turn; the text only when it is to be compared.
    early: BTreeMap<u64, String>,
    /// The pattern, twice its period and a message long.
    expected: Option<Vec<u8>>,
    /// Bytes compared so far.
    compared: usize,
}

impl Account {
    fn new(compare: bool) -> Self {
        Self {
            next: 1,
            events: 0,
            bytes: 0,
            early: BTreeMap::new(),
            expected: compare.then(|| pattern(PERIOD + limits::MESSAGE / 16)),
            compared: 0,
        }
    }

    fn event(&mut self, seq: u64) -> Result<(), Failure> {
        self.place(seq, "")
    }

    fn output(&mut self, seq: u64, chunk: &str) -> Result<(), Failure> {
        self.bytes += decoded(chunk);
        self.place(seq, chunk)
    }

    fn place(&mut self, seq: u64, chunk: &str) -> Result<(), Failure> {
        self.events += 1;
        if seq < self.next || self.early.contains_key(&seq) {
            return Err(Failure::Wrong(format!("number {seq} came twice")));
        }
        if seq > self.next {
            let kept = if self.expected.is_some() {
                chunk.to_owned()
            } else {
                String::new()
            };
            self.early.insert(seq, kept);
            return Ok(());
        }
        self.next += 1;
        self.compare(chunk)?;
        while let Some(chunk) = self.early.remove(&self.next) {
            self.next += 1;
            self.compare(&chunk)?;
        }
        Ok(())
    }

    fn compare(&mut self, chunk: &str) -> Result<(), Failure> {
        let Some(expected) = &self.expected else {
            return Ok(());
        };
        let bytes = base64_simd::STANDARD
            .decode_to_vec(chunk)
            .map_err(|_| Failure::Wrong("output that is no base64".into()))?;
        let at = self.compared % PERIOD;
        if expected.get(at..at + bytes.len()) != Some(bytes.as_slice()) {
            return Err(Failure::Wrong(format!(
                "output differs from what the child wrote, at byte {} or after",
                self.compared
            )));
        }
        self.compared += bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(from: usize, to: usize) -> String {
        base64_simd::STANDARD.encode_to_string(&pattern(to)[from..])
    }

    #[test]
    fn chunks_out_of_order_are_accepted_and_compared_in_order() {
        let mut account = Account::new(true);
        account.output(2, &chunk(10, 25)).expect("early");
        account.output(1, &chunk(0, 10)).expect("due");
        account.event(3).expect("exited");
        assert_eq!((account.bytes, account.compared, account.next), (25, 25, 4));
    }

    #[test]
    fn a_lost_byte_and_a_doubled_number_are_noticed() {
        let mut account = Account::new(true);
        assert!(account.output(1, &chunk(1, 10)).is_err());
        let mut account = Account::new(false);
        account.output(1, &chunk(0, 10)).expect("due");
        assert!(account.output(1, &chunk(10, 20)).is_err());
    }

    #[test]
    fn the_length_behind_base64_is_known_without_decoding() {
        for length in 0..7 {
            assert_eq!(
                decoded(&base64_simd::STANDARD.encode_to_string(vec![0; length])),
                length
            );
        }
    }
}
