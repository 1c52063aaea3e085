//! What a server does about calls that hang in the kernel, below the gate and without one: it gives them up.
//!
//! Nothing here waits for time to pass: a call is given up while the file system still holds its answer, or the test fails.

#![allow(missing_docs)]

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use lockgate_capfs::workers::{NotDone, Patience, WorkerLimits};
use lockgate_capfs::{
    AbsPath, CacheChoice, CapFs, Files, Follow, FsError, Options, PathBackEnd, Sandbox, Times,
    Workers,
};
use lockgate_slow::{SlowFs, without_fuse};

const DEADLINE: Duration = Duration::from_secs(30);

/// What a call gets here: less than what the file system holds its answers for, more than a call takes that does not hang.
const TIMES: Times = Times {
    operation: Duration::from_millis(300),
    tree: Duration::from_millis(300),
};

fn mounted() -> Option<SlowFs> {
    (!without_fuse()).then(|| SlowFs::mount(env!("CARGO_BIN_EXE_lockgate-slow-fs")))
}

fn gate(back_end: PathBackEnd) -> CapFs {
    let options = Options {
        path_back_end: Some(back_end),
        cache: CacheChoice::At(env!("CARGO_TARGET_TMPDIR").into()),
        times: TIMES,
        ..Options::default()
    };
    CapFs::new(options).expect("a gate")
}

/// Everything may be read and written, but for one path, so that there is something to enforce.
fn sandbox() -> Sandbox {
    let json = r#"{"permissions":{"type":"managed","network":"restricted","file_system":{"type":"restricted","entries":[
        {"path":{"type":"path","path":"/"},"access":"write"},
        {"path":{"type":"path","path":"/nowhere"},"access":"none"}]}}}"#;
    serde_json::from_str(json).expect("a profile")
}

/// Runs a test with each way to files.
fn every_way(test: impl Fn(&mut SlowFs, &Files)) {
    let Some(mut slow) = mounted() else { return };
    test(&mut slow, &Files::Direct);
    for back_end in [PathBackEnd::Openat2, PathBackEnd::Walk] {
        slow.hold();
        let gate = gate(back_end);
        let files = gate.confine(&sandbox().into(), 1).expect("a scope");
        assert!(matches!(files, Files::Scoped(_)));
        test(&mut slow, &files);
    }
}

/// A call on a thread of the pool.
struct Call<T>(Receiver<Result<Result<T, FsError>, NotDone>>);

impl<T: Send + 'static> Call<T> {
    fn begin(
        workers: &Workers,
        files: &Files,
        call: impl FnOnce(&Files) -> Result<T, FsError> + Send + 'static,
    ) -> Call<T> {
        let (told, outcome) = channel();
        let files = files.clone();
        workers.run(
            patience(),
            move || call(&files),
            move |outcome| {
                let _ = told.send(outcome);
            },
        );
        Call(outcome)
    }

    fn outcome(self) -> Result<Result<T, FsError>, NotDone> {
        self.0.recv_timeout(DEADLINE).expect("told in time")
    }

    /// The file system still holds the answer when this returns.
    fn given_up(self) {
        match self.outcome() {
            Err(NotDone::GaveUp { .. }) => {}
            Ok(Ok(_)) => panic!("it did not hang"),
            Ok(Err(error)) => panic!("it failed: {error}"),
            Err(other) => panic!("{other}"),
        }
    }
}

fn patience() -> Patience {
    Patience {
        silence: TIMES.operation,
        total: TIMES.tree,
        changes: false,
    }
}

fn path(slow: &SlowFs, name: &str) -> AbsPath {
    AbsPath::parse(slow.path(name)).expect("a path")
}

fn read(files: &Files, path: &AbsPath) -> Result<Vec<u8>, FsError> {
    files.open(path, Follow::Links)?.read_all(100)
}

fn until_nothing_hangs(workers: &Workers) {
    let patience = Instant::now();
    while workers.report().hanging > 0 {
        assert!(
            patience.elapsed() < DEADLINE,
            "never came back: {workers:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_call_that_hangs_is_given_up_and_others_of_the_same_scope_go_on() {
    every_way(|slow, files| {
        let workers = Workers::default();
        let (late, quick) = (path(slow, "late-read"), path(slow, "quick"));
        let hanging = Call::begin(&workers, files, move |files| read(files, &late));
        slow.held("read");
        let beside = Call::begin(&workers, files, move |files| read(files, &quick));
        assert_eq!(beside.outcome().expect("done").expect("read"), b"quick");
        hanging.given_up();
        assert_eq!(workers.report().hanging, 1);
        let quick = path(slow, "quick");
        let after = Call::begin(&workers, files, move |files| read(files, &quick));
        assert_eq!(after.outcome().expect("done").expect("read"), b"quick");
        slow.go();
        until_nothing_hangs(&workers);
    });
}

#[test]
fn a_lookup_behind_one_that_hangs_in_the_same_directory_is_given_up_too() {
    every_way(|slow, files| {
        let workers = Workers::default();
        let late = path(slow, "late-lookup");
        let hanging = Call::begin(&workers, files, move |files| {
            files.metadata(&late, Follow::Links)
        });
        slow.held("lookup");
        // The kernel may let this one wait for the other, where no signal reaches it either.
        let behind = path(slow, "late-lookup-too");
        let behind = Call::begin(&workers, files, move |files| {
            files.metadata(&behind, Follow::Links)
        });
        behind.given_up();
        hanging.given_up();
        assert_eq!(workers.report().hanging, 2);
        slow.go();
        until_nothing_hangs(&workers);
    });
}

#[test]
fn a_write_that_hangs_is_given_up_and_says_that_it_may_still_happen() {
    every_way(|slow, files| {
        let workers = Workers::default();
        let (told, outcome) = channel();
        let (late, files) = (path(slow, "late-write"), files.clone());
        workers.run(
            patience().for_a_change(),
            move || files.write_file(&late, b"other", Follow::Links),
            move |outcome| told.send(outcome.map(drop)).expect("the test waits"),
        );
        slow.held("write");
        let given_up = outcome.recv_timeout(DEADLINE).expect("told in time");
        let text = given_up.expect_err("it hangs").to_string();
        assert!(text.contains("the file system does not answer"), "{text}");
        assert!(text.contains("may still happen"), "{text}");
        slow.go();
        until_nothing_hangs(&workers);
        assert_eq!(
            outcome.recv_timeout(DEADLINE),
            Err(RecvTimeoutError::Disconnected),
            "told twice"
        );
    });
}

#[test]
fn a_file_whose_closing_hangs_is_closed_where_nobody_waits() {
    let Some(mut slow) = mounted() else { return };
    let workers = Workers::default();
    let late = path(&slow, "late-close");
    let opened = Call::begin(&workers, &Files::Direct, move |files| {
        files.open(&late, Follow::Links)
    });
    let file = opened.outcome().expect("done").expect("opened");
    workers.drop_later(file);
    slow.held("close");
    let quick = path(&slow, "quick");
    let other = Call::begin(&workers, &Files::Direct, move |files| {
        files.metadata(&quick, Follow::Links)
    });
    assert!(other.outcome().expect("done").expect("there").is_file);
    slow.go();
}

#[test]
fn where_as_many_calls_hang_as_may_the_next_is_refused_at_once_until_some_come_back() {
    every_way(|slow, files| {
        let workers = Workers::new(WorkerLimits {
            abandoned: 2,
            ..WorkerLimits::default()
        });
        let hang = |number: usize| {
            let late = path(slow, &format!("late-read-{number}"));
            let call = Call::begin(&workers, files, move |files| read(files, &late));
            slow.held("read");
            call
        };
        let calls = [hang(1), hang(2)];
        calls.into_iter().for_each(Call::given_up);
        let quick = path(slow, "quick");
        let refused = Call::begin(&workers, files, move |files| read(files, &quick));
        match refused.outcome() {
            Err(refused @ NotDone::Refused { hanging: 2, .. }) => {
                let text = refused.to_string();
                assert!(
                    text.contains("2 file calls hang below this server"),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
        slow.go();
        until_nothing_hangs(&workers);
        let quick = path(slow, "quick");
        let again = Call::begin(&workers, files, move |files| read(files, &quick));
        assert_eq!(again.outcome().expect("done").expect("read"), b"quick");
    });
}

#[test]
fn the_instance_of_a_call_that_hung_serves_its_scope_again_only_when_it_is_back() {
    let Some(mut slow) = mounted() else { return };
    let gate = gate(PathBackEnd::Openat2);
    let files = gate.confine(&sandbox().into(), 1).expect("a scope");
    let workers = Workers::default();
    let late = path(&slow, "late-lookup");
    let hanging = Call::begin(&workers, &files, move |files| {
        files.metadata(&late, Follow::Links)
    });
    slow.held("lookup");
    hanging.given_up();
    assert_eq!(gate.report().warm_instances, 0, "it is still in use");
    gate.forget(1);
    drop(files);
    slow.go();
    until_nothing_hangs(&workers);
    assert_eq!(gate.report().warm_instances, 0, "its scope is gone by now");
}
