use lockgate_policy::{
    Access, Decision, FileOperation, FilePath, FileVerb, GrantEntry, HttpRequest, ProcessStart,
    Transport,
};

use super::*;

const CONFIG: &str = "root /work\nroot /srv/data/\nhide /work/.git\nhide /home/me/.ssh\n\
    program /usr/bin/git\nhost api.example.com\nhost *.example.org";

fn decide(config: &str, action: Action) -> Verdict {
    let subject = Subject {
        session: "s".to_owned(),
        client: "test".to_owned(),
        environment: None,
        transport: Transport::Websocket,
        identity: None,
    };
    let policy = Workspace::load(config).expect("a configuration");
    policy.evaluate(&subject, &action).expect("a verdict")
}

fn file(verb: FileVerb, paths: &[(&str, Access)]) -> Action {
    let path = |(path, access): &(&str, Access)| FilePath {
        path: (*path).to_owned(),
        access: *access,
    };
    Action::File(FileOperation {
        verb,
        paths: paths.iter().map(path).collect(),
        recursive: false,
        sandboxed: false,
    })
}

fn start(argv0: &str, program: Option<&str>) -> Action {
    Action::ProcessStart(ProcessStart {
        argv: vec![argv0.to_owned()],
        program: program.map(str::to_owned),
        cwd: "/work".to_owned(),
        env_names: Vec::new(),
        tty: false,
        sandboxed: false,
    })
}

fn http(host: &str) -> Action {
    Action::Http(HttpRequest {
        method: "POST".to_owned(),
        url: format!("https://{host}/"),
        host: host.to_owned(),
        port: 443,
        header_names: Vec::new(),
        hop: 0,
    })
}

fn reason(verdict: Verdict) -> String {
    match verdict.decision {
        Decision::Deny(reason) => reason,
        decision => panic!("{decision:?} is no denial"),
    }
}

#[test]
fn files_are_allowed_under_a_grant_of_the_roots() {
    let entry = |path: &str, access| GrantEntry {
        path: path.to_owned(),
        access,
    };
    let grant = vec![
        entry("/", Some(Access::Read)),
        entry("/work", Some(Access::Write)),
        entry("/srv/data", Some(Access::Write)),
        entry("/work/.git", None),
        entry("/home/me/.ssh", None),
    ];
    for action in [
        file(FileVerb::Read, &[("/etc/passwd", Access::Read)]),
        file(FileVerb::Write, &[("/work/a", Access::Write)]),
        file(FileVerb::Remove, &[("/srv/data", Access::Write)]),
        file(
            FileVerb::Copy,
            &[("/etc/a", Access::Read), ("/work/a", Access::Write)],
        ),
        file(
            FileVerb::Symlink,
            &[("/work/l", Access::Write), ("/etc", Access::Look)],
        ),
    ] {
        let verdict = decide(CONFIG, action);
        assert_eq!(verdict.decision, Decision::Allow);
        let found = verdict.narrowing.and_then(|narrowing| narrowing.grant);
        assert_eq!(found.as_ref(), Some(&grant));
    }
}

#[test]
fn a_change_outside_of_the_roots_is_denied_in_words() {
    for paths in [
        &[("/etc/passwd", Access::Write)][..],
        &[("/workshop/a", Access::Write)],
        &[("/work2", Access::Write)],
        &[("/", Access::Write)],
        &[("/srv", Access::Write)],
        &[("/work/a", Access::Write), ("/tmp/a", Access::Write)],
        &[("/tmp/a", Access::Write), ("/work/a", Access::Write)],
    ] {
        let text = reason(decide(CONFIG, file(FileVerb::Rename, paths)));
        assert!(text.ends_with("changed below: /work, /srv/data"), "{text}");
    }
    let text = reason(decide(
        "",
        file(FileVerb::Write, &[("/work/a", Access::Write)]),
    ));
    assert!(text.ends_with("changed below: none"), "{text}");
}

#[test]
fn a_program_runs_only_if_its_file_is_listed() {
    let allowed = decide(CONFIG, start("git", Some("/usr/bin/git")));
    assert_eq!(allowed.decision, Decision::Allow);
    for program in [Some("/work/git"), Some("/usr/bin/gitk"), None] {
        let text = reason(decide(CONFIG, start("/usr/bin/git", program)));
        assert!(text.ends_with("may be started: /usr/bin/git"), "{text}");
    }
}

#[test]
fn only_listed_hosts_are_reached() {
    for host in ["api.example.com", "a.example.org", "a.b.example.org"] {
        assert_eq!(decide(CONFIG, http(host)).decision, Decision::Allow);
    }
    for host in [
        "api.example.com.evil.net",
        "xapi.example.com",
        "example.com",
        "example.org",
        "badexample.org",
        "127.0.0.1",
    ] {
        reason(decide(CONFIG, http(host)));
    }
    reason(decide("", http("api.example.com")));
}

#[test]
fn a_program_below_a_root_is_no_program_to_trust() {
    let error = Workspace::load("program /work/bin/tool\nroot /work").err();
    assert_eq!(
        error.as_deref(),
        Some("line 1: program: /work/bin/tool is below a root, where the client can change it")
    );
    assert!(Workspace::load("program /workshop/tool\nroot /work").is_ok());
    assert!(Workspace::load("roots /work").is_err());
}
