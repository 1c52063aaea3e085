//! The configuration file: a guest that an operator chose runs, or nothing does.

use std::path::{Path, PathBuf};

use crate::support::{Done, Server, done, lockgate, run_in};

/// A component for the world that is not the built-in one.
fn another_guest() -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/test-misbehaving.wasm"),
    )
    .expect("a built guest")
}

fn pin(bytes: &[u8]) -> String {
    lockgate_engine::Digest::of(bytes).to_string()
}

/// `lockgate.toml` and `guest.wasm` in one directory.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        Place { dir }
    }

    fn with_guest(bytes: &[u8]) -> Place {
        let place = Place::new();
        std::fs::write(place.path("guest.wasm"), bytes).expect("written");
        place.says(&format!(
            "[files]\nguest = \"guest.wasm\"\nguest_sha256 = \"{}\"\n",
            pin(bytes)
        ));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn says(&self, text: &str) {
        std::fs::write(self.path("lockgate.toml"), text).expect("written");
    }

    /// What a command that does not get far says, with the directory's name as `DIR`.
    fn run(&self, args: &[&str]) -> Done {
        let done = run_in(self.dir.path(), args);
        let here = format!("{}/", self.dir.path().display());
        Done {
            code: done.code,
            out: done.out.replace(&here, "DIR/"),
            err: done.err.replace(&here, "DIR/"),
        }
    }

    fn refused(&self) -> String {
        let done = self.run(&["serve", "--config", "lockgate.toml"]);
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(1), ""),
            "nothing is announced: {done:?}"
        );
        done.err
    }
}

/// One fact of `doctor` about a gate that starts.
fn fact(place: &Place, config: &str, name: &str) -> String {
    fact_and_code(place, config, name, 0)
}

/// One fact of `doctor`, and how that ends.
fn fact_and_code(place: &Place, config: &str, name: &str, code: i32) -> String {
    let done = place.run(&["doctor", "--json", "--config", config]);
    assert_eq!(done.code, Some(code), "{done:?}");
    let sections: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
    let facts = sections
        .as_array()
        .expect("sections")
        .iter()
        .flat_map(|section| section["facts"].as_array().expect("facts"));
    let found = facts.into_iter().find(|fact| fact["name"] == name);
    found
        .and_then(|fact| fact["value"].as_str())
        .unwrap_or_else(|| panic!("no fact {name}: {}", done.out))
        .to_owned()
}

#[test]
fn a_guest_from_the_configuration_serves_and_doctor_tells_which_it_is() {
    let bytes = another_guest();
    let place = Place::with_guest(&bytes);
    let mut serve = lockgate(&["serve", "--config", "lockgate.toml"]);
    serve.current_dir(place.dir.path());
    let server = Server::started(serve);
    // The other guest's answer to a profile's every question about a path: a file, of no size.
    let done = run_in(
        place.dir.path(),
        &["fs", "stat", "--url", &server.url, "--read", ".", "none"],
    );
    assert!(
        done.out.contains("type      file\nsize      0\n"),
        "{done:?}"
    );

    let at = |name| fact(&place, "lockgate.toml", name);
    assert_eq!(at("configuration"), "lockgate.toml");
    assert_eq!(at("file guest"), format!("sha256:{}", pin(&bytes)));
    assert_eq!(at("file guest comes from"), "guest.wasm (lockgate.toml:3)");
    assert_eq!(
        at("file guest is the built-in one"),
        "no: another component takes its place"
    );
    place.says("");
    let at = |name| fact(&place, "lockgate.toml", name);
    assert_eq!(at("file guest comes from"), "this binary");
    assert_eq!(at("file guest is the built-in one"), "yes");
}

#[test]
fn the_path_back_end_is_chosen_by_configuration() {
    let place = Place::new();
    for (choice, wanted) in [("openat2", "openat2"), ("walk", "component walk")] {
        place.says(&format!("[files]\npath_back_end = \"{choice}\"\n"));
        assert_eq!(fact(&place, "lockgate.toml", "path back end"), wanted);
    }
}

#[test]
fn attack_28_a_guest_that_is_not_the_pinned_one_keeps_the_server_from_starting() {
    let bytes = another_guest();
    let place = Place::with_guest(&bytes);
    let mut other = bytes.clone();
    // A custom section at the end: the same component with another digest.
    other.extend_from_slice(b"\0\x02\x01x");
    std::fs::write(place.path("guest.wasm"), &other).expect("written");
    assert_eq!(
        place.refused(),
        format!(
            "lockgate: the file guest guest.wasm has SHA-256 {}, but lockgate.toml:3 pins {}; if you changed it on purpose, \
             pin the new digest, else put the pinned component back\n",
            pin(&other),
            pin(&bytes)
        )
    );
    let doctor = fact_and_code(&place, "lockgate.toml", "capability gate", 1);
    assert!(
        doctor.starts_with("does not start as configured, and the server refuses to: the file guest guest.wasm has SHA-256"),
        "{doctor}"
    );
}

#[test]
fn doctor_says_that_nothing_is_allowed_where_a_list_is_empty() {
    let place = Place::new();
    place.says("[http]\nallow_hosts = []\nports = []\n");
    for name in ["hosts", "ports"] {
        let fact = fact(&place, "lockgate.toml", name);
        assert_eq!(fact, "none: the list of those allowed is empty", "{name}");
    }
}

#[test]
fn attack_28_what_is_no_file_guest_is_refused_with_the_reason() {
    let with = |wat: &str| {
        let bytes = wat::parse_str(wat).expect("a component");
        Place::with_guest(&bytes).refused()
    };
    let operations = "(instance $o) (export \"lockgate:files/operations@0.1.0\" (instance $o))";
    let more = |count: usize| {
        (0..count)
            .map(|n| {
                format!(
                    "(import \"wasi:sockets/tcp{n}@0.2.0\" (instance (export \"connect\" (func))))"
                )
            })
            .collect::<String>()
    };
    let cases = [
        ("text", Place::with_guest(b"not wasm").refused()),
        ("a core module", with("(module)")),
        ("an empty component", with("(component)")),
        (
            "one that wants a socket",
            with(&format!("(component {} {operations})", more(1))),
        ),
        (
            "one that wants much",
            with(&format!("(component {} {operations})", more(9))),
        ),
        (
            "one that wants another version's files",
            with(&format!(
                "(component (import \"lockgate:files/extra@0.9.0\" (instance (export \"list-at\" (func)))) {operations})"
            )),
        ),
        (
            "one for another version",
            with(
                "(component (instance $o) (export \"lockgate:files/operations@0.2.0\" (instance $o)))",
            ),
        ),
        (
            "one that lacks functions",
            with(&format!("(component {operations})")),
        ),
    ];
    let all: String = cases
        .iter()
        .map(|(what, said)| format!("{what}\n  {said}\n"))
        .collect();
    insta::assert_snapshot!(all);
}

#[test]
fn attack_25_a_guest_that_cannot_be_started_keeps_the_server_from_starting() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/test-oversized.wasm");
    assert_eq!(
        Place::with_guest(&std::fs::read(built).expect("a built guest")).refused(),
        "lockgate: guest.wasm (lockgate.toml:3): the file guest cannot be used: it fails when it is started: its memory may \
         not grow past 16777216 bytes\n"
    );
}

#[test]
fn a_guest_that_cannot_be_read_keeps_the_server_from_starting() {
    let place = Place::with_guest(&another_guest());
    std::fs::remove_file(place.path("guest.wasm")).expect("removed");
    let missing = place.refused();
    std::fs::create_dir(place.path("guest.wasm")).expect("made");
    insta::assert_snapshot!(format!("{missing}{}", place.refused()));
}

#[test]
fn a_configuration_that_is_not_understood_keeps_the_server_from_starting() {
    let place = Place::new();
    place.says("[files]\nguset = \"guest.wasm\"\n");
    for args in [
        ["serve", "--config", "lockgate.toml"],
        ["doctor", "--config", "lockgate.toml"],
    ] {
        let done = place.run(&args);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{done:?}");
        assert!(
            done.err.starts_with("lockgate: lockgate.toml:2: ") && done.err.contains("`guset`"),
            "{done:?}"
        );
    }
    // The same for a server of our own, of which nobody sees what it says.
    for (args, code) in [(&["fs", "ls"][..], 2), (&["exec", "--", "true"], 2)] {
        let output = lockgate(args)
            .env("LOCKGATE_CONFIG", place.path("lockgate.toml"))
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains("lockgate.toml:2: ") && said.contains("`guset`"),
            "{said}"
        );
    }
    let done = place.run(&["serve", "--config", "none.toml"]);
    assert_eq!(done.code, Some(2));
    assert_eq!(
        done.err,
        "lockgate: the configuration file none.toml cannot be read: No such file or directory (os error 2)\n"
    );
}

#[test]
fn the_variable_names_the_file_too_and_servers_of_our_own_heed_it() {
    let place = Place::with_guest(&another_guest());
    let run = |config: &str| {
        let done = lockgate(&["fs", "stat", "--read", ".", "none"])
            .env("LOCKGATE_CONFIG", config)
            .current_dir(place.dir.path())
            .output()
            .expect("runs");
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
        )
    };
    assert_eq!(run("").0, Some(1), "the built-in guest finds nothing there");
    let (code, out) = run("lockgate.toml");
    assert_eq!(code, Some(0));
    assert!(out.contains("type      file\n"), "{out}");
}

#[test]
fn a_logging_guest_tells_the_operator_what_it_does_where_the_operator_asks_for_it() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/fs-logging.wasm");
    let place = Place::with_guest(&std::fs::read(built).expect("a built guest"));
    std::fs::write(place.path("f"), "text").expect("written");
    let said = |filter: &str| {
        let log = std::fs::File::create(place.path("log")).expect("made");
        let mut serve = lockgate(&["serve", "--config", "lockgate.toml"]);
        serve
            .env("LOCKGATE_LOG", filter)
            .current_dir(place.dir.path())
            .stderr(log);
        let server = Server::started(serve);
        let args = ["fs", "cat", "--url", &server.url, "--read", ".", "f"];
        assert_eq!(run_in(place.dir.path(), &args).out, "text");
        // It has ended, and written all of its log, when this returns.
        drop(server);
        std::fs::read_to_string(place.path("log")).expect("text")
    };
    let path = place.path("f").display().to_string();
    let told = said("lockgate::guest=info");
    assert!(
        told.contains(&format!("lockgate::guest: open-read \"{path}\": ok")),
        "{told}"
    );
    assert_eq!(said("warn"), "");
    assert!(fact(&place, "lockgate.toml", "file guest writes log lines").starts_with("yes"));
}

/// Where the next start would look for its configuration cannot be told, so clients could put one there.
#[test]
fn attack_28_doctor_tells_what_cannot_be_kept_from_clients() {
    let dir = tempfile::tempdir().expect("a directory");
    let folder = dir.path().join("loop");
    std::os::unix::fs::symlink("loop", &folder).expect("linked");
    let mut doctor = lockgate(&["doctor"]);
    let doctor = doctor.env("XDG_CONFIG_HOME", &folder).output();
    let doctor = done(doctor.expect("runs"));
    let told = format!(
        "does not start as configured, and the server refuses to: {} is to be kept from clients and cannot be: ",
        folder.join("lockgate").display()
    );
    assert!(
        doctor.code == Some(1) && doctor.out.contains(&told),
        "{doctor:?}"
    );
}
