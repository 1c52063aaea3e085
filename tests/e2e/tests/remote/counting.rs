//! A stream that goes on as long as a test needs it: a process that counts, and a harness that knows which number comes next.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lockgate_e2e::DEADLINE;

use crate::work::Way;

/// A harness of such a process.
pub(crate) struct Counting {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The process's number: one that was started anew has another.
    process: String,
    heard: Heard,
}

/// How far it was heard.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<AtomicU64>);

impl Heard {
    pub(crate) fn lines(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until so many lines were heard.
    pub(crate) fn wait_for(&self, lines: u64) {
        let begun = Instant::now();
        while self.lines() < lines {
            let heard = self.lines();
            assert!(
                begun.elapsed() < 2 * DEADLINE,
                "{heard} lines of {lines} came"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Counting {
    /// It ends as soon as there is a file of that name.
    pub(crate) fn start(way: &Way, ends: &Path) -> Counting {
        let script = format!(
            "echo process $$; i=0; while [ ! -e '{}' ]; do echo $i; i=$((i + 1)); sleep 0.005; done; echo process $$",
            ends.display()
        );
        let begun = Instant::now();
        loop {
            let mut command = way.command(&["exec"], &["--", "sh", "-c", &script]);
            let mut child = command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs");
            let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut process = String::new();
            output.read_line(&mut process).expect("its output");
            if !process.is_empty() {
                return Counting {
                    child,
                    output,
                    process,
                    heard: Heard::default(),
                };
            }
            // A node may not have heard of its executor yet.
            let output = child.wait_with_output().expect("its output");
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(begun.elapsed() < DEADLINE, "{words}");
        }
    }

    pub(crate) fn heard(&self) -> Heard {
        self.heard.clone()
    }

    /// The harness's own process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads to the end: no number is missing, none comes twice, and it is the same process all the time.
    pub(crate) fn follow(mut self) {
        let (next, is_whole) = self.count();
        let mut last = String::new();
        self.output.read_to_string(&mut last).expect("text");
        let status = self.child.wait().expect("it ends");
        let mut words = String::new();
        let mut errors = self.child.stderr.take().expect("a pipe");
        errors.read_to_string(&mut words).expect("text");
        assert!(
            status.success() && is_whole && last.is_empty(),
            "after {next} lines: {status} {last:?} {words}"
        );
    }

    /// The same for one that may be cut off: what came until then was right. Gives how many lines that were, and whether the process ended by itself.
    pub(crate) fn count(&mut self) -> (u64, bool) {
        let mut next = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("text");
            if line == format!("{next}\n") {
                next += 1;
                self.heard.0.store(next, Ordering::Relaxed);
            } else {
                let is_cut = !line.ends_with('\n');
                assert!(
                    is_cut && format!("{next}\n").starts_with(&line) || line == self.process,
                    "after {next} lines: {line:?}"
                );
                return (next, !is_cut);
            }
        }
    }
}
