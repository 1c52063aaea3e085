use lockgate_policy::{
    Access, Decision, FileOperation, FilePath, FileVerb, GrantEntry, HttpRequest, ProcessStart,
    Transport,
};

use super::*;

fn decide(config: &str, action: Action) -> Verdict {
    let subject = Subject {
        session: "s".to_owned(),
        client: "test".to_owned(),
        environment: None,
        transport: Transport::Stdio,
        identity: None,
    };
    let policy = Readonly::load(config).expect("a configuration");
    policy.evaluate(&subject, &action).expect("a verdict")
}

fn file(verb: FileVerb, access: Access) -> Action {
    let path = "/work/a".to_owned();
    Action::File(FileOperation {
        verb,
        paths: vec![FilePath { path, access }],
        recursive: false,
        sandboxed: false,
    })
}

fn start(argv0: &str, program: Option<&str>) -> Action {
    Action::ProcessStart(ProcessStart {
        argv: vec![argv0.to_owned()],
        program: program.map(str::to_owned),
        cwd: "/".to_owned(),
        env_names: Vec::new(),
        tty: false,
        sandboxed: false,
    })
}

fn http(method: &str, host: &str) -> Action {
    Action::Http(HttpRequest {
        method: method.to_owned(),
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
fn reading_is_allowed_under_a_grant_to_read() {
    use FileVerb::*;
    for verb in [
        Read,
        Metadata,
        Canonicalize,
        ReadDirectory,
        Walk,
        ReadTree,
        Watch,
    ] {
        let verdict = decide("", file(verb, Access::Read));
        assert_eq!(verdict.decision, Decision::Allow, "{verb:?}");
        let (path, access) = ("/".to_owned(), Some(Access::Read));
        let grant = verdict.narrowing.and_then(|narrowing| narrowing.grant);
        assert_eq!(grant, Some(vec![GrantEntry { path, access }]));
    }
}

#[test]
fn changing_is_denied_by_verb_and_by_access() {
    use FileVerb::*;
    for verb in [
        Write,
        Append,
        CreateDirectory,
        Remove,
        Copy,
        Rename,
        Symlink,
        SetMode,
        SetTimes,
        WriteTree,
    ] {
        let text = reason(decide("", file(verb, Access::Write)));
        assert!(text.contains(verb.name()), "{text}");
        reason(decide("", file(verb, Access::Read)));
    }
    reason(decide("", file(Read, Access::Write)));
}

#[test]
fn a_program_runs_only_if_its_file_is_listed() {
    reason(decide("", start("ls", Some("/usr/bin/ls"))));
    let config = "program /usr/bin/git";
    let allowed = decide(config, start("git", Some("/usr/bin/git")));
    assert_eq!(allowed.decision, Decision::Allow);
    assert_eq!(allowed.rule.as_deref(), Some("program /usr/bin/git"));
    for program in [
        Some("/tmp/git"),
        Some("/usr/bin/git2"),
        Some("/usr/bin"),
        None,
    ] {
        let text = reason(decide(config, start("/usr/bin/git", program)));
        assert!(text.contains("may be started: /usr/bin/git"), "{text}");
    }
}

#[test]
fn http_reads_from_listed_hosts() {
    reason(decide("", http("GET", "example.com")));
    let config = "host example.com\nhost *.example.org";
    for host in ["example.com", "a.example.org"] {
        for method in ["GET", "HEAD"] {
            assert_eq!(decide(config, http(method, host)).decision, Decision::Allow);
        }
        reason(decide(config, http("POST", host)));
    }
    for host in ["example.com.evil.net", "example.org", "badexample.org"] {
        reason(decide(config, http("GET", host)));
    }
}

#[test]
fn a_configuration_with_a_mistake_is_refused_with_its_line() {
    for (config, error) in [
        (
            "program git",
            "line 1: program: \"git\" is no absolute path",
        ),
        (
            "\nroot /work",
            "line 2: \"root\" is no setting; there are: program, host",
        ),
    ] {
        assert_eq!(Readonly::load(config).err().as_deref(), Some(error));
    }
    assert!(Readonly::load("host https://example.com").is_err());
}
