//! A guest that tells its operator what it does: one line an operation, and never more than the log can take.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::util::SubscriberInitExt;

use lockgate_capfs::{CapFs, Follow, FsError, Options, PathBackEnd, Times, limits};

use crate::hostile::MISBEHAVING;
use crate::world::{Way, World, brought};

const LOGGING: &[u8] = include_bytes!("../../../../guest/dist/fs-logging.wasm");

/// The lines that were logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects what this thread logs while the guard lives: a guest's lines are written by the thread that called it.
    fn start() -> (Log, DefaultGuard) {
        let log = Log::default();
        let guard = log.here();
        (log, guard)
    }

    fn here(&self) -> DefaultGuard {
        let writer = self.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .set_default()
    }

    /// Of guests, with the world's directory as `$`.
    fn lines(&self, world: &World) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let home = world
            .at("")
            .to_str()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        text.lines()
            .filter_map(|line| line.split_once("lockgate::guest: "))
            .map(|(_, line)| line.replace(&home, "$"))
            .collect()
    }
}

#[test]
fn the_logging_guest_tells_each_operation_and_what_came_of_it() {
    let (log, _guard) = Log::start();
    let world = World::new(Way::Gate(PathBackEnd::Openat2))
        .through(CapFs::new(brought(LOGGING, PathBackEnd::Openat2)).unwrap());
    assert!(world.capfs.report().guest_logs);
    world.make(&["w/f=text", "w/l>f"]);
    world.table(
        &["w=write"],
        &[
            ("read w/l", "text"),
            ("read w/none", "noent"),
            ("read! w/l", "link refused"),
            ("write out x", "access"),
            ("copy w/f w/g", "ok"),
            ("mkdir w/line\nbreak", "ok"),
        ],
    );
    assert_eq!(
        log.lines(&world),
        [
            "open-read \"$/w/l\": ok",
            "open-read \"$/w/none\": no-entry",
            "open-read \"$/w/l\": Failure::SymbolicLink",
            "open-write \"$/out\": access",
            "copy \"$/w/f\" \"$/w/g\": ok",
            "create-directory \"$/w/line\\nbreak\": ok",
        ]
    );
}

#[test]
fn an_operation_that_had_to_be_asked_twice_is_told_once() {
    let (log, _guard) = Log::start();
    // This back end answers nothing from memory: each attempt is made again on another thread.
    let world = World::new(Way::Gate(PathBackEnd::Walk))
        .through(CapFs::new(brought(LOGGING, PathBackEnd::Walk)).unwrap());
    world.make(&["w/f=text"]);
    let files = world.files(&["w=write"]);
    assert_eq!(world.run(&files, "stat w/f"), "file");
    assert!(
        files
            .try_metadata(&world.abs("w/f"), Follow::Links)
            .is_none()
    );
    assert_eq!(world.run(&files, "stat w/f"), "file");
    assert_eq!(log.lines(&world), ["metadata \"$/w/f\": ok"; 2]);
}

#[test]
fn a_line_of_a_guest_is_one_line_and_no_longer_than_it_may_be() {
    let (log, _guard) = Log::start();
    let world = World::new(Way::Gate(PathBackEnd::Openat2))
        .through(CapFs::new(brought(MISBEHAVING, PathBackEnd::Openat2)).unwrap());
    let files = world.files(&["w=write"]);
    assert_eq!(world.run(&files, "read w/chatter"), "noent");
    let lines = log.lines(&world);
    assert_eq!(lines[..2], ["plain", "two\\u{a}lines \\u{1b}[31m"]);
    assert!(lines[2].ends_with("… (500000 bytes)"), "{}", lines[2]);
    assert!(lines[2].len() < limits::LOG_LINE_BYTES + 40);
    assert_eq!(lines.len(), 3);
}

#[test]
fn attack_25_a_flood_of_lines_costs_the_request_that_wrote_it_and_fills_no_log() {
    let (log, _guard) = Log::start();
    let time = Duration::from_secs(1);
    let capfs = CapFs::new(Options {
        times: Times {
            operation: time,
            tree: time,
        },
        ..brought(MISBEHAVING, PathBackEnd::Openat2)
    });
    let world = World::new(Way::Gate(PathBackEnd::Openat2)).through(capfs.unwrap());
    let (files, path) = (world.files(&["w=write"]), world.abs("w/flood"));
    let other = world.files(&["w=read"]);
    std::thread::scope(|threads| {
        let flood = threads.spawn(|| {
            let _guard = log.here();
            files.open(&path, Follow::Links)
        });
        let mut answered = 0;
        while !flood.is_finished() {
            assert_eq!(world.run(&other, "stat w/f"), "file");
            answered += 1;
        }
        assert!(answered > 0, "others are answered meanwhile");
        let error = flood.join().unwrap().unwrap_err();
        assert!(matches!(error, FsError::Gate(_)), "{error}");
        assert!(
            error.to_string().contains("it ran past its deadline"),
            "{error}"
        );
    });
    let lines = log.lines(&world);
    assert_eq!(lines.len(), limits::LOG_LINES_PER_CALL + 1);
    let (last, flood) = lines.split_last().unwrap();
    assert!(flood.iter().all(|line| line == "flood"));
    assert!(
        last.ends_with(" more lines of this call were left out"),
        "{last}"
    );
}
