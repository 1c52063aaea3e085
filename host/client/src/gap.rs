//! What a `process/read` says about numbers that were missed. Pure.
//!
//! One sequence numbers output, exit and close. The answer holds the chunks that are still retained; exit and close are
//! only flags in it, so their numbers follow from what is left over.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_wire::process::ReadResult;

use crate::events::Event;
use crate::{ClientError, limits};

/// Completes `events` (those after number `last` that are already here) from `read`, which was asked with `afterSeq: last`.
/// Afterwards every number from `last + 1` to `nextSeq - 1` is accounted for; runs that are nowhere any more are
/// [`Event::Lost`], keyed by their first number and standing for `count` numbers.
pub(crate) fn fill(
    last: u64,
    events: &mut BTreeMap<u64, Event>,
    read: ReadResult,
    exit_known: bool,
) {
    let end = read.next_seq.saturating_sub(1);
    for chunk in read.chunks {
        if chunk.seq > last {
            events.entry(chunk.seq).or_insert(Event::Output {
                stream: chunk.stream,
                data: chunk.chunk.0,
            });
        }
    }
    // Close is always the last number.
    if read.closed && end > last {
        events.entry(end).or_insert(Event::Closed);
    }
    let exit_known = exit_known
        || events
            .values()
            .any(|event| matches!(event, Event::Exited { .. }));
    if read.exited
        && !exit_known
        && let Some(seq) = highest_missing(last, end, events)
    {
        // Eviction takes the oldest output first, so the exit is the highest number that is left.
        let exit_code = read.exit_code.unwrap_or(-1);
        events.insert(
            seq,
            Event::Exited {
                exit_code,
                sandbox_denied: read.sandbox_denied,
            },
        );
    }
    let mut next = last + 1;
    let here: Vec<(u64, u64)> = events
        .range(next..)
        .take_while(|&(&seq, _)| seq <= end)
        .map(|(&seq, event)| (seq, event.numbers()))
        .collect();
    for (seq, numbers) in here.into_iter().chain([(end + 1, 0)]) {
        if seq > next {
            events.insert(next, Event::Lost { count: seq - next });
        }
        next = next.max(seq + numbers);
    }
}

/// Of a server that counts.
pub(crate) fn checked(read: ReadResult) -> Result<ReadResult, ClientError> {
    let last = read.chunks.iter().map(|chunk| chunk.seq).max();
    let last = last.max(Some(read.next_seq.saturating_sub(1)));
    match last {
        Some(last) if last > limits::LAST_NUMBER => Err(ClientError::Protocol(format!(
            "a process is said to have an event with number {last}"
        ))),
        _ => Ok(read),
    }
}

/// What `read`, asked when a link was back, brings beyond what has come: everything up to number `after`, and the numbers `ahead`. Everything
/// up to its end must be there then; the error is how many numbers are not.
pub(crate) fn recover(
    after: u64,
    ahead: &BTreeSet<u64>,
    read: ReadResult,
    exit_known: bool,
) -> Result<BTreeMap<u64, Event>, u64> {
    // In the place of those that have come.
    let mut events: BTreeMap<u64, Event> = ahead
        .iter()
        .map(|&seq| (seq, Event::Lost { count: 1 }))
        .collect();
    fill(after, &mut events, read, exit_known);
    events.retain(|seq, _| !ahead.contains(seq));
    let missing = events.values().map(|event| match event {
        Event::Lost { count } => *count,
        _ => 0,
    });
    match missing.sum() {
        0 => Ok(events),
        missing => Err(missing),
    }
}

fn highest_missing(last: u64, end: u64, events: &BTreeMap<u64, Event>) -> Option<u64> {
    let mut seq = end;
    for (&present, _) in events.range(..=end).rev() {
        if present < seq {
            break;
        }
        seq = present.checked_sub(1)?;
    }
    (seq > last).then_some(seq)
}

#[cfg(test)]
mod tests {
    use lockgate_wire::process::{OutputChunk, Stream};

    use super::*;

    fn read(chunks: &[u64], next_seq: u64, exited: bool, closed: bool) -> ReadResult {
        ReadResult {
            chunks: chunks
                .iter()
                .map(|&seq| OutputChunk {
                    seq,
                    stream: Stream::Stdout,
                    chunk: vec![b'x'].into(),
                })
                .collect(),
            next_seq,
            exited,
            exit_code: exited.then_some(3),
            closed,
            ..ReadResult::default()
        }
    }

    fn filled(last: u64, here: &[(u64, Event)], read: ReadResult) -> String {
        let mut events: BTreeMap<u64, Event> = here.iter().cloned().collect();
        fill(last, &mut events, read, false);
        let texts: Vec<String> = events
            .iter()
            .map(|(seq, event)| match event {
                Event::Output { .. } => format!("{seq}"),
                Event::Exited { exit_code, .. } => format!("{seq}=exit {exit_code}"),
                Event::Closed => format!("{seq}=closed"),
                Event::Lost { count } => format!("{seq}=lost {count}"),
                Event::Failed(_) => "failed".to_owned(),
            })
            .collect();
        texts.join(" ")
    }

    #[test]
    fn every_number_is_accounted_for() {
        let out = Event::Output {
            stream: Stream::Stdout,
            data: vec![b'x'],
        };
        for (last, here, answer, wanted) in [
            (0, vec![], read(&[], 1, false, false), ""),
            (0, vec![], read(&[1, 2], 3, false, false), "1 2"),
            (
                5,
                vec![],
                read(&[6, 7], 10, true, true),
                "6 7 8=exit 3 9=closed",
            ),
            // Output after the exit.
            (
                5,
                vec![],
                read(&[6, 8], 10, true, true),
                "6 7=exit 3 8 9=closed",
            ),
            // Evicted output, nothing else.
            (5, vec![], read(&[9], 10, false, false), "6=lost 3 9"),
            // Evicted output and an exit after it.
            (
                5,
                vec![],
                read(&[9], 12, true, true),
                "6=lost 3 9 10=exit 3 11=closed",
            ),
            // All output evicted.
            (
                5,
                vec![],
                read(&[], 12, true, true),
                "6=lost 4 10=exit 3 11=closed",
            ),
            // Some of it was pushed meanwhile, also beyond the answer.
            (
                5,
                vec![(8, out.clone()), (12, out.clone())],
                read(&[9], 11, false, false),
                "6=lost 2 8 9 10=lost 1 12",
            ),
            // A server of May 2026: nextSeq follows the chunks, exit and close are not covered yet.
            (0, vec![], read(&[1, 2], 3, true, true), "1 2"),
            (2, vec![], read(&[], 5, true, true), "3=exit 3 4=closed"),
            // Nothing new.
            (4, vec![], read(&[], 5, true, true), ""),
            // A server that makes no sense does no harm.
            (4, vec![], read(&[], 0, true, true), ""),
            (4, vec![], read(&[2], 3, false, false), ""),
        ] {
            assert_eq!(filled(last, &here, answer), wanted);
        }
    }

    #[test]
    fn an_exit_that_was_seen_is_not_invented_again() {
        let mut events = BTreeMap::new();
        fill(5, &mut events, read(&[7], 9, true, true), true);
        assert!(matches!(events[&6], Event::Lost { count: 1 }));
        assert!(matches!(events[&8], Event::Closed));
    }
}
