//! Modules and questions, as the host would bring them.

use lockgate_policy::{
    Access, Action, Decision, FileOperation, FilePath, FileVerb, HttpRequest, Narrowing, Policy,
    ProcessStart, ProcessWrite, Subject, Transport, Verdict,
    options::{WalkOptions, with_walk},
};
use serde_json::json;

use crate::Rego;
use crate::input::input;

fn subject() -> Subject {
    Subject {
        session: "5e551017".to_owned(),
        client: "codex".to_owned(),
        environment: None,
        transport: Transport::Stdio,
        identity: Some("ci".to_owned()),
    }
}

fn read(path: &str) -> Action {
    Action::File(FileOperation {
        verb: FileVerb::Read,
        paths: vec![FilePath {
            path: path.to_owned(),
            access: Access::Read,
        }],
        recursive: false,
        sandboxed: true,
    })
}

fn module(text: &str) -> String {
    format!("package lockgate\n{text}")
}

fn rego(text: &str) -> Rego {
    Rego::load(&module(text)).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn refused(text: &str) -> String {
    Rego::load(text)
        .err()
        .expect("the configuration is refused")
}

fn answer(text: &str, action: &Action) -> Result<Verdict, String> {
    rego(text).evaluate(&subject(), action)
}

fn decision(text: &str) -> Decision {
    answer(text, &read("/work/a")).expect("a verdict").decision
}

fn deny(reason: &str) -> Decision {
    Decision::Deny(reason.to_owned())
}

#[test]
fn input_of_a_walk_tells_how_far_it_goes() {
    let options = WalkOptions {
        max_depth: 8,
        max_directories: 100,
        max_entries: 1_000,
        follow_directory_links: true,
        prune_hidden_directories: false,
    };
    let walk = with_walk(options, || input(&subject(), &read("/a")));
    assert_eq!(
        walk["action"]["walk"],
        json!({
            "max_depth": 8, "max_directories": 100, "max_entries": 1000,
            "follow_directory_links": true, "prune_hidden_directories": false,
        })
    );
}

#[test]
fn input_has_the_form_of_the_decision_log() {
    assert_eq!(
        input(&subject(), &read("/a")),
        json!({
            "subject": { "session": "5e551017", "client": "codex", "transport": "stdio", "identity": "ci" },
            "action": {
                "kind": "file", "verb": "read", "paths": [{ "path": "/a", "access": "read" }],
                "recursive": false, "sandboxed": true,
            },
        })
    );
    let start = |program: Option<&str>| {
        Action::ProcessStart(ProcessStart {
            argv: vec!["git".to_owned()],
            program: program.map(str::to_owned),
            cwd: "/".to_owned(),
            env_names: vec!["PATH".to_owned()],
            tty: true,
            sandboxed: false,
        })
    };
    let started = json!({
        "kind": "process-start", "argv": ["git"], "program": "/usr/bin/git", "cwd": "/", "env_names": ["PATH"], "tty": true, "sandboxed": false,
    });
    assert_eq!(
        input(&subject(), &start(Some("/usr/bin/git")))["action"],
        started
    );
    assert_eq!(
        input(&subject(), &start(None))["action"].get("program"),
        None
    );
    let write = Action::ProcessWrite(ProcessWrite {
        process: "p".to_owned(),
        argv0: "sh".to_owned(),
        tty: false,
        data: b"ls\xff\n".to_vec(),
    });
    assert_eq!(
        input(&subject(), &write)["action"],
        json!({ "kind": "process-write", "process": "p", "argv0": "sh", "tty": false, "text": "ls\u{fffd}\n" })
    );
    let http = Action::Http(HttpRequest {
        method: "GET".to_owned(),
        url: "https://a/".to_owned(),
        host: "a".to_owned(),
        port: 443,
        header_names: vec!["accept".to_owned()],
        hop: 1,
    });
    assert_eq!(
        input(&subject(), &http)["action"],
        json!({
            "kind": "http", "method": "GET", "url": "https://a/", "host": "a", "port": 443, "header_names": ["accept"], "hop": 1,
        })
    );
}

#[test]
fn the_conventions_that_people_know() {
    for (text, expected) in [
        ("allow if input.action.verb == \"read\"", Decision::Allow),
        ("allow if input.action.verb == \"write\"", Decision::Abstain),
        (
            "default allow := false\nallow if input.action.verb == \"write\"",
            deny("no rule of the policy allows this"),
        ),
        (
            "default allow := false\nallow if input.subject.identity == \"ci\"",
            Decision::Allow,
        ),
        (
            "allow := true\ndeny contains \"b\" if true\ndeny contains \"a\" if true",
            deny("a; b"),
        ),
        (
            "allow := true\ndeny contains \"a\" if false",
            Decision::Allow,
        ),
        ("deny := true", deny("the policy denies this")),
        (
            "default deny := false\ndeny if input.action.recursive",
            Decision::Abstain,
        ),
        (
            "allow := true\nask contains sprintf(\"Read %s?\", [input.action.paths[0].path]) if true",
            Decision::Ask("Read /work/a?".to_owned()),
        ),
        (
            "default allow := false\nask contains \"Sure?\" if true",
            deny("no rule of the policy allows this"),
        ),
        ("decision := \"abstain\"", Decision::Abstain),
        (
            "decision := {\"decision\": \"deny\", \"reason\": \"no\"} if true",
            deny("no"),
        ),
        (
            "decision := {\"decision\": \"ask\", \"prompt\": \"Sure?\"}\nallow := true",
            Decision::Ask("Sure?".to_owned()),
        ),
        ("decision := \"allow\" if false", Decision::Abstain),
    ] {
        assert_eq!(decision(text), expected, "{text}");
    }
}

#[test]
fn rules_names_and_details_reach_the_verdict() {
    let verdict = answer(
        "deny contains {\"msg\": \"no\", \"rule\": \"r1\"} if true",
        &read("/a"),
    )
    .expect("a verdict");
    assert_eq!(
        (verdict.decision, verdict.rule.as_deref()),
        (deny("no"), Some("r1"))
    );
    let details = r#"{"deny":[{"msg":"no","rule":"r1"}]}"#;
    assert_eq!(verdict.details.as_deref(), Some(details));
    let verdict = answer(
        "decision := {\"decision\": \"allow\", \"rule\": \"r2\", \"details\": {\"a\": [1]}}",
        &read("/a"),
    )
    .expect("a verdict");
    assert_eq!(verdict.rule.as_deref(), Some("r2"));
    assert_eq!(verdict.details.as_deref(), Some(r#"{"a":[1]}"#));
    assert_eq!(
        answer("allow := true", &read("/a"))
            .expect("a verdict")
            .rule
            .as_deref(),
        Some("allow")
    );
}

#[test]
fn what_is_allowed_can_be_narrowed() {
    let narrowing = r#"{"grant": [{"path": "/", "access": "read"}, {"path": "/.git"}], "drop_env": {"A", "B"}, "time_limit": 5, "output_limit": 6}"#;
    let expected = Narrowing::new()
        .read("/")
        .nothing("/.git")
        .drop_env("A")
        .drop_env("B")
        .time_limit(5)
        .output_limit(6);
    for text in [
        format!("allow := true\nnarrowing := {narrowing}"),
        format!("decision := {{\"decision\": \"allow\", \"narrowing\": {narrowing}}}"),
    ] {
        let verdict = answer(&text, &read("/a")).expect("a verdict");
        assert_eq!(verdict.narrowing.as_ref(), Some(&expected), "{text}");
    }
    let text =
        "allow := true\nnarrowing.drop_env contains \"X\" if true\nnarrowing.time_limit := 7";
    let verdict = answer(text, &read("/a")).expect("a verdict");
    assert_eq!(
        verdict.narrowing,
        Some(Narrowing::new().drop_env("X").time_limit(7))
    );
}

#[test]
fn values_of_another_shape_are_errors() {
    for (text, told) in [
        ("allow := \"yes\"", "allow is true or false, not a text"),
        ("allow := null", "not null"),
        ("deny := \"x\"", "deny is a set of messages"),
        (
            "deny contains 1 if true",
            "a message is a text or an object",
        ),
        (
            "deny contains {\"message\": \"x\"} if true",
            "no member \"msg\"",
        ),
        (
            "ask contains {\"msg\": \"x\", \"ruel\": \"y\"} if true",
            "\"ruel\" is no member",
        ),
        (
            "decision := {\"reason\": \"x\"}",
            "has no member \"decision\"",
        ),
        ("decision := \"permit\"", "\"permit\" is none of"),
        (
            "decision := {\"decision\": \"allow\", \"narowing\": {}}",
            "\"narowing\" is no member",
        ),
        ("allow := true\nnarrowing := []", "narrowing: is an object"),
        (
            "allow := true\nnarrowing := {\"grants\": []}",
            "\"grants\" is no member",
        ),
        (
            "allow := true\nnarrowing := {\"time_limit\": 1.5}",
            "time_limit is a whole number",
        ),
        (
            "allow := true\nnarrowing := {\"time_limit\": -1}",
            "time_limit is a whole number",
        ),
        (
            "allow := true\nnarrowing := {\"grant\": [{\"path\": \"a\"}]}",
            "no absolute path",
        ),
        (
            "allow := true\nnarrowing := {\"grant\": [{\"path\": \"/\", \"access\": \"all\"}]}",
            "\"all\" is none of",
        ),
        ("allow := true\nallow := false", "line "),
        ("allow if to_number(\"x\") == 1", "line 2, column "),
    ] {
        let error = answer(text, &read("/a")).expect_err(text);
        assert!(error.contains(told), "{text}\n{error}");
    }
}

#[test]
fn what_reaches_outside_is_refused_when_it_is_loaded() {
    for call in [
        "http.send({\"method\": \"get\", \"url\": \"http://a\"})",
        "net.lookup_ip_addr(\"a\")",
        "time.now_ns()",
        "rand.intn(\"a\", 2)",
        "uuid.rfc4122(\"a\")",
        "opa.runtime()",
        "io.jwt.decode(\"a\")",
        "data.other.f(1)",
        "input.f(1)",
    ] {
        let name = call.split('(').next().expect("a name");
        for text in [
            format!("\nallow if {call}"),
            format!("\nallow := x if {{ x := [y | y := {call}][0] }}"),
            format!("\ndeny contains {call} if true"),
            format!("\nallow if every x in [1] {{ x == {call} }}"),
            format!("\nallow if not {call}"),
            format!("\nf(x) := {call}\nallow if f(1)"),
            format!("\nallow := {{\"a\": {call}}}"),
            format!("\nallow if false\nelse := {call}"),
        ] {
            let error = refused(&module(&text));
            assert!(
                error.starts_with("line ")
                    && error.contains(&format!(": {name} cannot be called: ")),
                "{text}\n{error}"
            );
        }
    }
    let error = refused(&module("\nallow if http.send({})"));
    assert_eq!(
        error,
        "line 3, column 10: http.send cannot be called: a policy has no network"
    );
}

#[test]
fn functions_of_ones_own_and_of_the_engine_are_there() {
    for text in [
        "below(path, root) if startswith(path, concat(\"\", [root, \"/\"]))\nallow if below(input.action.paths[0].path, \"/work\")",
        "f(x) := y if { y := x + 1 }\nallow if data.lockgate.f(1) == 2",
        "default f(_) := 2\nallow if f(1) == 2",
        "allow if glob.match(\"/work/**\", [\"/\"], input.action.paths[0].path)",
        "allow if regex.match(`^/work/[a-z]+$`, input.action.paths[0].path)",
        "allow if semver.compare(\"1.0.0\", \"1.0.1\") == -1",
        "allow if base64.decode(\"YQ==\") == \"a\"",
        "import rego.v1\nallow if { print(\"seen\", input); count(input.action.paths) == 1 }",
        "import future.keywords.in\nallow if \"a\" in split(input.action.paths[0].path, \"/\")",
    ] {
        assert_eq!(decision(text), Decision::Allow, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_line_and_column_when_it_is_loaded() {
    for (text, told) in [
        ("", "there is no module"),
        ("\n\n--- data\n{}", "there is no module"),
        ("package lockgate\nallow if {", "line 2, column "),
        ("package lockgate\n\nallow if x == 1", "line 3, column 10: "),
        (
            "package other\nallow := true",
            "the module is `package other`",
        ),
        (
            "package lockgate.deep\nallow := true",
            "write `package lockgate`",
        ),
        (
            "package lockgate\nalow := true",
            "none of the rules that are asked: decision, deny, ask, allow",
        ),
        (
            "package lockgate\nimport data.lib\nallow := true",
            "line 2, column ",
        ),
        (
            "package lockgate\nallow := true\n--- data\n{\n]",
            "data: line 5, column 1: ",
        ),
        (
            "package lockgate\nallow := true\n--- data\n[]",
            "data (after line 3): ",
        ),
        (
            "package lockgate\nallow := true\n--- data\n{\"lockgate\": {\"allow\": true}}",
            "the module's own name",
        ),
        (
            "package lockgate\nallow.x := true",
            "the rule allow.x is none that is asked",
        ),
        (
            "package lockgate\nallow := true\nnarrowing.grant.x := 1",
            "the rule narrowing.grant.x is none",
        ),
        (
            "package lockgate\nallow := true\nnarrowing := {}\nnarrowing.grant := []",
            "rules for its members, not both",
        ),
        (
            "package lockgate\nallow(x) := true",
            "none of the rules that are asked",
        ),
        (
            "package lockgate\nallow := true\n--- schema\n",
            "line 3: there is no part \"schema\"",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(told), "{text}\n{error}");
    }
}

#[test]
fn data_follows_the_module() {
    let text =
        "allow if input.action.paths[0].path in data.paths\n--- data\n{\"paths\": [\"/work/a\"]}";
    assert_eq!(decision(text), Decision::Allow);
    assert_eq!(
        answer(text, &read("/b")).expect("a verdict").decision,
        Decision::Abstain
    );
}

#[test]
fn text_of_a_client_is_never_read_as_rego() {
    let text = "default allow := false\nallow if input.action.paths[0].path == \"/work/a\"";
    for path in [
        "/work/a\" } allow := true { true",
        "/work/a\"",
        "/work/a\\",
        "\"},\"action\":{\"paths\":[{\"path\":\"/work/a\"}]}",
        "/work/a\u{0}",
    ] {
        let verdict = answer(text, &read(path)).expect("a verdict");
        assert_eq!(
            verdict.decision,
            deny("no rule of the policy allows this"),
            "{path:?}"
        );
    }
}

#[test]
fn nothing_of_a_decision_is_left_for_the_next() {
    let policy = rego(
        "deny contains msg if { some path in input.action.paths; startswith(path.path, \"/etc/\"); msg := path.path }\nallow := true",
    );
    let asked = |path| {
        policy
            .evaluate(&subject(), &read(path))
            .expect("a verdict")
            .decision
    };
    for _ in 0..2 {
        assert_eq!(asked("/etc/a"), deny("/etc/a"));
        assert_eq!(asked("/a"), Decision::Allow);
        assert_eq!(asked("/etc/b"), deny("/etc/b"));
    }
    assert!(policy.evaluate(&subject(), &read("/a")).is_ok());
}

#[test]
fn the_example_loads() {
    Rego::load(include_str!("../examples/workspace.rego"))
        .unwrap_or_else(|error| panic!("{error}"));
}
