//! `lockgate exec` whose rendezvous is killed: for how long it waits for another one, and what is said meanwhile.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use lockgate_e2e::Rendezvous;
use rustix::process::Signal;

use crate::house::House;
use crate::work::Way;

/// An `exec` that has begun.
struct Begun {
    child: Child,
    out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
}

impl Begun {
    /// The command ends as soon as there is a file of that name.
    fn new(way: &Way, options: &[&str], ends: &Path) -> Begun {
        let script = format!(
            "echo begun; until [ -e '{}' ]; do sleep 0.01; done; echo done",
            ends.display()
        );
        let mut command = way.command(&["exec"], options);
        command.args(["--", "sh", "-c", &script]);
        command.env("LOCKGATE_LOG", "info");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut begun = Begun {
            out: BufReader::new(child.stdout.take().expect("a pipe")),
            log: BufReader::new(child.stderr.take().expect("a pipe")),
            child,
        };
        let mut line = String::new();
        begun.out.read_line(&mut line).expect("its output");
        assert_eq!(line, "begun\n");
        begun
    }

    /// Waits until this was said.
    fn says(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let read = self.log.read_line(&mut line).expect("text");
            assert_ne!(read, 0, "no {text:?}");
        }
    }

    /// Its exit code, and the rest of what came and was said.
    fn ends(mut self) -> (Option<i32>, String, String) {
        let (mut came, mut said) = (String::new(), String::new());
        self.out.read_to_string(&mut came).expect("text");
        self.log.read_to_string(&mut said).expect("text");
        (self.child.wait().expect("it ends").code(), came, said)
    }
}

fn killed(rendezvous: &mut Rendezvous) {
    rendezvous.signal(Signal::KILL);
    rendezvous.wait();
}

#[test]
fn exec_waits_for_a_rendezvous_for_as_long_as_its_window_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rendezvous = Rendezvous::start(folder.path());
    let house = House::at(&rendezvous);
    let _executors = house.executors();
    let ends = folder.path().join("ends");
    let cases = [
        ("0", "lost the command: the connection is closed: "),
        ("1", "could not be resumed within 1 s: "),
    ];
    let all: Vec<_> = house
        .ways
        .iter()
        .flat_map(|way| cases.map(|(window, words)| (way, window, words)))
        .map(|(way, window, words)| {
            let begun = Begun::new(way, &["--resume-window", window], &ends);
            (begun, words)
        })
        .collect();
    killed(&mut rendezvous);
    for (exec, words) in all {
        let (code, _, said) = exec.ends();
        assert_eq!(code, Some(125), "{said}");
        assert!(
            said.contains(words) && said.contains("that to the rendezvous: "),
            "{said}"
        );
    }
    std::fs::write(&ends, "").expect("a file");
}

#[test]
fn it_is_said_that_a_rendezvous_is_away_and_that_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rendezvous = Rendezvous::start(folder.path());
    let address = rendezvous.address().to_owned();
    let house = House::at(&rendezvous);
    let _executors = house.executors();
    let ends = folder.path().join("ends");
    let mut all = house
        .ways
        .each_ref()
        .map(|way| Begun::new(way, &["--resume-window", "100"], &ends));
    killed(&mut rendezvous);
    for exec in &mut all {
        exec.says("connection lost (that to the rendezvous: ");
    }
    let _rendezvous = Rendezvous::at(folder.path(), &address, &[]);
    for exec in &mut all {
        exec.says("connected again");
    }
    std::fs::write(&ends, "").expect("a file");
    for exec in all {
        let (code, came, said) = exec.ends();
        assert_eq!((code, &*came), (Some(0), "done\n"), "{said}");
    }
}
