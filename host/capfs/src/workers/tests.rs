//! What hangs here waits for the test's word instead of a file system's.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::state::{Place, State, Work};
use super::*;

/// Far more than anything here takes; what is waited for comes or the test fails.
const DEADLINE: Duration = Duration::from_secs(20);

const LONG: Patience = Patience {
    silence: DEADLINE,
    total: DEADLINE,
    changes: false,
};

const SHORT: Patience = Patience {
    silence: Duration::from_millis(50),
    total: Duration::from_millis(50),
    changes: false,
};

fn pool(live: usize, abandoned: usize) -> Workers {
    Workers::new(WorkerLimits {
        live,
        abandoned,
        idle: DEADLINE,
    })
}

/// A job that has begun and comes back when it is told to, or when the test has ended.
struct Hanging {
    release: Sender<()>,
    outcome: Receiver<Result<&'static str, NotDone>>,
}

impl Hanging {
    fn begin(workers: &Workers, patience: Patience) -> Hanging {
        let (release, released) = channel::<()>();
        let (begun, has_begun) = channel();
        let (told, outcome) = channel();
        let job = move || {
            begun.send(()).expect("the test waits for it");
            let _ = released.recv();
            "came back"
        };
        workers.run(patience, job, move |outcome| {
            let _ = told.send(outcome);
        });
        has_begun.recv_timeout(DEADLINE).expect("it begins");
        Hanging { release, outcome }
    }

    fn outcome(&self) -> Result<&'static str, NotDone> {
        self.outcome.recv_timeout(DEADLINE).expect("told in time")
    }

    fn given_up(workers: &Workers) -> Hanging {
        let hanging = Hanging::begin(workers, SHORT);
        let outcome = hanging.outcome();
        assert!(
            matches!(outcome, Err(NotDone::GaveUp { .. })),
            "{outcome:?}"
        );
        hanging
    }
}

/// Runs something that does not hang.
fn quick(workers: &Workers) -> Result<u32, NotDone> {
    let (told, outcome) = channel();
    workers.run(
        LONG,
        || 7,
        move |outcome| told.send(outcome).expect("the test waits for it"),
    );
    outcome.recv_timeout(DEADLINE).expect("told in time")
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let patience = Instant::now();
    while !is_so() {
        assert!(patience.elapsed() < DEADLINE, "never {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_result_comes_from_another_thread_which_then_takes_the_next_job() {
    let workers = pool(8, 8);
    let (told, outcome) = channel();
    workers.run(
        LONG,
        || std::thread::current().id(),
        move |id| told.send(id).expect("the test waits"),
    );
    let id = outcome.recv_timeout(DEADLINE).expect("in time");
    assert_ne!(id, Ok(std::thread::current().id()));
    for _ in 0..100 {
        assert_eq!(quick(&workers), Ok(7));
    }
    assert!(workers.report().live <= 3, "{workers:?}");
}

#[test]
fn who_waits_for_a_job_that_hangs_is_told_and_others_go_on_meanwhile() {
    let workers = pool(8, 8);
    let hanging = Hanging::given_up(&workers);
    assert_eq!(quick(&workers), Ok(7));
    assert_eq!(workers.report().hanging, 1);
    drop(hanging.release);
    until("came back", || workers.report().hanging == 0);
}

#[test]
fn a_late_result_is_dropped_and_nobody_is_told_twice() {
    struct Dropped(Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let workers = pool(8, 8);
    let (release, released) = channel::<()>();
    let (dropped, is_dropped) = channel();
    let (told, outcome) = channel();
    let job = move || {
        let _ = released.recv();
        Dropped(dropped)
    };
    workers.run(SHORT, job, move |late| {
        told.send(late.map(drop)).expect("the test waits for it");
    });
    let given_up = outcome.recv_timeout(DEADLINE).expect("in time");
    assert!(matches!(given_up, Err(NotDone::GaveUp { .. })));
    assert!(is_dropped.try_recv().is_err(), "it still hangs");
    drop(release);
    is_dropped.recv_timeout(DEADLINE).expect("dropped");
    // The sender went with the closure that was called, so there will be no second word.
    assert_eq!(
        outcome.recv_timeout(DEADLINE),
        Err(RecvTimeoutError::Disconnected)
    );
}

#[test]
fn at_the_bound_work_is_refused_at_once_until_a_thread_has_come_back() {
    let workers = pool(8, 2);
    let hanging = [Hanging::given_up(&workers), Hanging::given_up(&workers)];
    match quick(&workers) {
        Err(NotDone::Refused { hanging: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    let text = quick(&workers).expect_err("refused").to_string();
    assert!(
        text.contains("2 file calls hang below this server"),
        "{text}"
    );
    let [first, second] = hanging;
    drop(first.release);
    until("came back", || workers.report().hanging == 1);
    assert_eq!(quick(&workers), Ok(7));
    drop(second.release);
}

#[test]
fn at_the_bound_the_threads_that_are_left_go_on() {
    let workers = pool(8, 1);
    let other = Hanging::begin(&workers, LONG);
    let hanging = Hanging::given_up(&workers);
    assert!(matches!(quick(&workers), Err(NotDone::Refused { .. })));
    let Hanging { release, outcome } = other;
    drop(release);
    assert_eq!(outcome.recv_timeout(DEADLINE), Ok(Ok("came back")));
    until("free", || quick(&workers) == Ok(7));
    assert_eq!(workers.report().hanging, 1);
    drop(hanging.release);
}

#[test]
fn signs_of_life_keep_a_long_job_until_its_time_is_up_in_all() {
    let second = Duration::from_secs(1);
    let patience = Patience {
        silence: 10 * second,
        total: 25 * second,
        changes: false,
    };
    let mut state = State::new(WorkerLimits::default());
    let now = Instant::now();
    let work = Work {
        task: Arc::new(Task::new(|| (), |_| ())),
        patience,
        since: now,
        awaited: true,
    };
    let Place::NewThread(_, sign) = state.place(work) else {
        panic!("there is no thread yet");
    };
    for at in [8, 16, 24] {
        assert!(state.look(now + at * second).given_up.is_empty(), "{at} s");
        sign.give(now + at * second);
    }
    let given_up = state.look(now + 26 * second).given_up;
    assert!(matches!(&given_up[..], [(_, NotDone::GaveUp { .. })]));
    assert_eq!((state.live(), state.abandoned()), (0, 1));
}

#[test]
fn work_that_no_thread_comes_free_for_is_told_so_and_never_done() {
    let workers = pool(1, 8);
    let busy = Hanging::begin(&workers, LONG);
    let (told, outcome) = channel();
    let (done, was_done) = channel::<()>();
    workers.run(
        SHORT,
        move || done.send(()),
        move |outcome| told.send(outcome.map(drop)).expect("the test waits"),
    );
    let crowded = outcome.recv_timeout(DEADLINE).expect("told in time");
    assert!(matches!(crowded, Err(NotDone::Crowded { hanging: 0, .. })));
    drop(busy.release);
    assert_eq!(quick(&workers), Ok(7));
    assert_eq!(
        was_done.recv_timeout(DEADLINE),
        Err(RecvTimeoutError::Disconnected),
        "it went unasked"
    );
}

#[test]
fn work_in_the_queue_gets_the_place_of_a_thread_that_hangs() {
    let workers = pool(1, 8);
    let hanging = Hanging::begin(&workers, SHORT);
    assert_eq!(quick(&workers), Ok(7));
    assert!(matches!(hanging.outcome(), Err(NotDone::GaveUp { .. })));
    drop(hanging.release);
    until("one thread again", || workers.report().live == 1);
}

#[test]
fn where_all_threads_hang_the_queue_is_refused() {
    let workers = pool(1, 1);
    let hanging = Hanging::begin(&workers, SHORT);
    assert!(matches!(
        quick(&workers),
        Err(NotDone::Refused { hanging: 1, .. })
    ));
    drop(hanging.release);
    until("came back", || workers.report().hanging == 0);
    assert_eq!(quick(&workers), Ok(7));
}

#[test]
fn a_job_that_panics_is_an_answer_and_its_thread_goes_on() {
    let workers = pool(1, 8);
    let (told, outcome) = channel();
    workers.run(
        LONG,
        || panic!("on purpose"),
        move |outcome: Result<(), NotDone>| told.send(outcome).expect("the test waits"),
    );
    let panicked = outcome.recv_timeout(DEADLINE).expect("told in time");
    assert_eq!(panicked, Err(NotDone::Panicked));
    workers.run(LONG, || (), |_| panic!("on purpose"));
    assert_eq!(quick(&workers), Ok(7));
}

#[test]
fn threads_without_work_end() {
    let workers = Workers::new(WorkerLimits {
        idle: Duration::from_millis(1),
        ..WorkerLimits::default()
    });
    assert_eq!(quick(&workers), Ok(7));
    until("without threads", || workers.report().live == 0);
    assert_eq!(quick(&workers), Ok(7));
}

#[test]
fn what_is_to_be_dropped_waits_for_a_thread_and_is_never_refused() {
    let workers = pool(8, 1);
    let hanging = Hanging::given_up(&workers);
    let (dropped, is_dropped) = channel::<()>();
    workers.drop_later(dropped);
    assert_eq!(is_dropped.try_recv(), Err(TryRecvError::Empty));
    drop(hanging.release);
    assert_eq!(
        is_dropped.recv_timeout(DEADLINE),
        Err(RecvTimeoutError::Disconnected),
        "dropped"
    );
}

#[test]
fn work_is_finished_after_the_last_handle_is_gone_and_threads_end_then() {
    let workers = pool(1, 8);
    let pool = Arc::downgrade(&workers.0.0);
    let busy = Hanging::begin(&workers, LONG);
    let (told, outcome) = channel();
    workers.run(LONG, || 7, move |outcome| told.send(outcome).expect("sent"));
    drop(workers);
    drop(busy.release);
    assert_eq!(outcome.recv_timeout(DEADLINE), Ok(Ok(7)));
    until("all gone", || pool.strong_count() == 0);
}

#[test]
fn a_change_that_was_given_up_may_still_happen_and_the_text_says_so() {
    let workers = pool(8, 8);
    let hanging = Hanging::begin(&workers, SHORT.for_a_change());
    let text = hanging.outcome().expect_err("given up").to_string();
    assert!(text.contains("may still happen"), "{text}");
    drop(hanging.release);
    let hanging = Hanging::begin(&workers, SHORT);
    let text = hanging.outcome().expect_err("given up").to_string();
    assert!(!text.contains("may still happen"), "{text}");
    drop(hanging.release);
}
