//! The log without processes: who is told what and when, and who waits for whom.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use super::*;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Observer for Counter {
    fn output_available(&self, process: u64) {
        assert_eq!(process, 7);
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    fn told(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn log() -> OutputLog {
    OutputLog::new(
        7,
        &[Stream::Stdout, Stream::Stderr],
        Readers::Optional,
        None,
    )
}

fn say(log: &OutputLog, len: usize) -> Read {
    log.read(Stream::Stdout, |space| Ok(len.min(space.len())))
}

fn flood(log: &OutputLog, mut bytes: usize) {
    while bytes > 0 {
        match say(log, bytes) {
            Read::Bytes(len) => bytes -= len,
            other => panic!("{other:?}"),
        }
    }
}

fn next(log: &OutputLog, cursor: &mut Cursor) -> Option<u64> {
    log.next_event(cursor, |event| event.seq())
}

/// Whether pacing would let the reader go on at once.
fn lets_through(log: &OutputLog) -> bool {
    std::pin::pin!(log.pace())
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        == Poll::Ready(())
}

#[test]
fn an_observer_is_told_once_for_each_time_its_cursor_had_nothing() {
    let (log, counter) = (log(), Arc::new(Counter::default()));
    let mut cursor = log.attach(counter.clone(), Position::Oldest);
    assert_eq!(counter.told(), 0);
    say(&log, 1);
    say(&log, 1);
    assert_eq!(counter.told(), 1);
    assert_eq!(
        (next(&log, &mut cursor), next(&log, &mut cursor)),
        (Some(1), Some(2))
    );
    // Not yet: it has not seen that there is nothing.
    say(&log, 1);
    assert_eq!(counter.told(), 1);
    assert_eq!(
        (next(&log, &mut cursor), next(&log, &mut cursor)),
        (Some(3), None)
    );
    log.finish(0);
    assert_eq!(counter.told(), 2);
    assert_eq!(
        (next(&log, &mut cursor), next(&log, &mut cursor)),
        (Some(4), Some(5))
    );
    assert_eq!(next(&log, &mut cursor), None);
}

#[test]
fn where_a_cursor_begins_decides_what_it_sees() {
    let log = log();
    say(&log, 3);
    let (old, new) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    let mut from_start = log.attach(old.clone(), Position::Oldest);
    let mut from_now = log.attach(new.clone(), Position::Now);
    assert_eq!((old.told(), new.told()), (1, 0));
    say(&log, 3);
    assert_eq!((old.told(), new.told()), (1, 1));
    assert_eq!(next(&log, &mut from_start), Some(1));
    assert_eq!(next(&log, &mut from_now), Some(2));
    log.detach(from_now);
    say(&log, 3);
    assert_eq!(new.told(), 1);
}

#[test]
fn nothing_that_happened_is_no_news() {
    let (log, counter) = (log(), Arc::new(Counter::default()));
    let _cursor = log.attach(counter.clone(), Position::Oldest);
    let nothing = log.read(Stream::Stdout, |_| Err(io::ErrorKind::WouldBlock.into()));
    assert_eq!(nothing, Read::Nothing);
    // The end of one stream has no number.
    assert_eq!(log.read(Stream::Stdout, |_| Ok(0)), Read::Ended);
    assert_eq!(counter.told(), 0);
    assert_eq!(say(&log, 1), Read::Ended);
    log.set_exit(0);
    assert_eq!((counter.told(), log.is_closed()), (1, false));
    assert_eq!(
        log.read(Stream::Stderr, |_| Err(io::ErrorKind::Other.into())),
        Read::Ended
    );
    assert!(log.is_closed());
}

#[tokio::test]
async fn an_attached_cursor_that_lags_far_holds_the_reader_and_moving_lets_it_go() {
    let (log, counter) = (log(), Arc::new(Counter::default()));
    flood(&log, 900_000);
    assert!(!lets_through(&log), "somebody may be about to attach");
    log.handed_over();
    assert!(lets_through(&log), "nobody is attached");
    let resumed = log.attach(counter.clone(), Position::Now);
    assert!(lets_through(&log), "it has nothing to catch up with");
    let mut cursor = log.attach(counter.clone(), Position::Oldest);
    assert!(!lets_through(&log));
    for _ in 0..3 {
        next(&log, &mut cursor);
    }
    assert!(lets_through(&log));
    flood(&log, 200_000);
    assert!(!lets_through(&log));
    log.detach(cursor);
    assert!(lets_through(&log));
    log.detach(resumed);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_does_not_move_counts_as_stalled_until_it_does() {
    let (log, counter) = (log(), Arc::new(Counter::default()));
    let mut cursor = log.attach(counter, Position::Oldest);
    flood(&log, 1_000_000);
    let begin = tokio::time::Instant::now();
    log.pace().await;
    assert_eq!(begin.elapsed(), limits::PACE_PATIENCE);
    flood(&log, 1_000_000);
    assert!(lets_through(&log), "it is stalled");
    next(&log, &mut cursor);
    assert!(!lets_through(&log), "it moved, and is worth waiting for");
    let (paced, ()) = tokio::join!(log.pace(), async {
        while next(&log, &mut cursor).is_some() {}
    });
    assert_eq!(paced, ());
    assert!(begin.elapsed() < limits::PACE_PATIENCE * 2);
}

#[tokio::test]
async fn a_cursor_that_fell_out_of_the_ring_goes_on_where_it_can_and_is_not_behind_then() {
    let (log, counter) = (log(), Arc::new(Counter::default()));
    let mut cursor = log.attach(counter, Position::Oldest);
    flood(&log, 10_000_000);
    let first = next(&log, &mut cursor);
    assert!(first > Some(1), "{first:?}");
    let mut last = first;
    while let Some(seq) = next(&log, &mut cursor) {
        assert_eq!(Some(seq), last.map(|last| last + 1));
        last = Some(seq);
    }
    assert!(lets_through(&log));
}

#[test]
fn a_panic_while_an_event_is_taken_spoils_nothing() {
    let (log, counter) = (log(), Arc::new(Counter::default()));
    let mut cursor = log.attach(counter, Position::Oldest);
    say(&log, 1);
    say(&log, 1);
    let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        log.next_event(&mut cursor, |_| panic!("an encoder's bug"))
    }));
    assert!(taken.is_err());
    assert_eq!(next(&log, &mut cursor), Some(2));
    assert_eq!(log.snapshot(0, None).chunks.len(), 2);
}

#[test]
fn a_long_poll_is_ready_for_a_chunk_an_unread_exit_or_the_end() {
    let log = log();
    assert!(!log.ready(0));
    say(&log, 1);
    assert!(log.ready(0) && !log.ready(1) && !log.ready(u64::MAX));
    log.set_exit(3);
    assert!(log.ready(1) && !log.ready(2));
    say(&log, 1);
    assert!(log.ready(2) && !log.ready(3));
    log.finish(-1);
    assert!(log.ready(3) && log.ready(99));
    assert_eq!(log.exit_code(), Some(3));
}

/// As the one who reads a child: not without asking. Gives how much is kept above a number then.
fn run_on(log: &OutputLog, above: u64) -> usize {
    while lets_through(log) {
        say(log, limits::CHUNK_BYTES);
    }
    let chunks = log.snapshot(above, None).chunks;
    let numbers = chunks.iter().map(|chunk| chunk.seq);
    assert!(
        numbers.eq((above + 1..).take(chunks.len())),
        "without a hole"
    );
    chunks.iter().map(|chunk| chunk.data.len()).sum()
}

/// Held up at this: the chunk that goes beyond is the last.
fn is_held_at(limit: u64, kept: usize) -> bool {
    kept > limit as usize && kept <= limit as usize + limits::CHUNK_BYTES
}

#[test]
fn a_reader_that_acknowledges_holds_the_child_at_what_it_has_not_whether_or_not_it_is_attached() {
    let log = OutputLog::new(7, &[Stream::Stdout], Readers::Acknowledging, None);
    let mut cursor = log.attach(Arc::new(Counter::default()), Position::Oldest);
    log.handed_over();
    assert!(is_held_at(limits::HELD_LAG_BYTES, run_on(&log, 0)));
    // What was handed to the connection may still be lost with it.
    let mut last = 0;
    while let Some(seq) = next(&log, &mut cursor) {
        last = seq;
    }
    assert!(!lets_through(&log));
    log.detach(cursor);
    assert!(!lets_through(&log), "nobody is attached, and it waits");
    // An acknowledgement of some is room for others, and all that was not acknowledged is still here, again and again.
    for round in 1..=5 {
        let some = last * round / 2;
        log.acknowledge(some);
        assert!(is_held_at(limits::HELD_LAG_BYTES, run_on(&log, some)));
    }
    // An old acknowledgement takes nothing back, one of the future counts for what there is.
    log.acknowledge(0);
    assert!(!lets_through(&log));
    log.acknowledge(u64::MAX);
    assert!(lets_through(&log));
    // In events, too: single bytes are evicted by their number first.
    for _ in 0..=limits::PACE_CHUNKS {
        say(&log, 1);
    }
    assert!(!lets_through(&log));
    log.let_go();
    assert!(lets_through(&log));
    // What nobody needs is kept as for others.
    flood(&log, 2 * limits::HELD_BYTES);
    assert!(lets_through(&log));
    let kept = log.snapshot(0, None).chunks;
    let kept: usize = kept.iter().map(|chunk| chunk.data.len()).sum();
    assert!(kept <= limits::RETAINED_BYTES, "{kept}");
}

#[test]
fn attack_24_so_many_processes_are_held_up_with_much_kept_and_the_others_with_less() {
    let new = || OutputLog::new(7, &[Stream::Stdout], Readers::Acknowledging, None);
    let mut logs: Vec<OutputLog> = Vec::new();
    // Other tests of this program may have some of the places.
    let early = loop {
        assert!(logs.len() <= limits::HELD_AT_ONCE);
        let log = new();
        let kept = run_on(&log, 0);
        if is_held_at(limits::PACE_LAG_BYTES, kept) {
            break log;
        }
        assert!(is_held_at(limits::HELD_LAG_BYTES, kept), "{kept}");
        logs.push(log);
    };
    // One that goes makes room.
    drop(logs);
    assert!(is_held_at(limits::HELD_LAG_BYTES, run_on(&early, 0)));
}
