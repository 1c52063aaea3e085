//! A process that goes on for longer, or writes more, than it may.

use std::time::Duration;

use lockgate_process::{Bounds, Exceeded, Spawn, Stdio};

use crate::support::{NO_STDIN, TTY, Watched, closed, number, script, start, text};

pub(crate) const TIME: Duration = Duration::from_secs(1);

pub(crate) fn timed(text: &str) -> Spawn {
    Spawn {
        bounds: Bounds {
            time: Some(TIME),
            output: None,
        },
        ..script(text, NO_STDIN)
    }
}

pub(crate) fn limited(text: &str, stdio: Stdio, output: u64) -> Spawn {
    Spawn {
        bounds: Bounds {
            time: None,
            output: Some(output),
        },
        ..script(text, stdio)
    }
}

#[tokio::test]
async fn attack_21_time_ends_with_all_that_was_started_in_it() {
    let process = start(timed(
        "setsid sh -c 'echo far=$$; exec sleep 1000' & trap '' TERM; echo own=$$; wait; sleep 1000",
    ));
    let far = Watched::new(number(&process, "far").await);
    let own = Watched::new(number(&process, "own").await);
    let all = closed(&process).await;
    assert_eq!(all.exceeded, Some(Exceeded::Time(TIME)));
    assert_eq!(all.exit_code, Some(-1));
    own.assert_ends();
    far.assert_ends();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_21_what_is_left_in_the_background_has_no_more_time_than_the_process_had() {
    let process = start(timed("sleep 1000 >/dev/null 2>&1 & echo left=$!; exit 7"));
    let left = Watched::new(number(&process, "left").await);
    let all = closed(&process).await;
    // It ended by itself, and in time.
    assert_eq!((all.exit_code, all.exceeded), (Some(7), None));
    left.assert_ends();
}

#[tokio::test]
async fn output_ends_at_its_bound_to_the_byte() {
    for (stdio, script) in [
        (NO_STDIN, "printf 12345678; exec sleep 1000"),
        (NO_STDIN, "printf 1234; printf 5678 >&2; exec sleep 1000"),
        (TTY, "printf 12345678; exec sleep 1000"),
        (NO_STDIN, "yes 1234567"),
    ] {
        let process = start(limited(script, stdio, 7));
        let all = closed(&process).await;
        assert_eq!(all.exceeded, Some(Exceeded::Output(7)), "{script}");
        assert_eq!(text(&all).len(), 7, "{script}: {}", text(&all));
        assert_eq!(all.exit_code, Some(-1), "{script}");
    }
}

#[tokio::test]
async fn what_stays_within_its_bounds_is_left_alone() {
    for stdio in [NO_STDIN, TTY] {
        let spawn = Spawn {
            bounds: Bounds {
                time: Some(Duration::from_secs(1000)),
                output: Some(4),
            },
            ..script("printf 1234; exit 3", stdio)
        };
        let all = closed(&start(spawn)).await;
        assert_eq!(
            (text(&all).as_str(), all.exit_code, all.exceeded),
            ("1234", Some(3), None)
        );
    }
}

/// A bound beyond what the clock can hold is none.
#[tokio::test]
async fn endless_bounds_are_none() {
    let spawn = Spawn {
        bounds: Bounds {
            time: Some(Duration::MAX),
            output: Some(u64::MAX),
        },
        ..script("echo well", NO_STDIN)
    };
    let all = closed(&start(spawn)).await;
    assert_eq!((text(&all).as_str(), all.exit_code), ("well\n", Some(0)));
}
