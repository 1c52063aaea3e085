//! The output log with real writers: retention, cursors, long polls, pacing.

use std::sync::Arc;

use lockgate_process::limits::{RETAINED_BYTES, RETAINED_CHUNKS};
use lockgate_process::{Cursor, Event, Observer, Position, Process};
use tokio::sync::Notify;

use crate::support::*;

#[derive(Default)]
struct Bell(Notify);

impl Observer for Bell {
    fn output_available(&self, _process: u64) {
        self.0.notify_one();
    }
}

/// Takes events until close; gives the numbers, the bytes of output, and the exit code.
async fn follow(
    process: &Process,
    cursor: &mut Cursor,
    bell: &Bell,
) -> (Vec<u64>, usize, Option<i32>) {
    let (mut numbers, mut bytes, mut code, mut over) = (Vec::new(), 0, None, false);
    while !over {
        let taken = process.log().next_event(cursor, |event| {
            numbers.push(event.seq());
            match event {
                Event::Output { data, .. } => bytes += data.len(),
                Event::Exited { code: known, .. } => code = Some(known),
                Event::Closed { .. } => over = true,
            }
        });
        if taken.is_none() {
            soon(bell.0.notified()).await;
        }
    }
    (numbers, bytes, code)
}

fn gapless(numbers: &[u64]) -> bool {
    numbers.windows(2).all(|pair| pair[0] + 1 == pair[1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_keeps_up_misses_nothing_of_a_flood() {
    let bell = Arc::new(Bell::default());
    let process = start(script("head -c 200000000 /dev/zero; exit 2", NO_STDIN));
    let mut cursor = process.log().attach(bell.clone(), Position::Oldest);
    let (numbers, bytes, code) = follow(&process, &mut cursor, &bell).await;
    assert_eq!((bytes, code), (200_000_000, Some(2)));
    assert!(numbers[0] == 1 && gapless(&numbers));
    assert!(process.log().next_event(&mut cursor, |_| ()).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_streams_in_a_flood_come_whole() {
    let bell = Arc::new(Bell::default());
    let process = start(script(
        "head -c 50000000 /dev/zero >&2 & head -c 50000000 /dev/zero; wait",
        NO_STDIN,
    ));
    let mut cursor = process.log().attach(bell.clone(), Position::Oldest);
    let (numbers, bytes, _) = follow(&process, &mut cursor, &bell).await;
    assert_eq!(bytes, 100_000_000);
    assert!(gapless(&numbers));
}

#[tokio::test]
async fn a_cursor_that_never_moves_does_not_hold_up_the_child() {
    let bell = Arc::new(Bell::default());
    let process = start(script(
        "head -c 20000000 /dev/zero; echo done >&2",
        NO_STDIN,
    ));
    let mut cursor = process.log().attach(bell.clone(), Position::Oldest);
    let all = closed(&process).await;
    assert!(text(&all).contains("done\n"));
    // And when it moves at last it finds what is retained, the gap in sight.
    let (numbers, bytes, code) = follow(&process, &mut cursor, &bell).await;
    assert!(numbers[0] > 1 && gapless(&numbers));
    assert!(
        bytes <= RETAINED_BYTES && bytes > RETAINED_BYTES - 70_000,
        "{bytes}"
    );
    assert_eq!(code, Some(0));
    process.log().detach(cursor);
}

#[tokio::test]
async fn output_with_no_reader_is_bounded_and_the_end_of_it_is_kept() {
    let process = sh("head -c 3000000 /dev/zero; echo end");
    let all = closed(&process).await;
    let kept: usize = all.chunks.iter().map(|chunk| chunk.data.len()).sum();
    assert!(
        kept <= RETAINED_BYTES && kept > RETAINED_BYTES - 70_000,
        "{kept}"
    );
    assert!(text(&all).ends_with("end\n"));
    let numbers: Vec<u64> = all.chunks.iter().map(|chunk| chunk.seq).collect();
    assert!(numbers[0] > 1 && gapless(&numbers));
    assert_eq!(numbers.last().unwrap() + 3, all.next_seq);
}

#[tokio::test]
async fn a_resumed_connection_starts_at_now() {
    let process = start(program(&["cat"], STDIN));
    soon(process.write(b"before".to_vec())).await.unwrap();
    until(&process, "before").await;
    let bell = Arc::new(Bell::default());
    let mut cursor = process.log().attach(bell.clone(), Position::Now);
    assert!(process.log().next_event(&mut cursor, |_| ()).is_none());
    soon(process.write(b"after".to_vec())).await.unwrap();
    soon(bell.0.notified()).await;
    let seen = process.log().next_event(&mut cursor, |event| match event {
        Event::Output { seq, data, .. } => (seq, data.to_vec()),
        _ => panic!("{event:?}"),
    });
    assert_eq!(seen, Some((2, b"after".to_vec())));
    process.log().detach(cursor);
}

#[tokio::test]
async fn a_long_poll_answers_when_there_is_something_new() {
    let process = start(program(&["cat"], STDIN));
    let log = process.log();
    assert!(!log.ready(0));
    soon(process.write(b"x".to_vec())).await.unwrap();
    soon(log.wait_ready(0)).await;
    assert!(!log.ready(1));
    soon(process.close_stdin()).await.unwrap();
    soon(log.wait_ready(1)).await;
    soon(log.closed()).await;
    assert!(log.ready(u64::MAX) && log.ready(3));
}

#[tokio::test]
async fn a_read_is_cut_at_whole_chunks_and_says_where_to_go_on() {
    let process = start(program(&["cat"], STDIN));
    for word in ["aaaa", "bbbb", "cccc"] {
        soon(process.write(word.into())).await.unwrap();
        until(&process, word).await;
    }
    let log = process.log();
    let read = |after, max| {
        let snapshot = log.snapshot(after, max);
        (text(&snapshot), snapshot.next_seq)
    };
    assert_eq!(read(0, None), ("aaaabbbbcccc".into(), 4));
    assert_eq!(read(1, None), ("bbbbcccc".into(), 4));
    assert_eq!(read(0, Some(0)), ("aaaa".into(), 2));
    assert_eq!(read(0, Some(7)), ("aaaa".into(), 2));
    assert_eq!(read(0, Some(8)), ("aaaabbbb".into(), 3));
    assert_eq!(read(3, Some(8)), (String::new(), 4));
    assert_eq!(read(u64::MAX, None), (String::new(), 4));
    soon(process.close_stdin()).await.unwrap();
    soon(log.closed()).await;
    assert_eq!(read(3, Some(8)), (String::new(), 6));
    assert_eq!(read(0, None), ("aaaabbbbcccc".into(), 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chatty_child_makes_few_chunks_and_loses_nothing() {
    let process = start(script(
        "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done",
        NO_STDIN,
    ));
    let all = closed(&process).await;
    assert_eq!(text(&all).lines().count(), 20_000);
    assert!(
        all.chunks.len() < RETAINED_CHUNKS.min(10_000),
        "{}",
        all.chunks.len()
    );
}
