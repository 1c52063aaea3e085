//! A queue between a server that keeps a log, a link that is lost at points of chance, and a reader that comes when it likes.

use lockgate_wire::process::{OutputChunk, Stream};

use super::*;

/// The same numbers for the same seed (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A process and its log.
struct Server {
    /// Answers of May 2026, with numbers that follow the chunks.
    is_old: bool,
    last: u64,
    exit: Option<u64>,
    close: Option<u64>,
    /// Output before this number is evicted.
    kept: u64,
}

impl Server {
    /// Something happens: its number.
    fn go_on(&mut self, chance: &mut Chance) -> Option<u64> {
        if self.close.is_some() {
            return None;
        }
        self.last += 1;
        let number = self.last;
        match (self.exit, chance.below(40)) {
            (None, 0) => self.exit = Some(number),
            (Some(_), 0..10) => self.close = Some(number),
            _ => {}
        }
        Some(number)
    }

    fn event(&self, number: u64) -> Event {
        match Some(number) {
            exit if exit == self.exit => Event::Exited {
                exit_code: 7,
                sandbox_denied: false,
            },
            close if close == self.close => Event::Closed,
            _ => Event::Output {
                stream: Stream::Stdout,
                data: number.to_le_bytes().to_vec(),
            },
        }
    }

    fn is_output(&self, number: u64) -> bool {
        matches!(self.event(number), Event::Output { .. })
    }

    fn read(&self, after: u64) -> ReadResult {
        let numbers =
            (after + 1..=self.last).filter(|&seq| seq >= self.kept && self.is_output(seq));
        let chunks: Vec<_> = numbers
            .map(|seq| OutputChunk {
                seq,
                stream: Stream::Stdout,
                chunk: seq.to_le_bytes().to_vec().into(),
            })
            .collect();
        let next_seq = match chunks.last() {
            Some(chunk) if self.is_old => chunk.seq + 1,
            _ => self.last + 1,
        };
        ReadResult {
            chunks,
            next_seq,
            exited: self.exit.is_some(),
            exit_code: self.exit.map(|_| 7),
            closed: self.close.is_some(),
            ..ReadResult::default()
        }
    }
}

/// What the reader has seen.
#[derive(Default)]
struct Reader {
    last: u64,
    lost: u64,
    exits: u32,
    is_closed: bool,
    failed: bool,
}

impl Reader {
    /// Reads one event, or has what is missing fetched while there is a link.
    fn read(&mut self, queue: &Queue, server: &Server) -> bool {
        if self.is_closed || self.failed {
            return false;
        }
        match queue.next() {
            Next::Event(event) => {
                self.last += event.numbers();
                match event {
                    Event::Output { data, .. } => {
                        assert_eq!(data, self.last.to_le_bytes(), "in order, each once");
                    }
                    Event::Lost { count } => self.lost += count,
                    Event::Exited { exit_code, .. } => {
                        assert_eq!(exit_code, 7);
                        self.exits += 1;
                    }
                    Event::Closed => self.is_closed = true,
                    Event::Failed(_) => unreachable!("that is no event of the queue"),
                }
                true
            }
            Next::Gap { .. } => {
                queue.fill(server.read(queue.last()));
                true
            }
            Next::Failed(_) => {
                self.failed = true;
                false
            }
            Next::Nothing => false,
        }
    }
}

fn recover(queue: &Queue, server: &Server) -> Recovered {
    while let Some(after) = queue.received() {
        match queue.recover(after, server.read(after)) {
            Recovered::More => {}
            outcome => return outcome,
        }
    }
    Recovered::Whole
}

/// Whether the process came to its end for the reader.
fn run(seed: u64) -> bool {
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let is_old = seed.is_multiple_of(2);
    // Where servers of May 2026 have evicted output, nothing tells which of the numbers is the exit's.
    let evicts = seed.is_multiple_of(3) && !is_old;
    let queue = match seed % 5 {
        0 => Queue::late(false, false),
        _ => Queue::new(false, false),
    };
    let mut server = Server {
        is_old,
        last: 0,
        exit: None,
        close: None,
        kept: 0,
    };
    let mut reader = Reader::default();
    let mut under_way = Vec::new();
    for _ in 0..2_000 {
        match chance.below(20) {
            0..8 => under_way.extend(server.go_on(&mut chance)),
            8..13 => {
                // Servers may be a little out of order.
                if !under_way.is_empty() {
                    let place = chance.below(3.min(under_way.len() as u64)) as usize;
                    let number = under_way.remove(place);
                    queue.push(number, server.event(number), true);
                }
            }
            13..18 => {
                reader.read(&queue, &server);
            }
            18 if evicts => {
                server.kept = server.kept.max(chance.below(server.last + 1));
            }
            _ => {
                // The link is lost, with all that is under way. Time passes, and the next one begins in the middle.
                under_way.clear();
                for _ in 0..chance.below(10) {
                    server.go_on(&mut chance);
                }
                let from = queue.received();
                if chance.below(2) == 0
                    && let Some(number) = server.go_on(&mut chance)
                {
                    queue.push(number, server.event(number), true);
                }
                match recover(&queue, &server) {
                    Recovered::Whole => {}
                    Recovered::Missing(missing) => {
                        assert!(missing > 0, "this server does not contradict itself");
                        assert!(from.is_some_and(|from| from < server.kept), "seed {seed}");
                        queue.abandon("a hole".to_owned());
                        break;
                    }
                    Recovered::More => unreachable!("asked until it is more or less"),
                }
            }
        }
    }
    let abandoned = queue.state().failed.is_some();
    if !abandoned {
        while server.close.is_none() {
            server.go_on(&mut chance);
        }
        server.kept = 0;
        assert_eq!(recover(&queue, &server), Recovered::Whole, "seed {seed}");
    }
    while reader.read(&queue, &server) {}
    assert_eq!(reader.failed, abandoned, "seed {seed}");
    assert!(evicts || reader.lost == 0, "seed {seed}");
    if !abandoned {
        assert!(reader.is_closed, "seed {seed}");
        assert_eq!((reader.last, reader.exits), (server.last, 1), "seed {seed}");
    }
    !abandoned
}

#[test]
fn whatever_is_lost_on_the_way_a_reader_gets_each_number_once_and_in_order_or_is_told() {
    let whole = (1..=3_000).filter(|&seed| run(seed)).count();
    // Both ends are seen.
    assert!((100..3_000).contains(&whole), "{whole}");
}

#[test]
fn numbers_far_ahead_cost_no_memory_without_bound() {
    let queue = Queue::new(false, false);
    for number in 0..4 * limits::EVENTS as u64 {
        queue.push(2 * number + 2, Event::Closed, true);
    }
    let state = queue.state();
    assert!(state.ahead.len() <= limits::EVENTS && state.events.len() <= limits::EVENTS);
}

#[test]
fn the_largest_number_there_is_does_no_harm() {
    let queue = Queue::new(false, false);
    let read = ReadResult {
        next_seq: limits::LAST_NUMBER,
        ..ReadResult::default()
    };
    queue.fill(read.clone());
    queue.push(limits::LAST_NUMBER, Event::Closed, true);
    assert_eq!(queue.received(), None);
    assert!(matches!(queue.next(), Next::Event(Event::Lost { .. })));
    assert!(matches!(queue.next(), Next::Event(Event::Closed)));
    assert!(matches!(queue.next(), Next::Nothing));
    assert_eq!(
        Queue::new(false, false).recover(0, read),
        Recovered::Missing(limits::LAST_NUMBER - 1)
    );
}
