//! Configurations and questions, as the host would bring them.

use lockgate_policy::{
    Access, Action, Decision, FileOperation, FilePath, FileVerb, HttpRequest, Narrowing, Policy,
    ProcessStart, ProcessWrite, Subject, Transport, Verdict,
    options::{WalkOptions, with_walk},
};

use crate::Cedar;

fn subject() -> Subject {
    Subject {
        session: "5e551017".to_owned(),
        client: "codex".to_owned(),
        environment: None,
        transport: Transport::Websocket,
        identity: None,
    }
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

fn read(path: &str) -> Action {
    file(FileVerb::Read, &[(path, Access::Read)])
}

fn start(program: Option<&str>, argv: &[&str], cwd: &str) -> Action {
    Action::ProcessStart(ProcessStart {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        program: program.map(str::to_owned),
        cwd: cwd.to_owned(),
        env_names: vec!["PATH".to_owned()],
        tty: false,
        sandboxed: false,
    })
}

fn http(host: &str) -> Action {
    Action::Http(HttpRequest {
        method: "GET".to_owned(),
        url: format!("https://{host}/a?b=c"),
        host: host.to_owned(),
        port: 443,
        header_names: vec!["accept".to_owned()],
        hop: 0,
    })
}

fn cedar(text: &str) -> Cedar {
    Cedar::load(text).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    Cedar::load(text)
        .err()
        .expect("the configuration is refused")
}

fn asked(text: &str, action: &Action) -> Verdict {
    cedar(text)
        .evaluate(&subject(), action)
        .expect("it is evaluated")
}

fn allows(text: &str, action: &Action) -> bool {
    asked(text, action).decision == Decision::Allow
}

#[test]
fn what_nothing_permits_is_denied_unless_the_operator_says_that_it_abstains() {
    let text =
        "permit(principal, action == Action::\"file-read\", resource in Directory::\"/work\");\n";
    assert!(allows(text, &read("/work/a")));
    let verdict = asked(text, &read("/etc/passwd"));
    let reason = "no policy permits file-read of \"/etc/passwd\"".to_owned();
    assert_eq!(verdict.decision, Decision::Deny(reason));
    assert_eq!(verdict.rule, None);
    let text = format!("{text}--- settings\ndefault abstain\n");
    assert_eq!(
        asked(&text, &read("/etc/passwd")).decision,
        Decision::Abstain
    );
}

#[test]
fn directories_and_hosts_hold_by_whole_names() {
    let text = r#"permit(principal, action, resource in Directory::"/work");
        permit(principal, action == Action::"http", resource in Host::"example.com");"#;
    for path in ["/work", "/work/a", "/work/a/b"] {
        assert!(allows(text, &read(path)), "{path}");
    }
    for path in ["/", "/workshop", "/work2/a", "/wor", "/etc/work"] {
        assert!(!allows(text, &read(path)), "{path}");
    }
    for host in ["example.com", "a.example.com", "example.com."] {
        assert!(allows(text, &http(host)), "{host}");
    }
    for host in ["badexample.com", "example.com.evil.org", "com", "127.0.0.1"] {
        assert!(!allows(text, &http(host)), "{host}");
    }
}

#[test]
fn text_of_a_client_is_never_read_as_cedar() {
    let text = r#"permit(principal, action, resource == File::"/work/a");
        permit(principal, action, resource == Program::"/usr/bin/git") when { resource.command like "git status*" };"#;
    for path in [
        r#"/x" || true || resource == File::"/work/a"#,
        r#"/work/a"); permit(principal, action, resource); //"#,
        "/work/a\"",
        "/work/a\\",
        "/work/*",
        "/work/a\u{0}",
    ] {
        assert!(!allows(text, &read(path)), "{path:?}");
        // A name with quotes can be named, and is only itself.
        let own = format!("permit(principal, action, resource == File::{path:?});");
        if !path.contains('\0') {
            assert!(allows(&own, &read(path)), "{own}");
        }
        assert!(!allows(&own, &read("/work/a")) || path == "/work/a");
    }
    let git = Some("/usr/bin/git");
    assert!(allows(text, &start(git, &["git", "status"], "/")));
    for argv in [
        &["git status"][..],
        &["git", "push", "\" like \"git status*"],
        &["git", "push", "git status"],
        &["", "git", "status"],
    ] {
        assert!(!allows(text, &start(git, argv, "/")), "{argv:?}");
    }
}

#[test]
fn a_program_is_the_file_that_is_started() {
    let text = r#"permit(principal, action == Action::"process-start", resource == Program::"/usr/bin/git")
        when { resource.cwd in Directory::"/work" && resource.argv.contains("status") };"#;
    let words = ["git", "status"];
    assert!(allows(
        text,
        &start(Some("/usr/bin/git"), &words, "/work/a")
    ));
    assert!(!allows(text, &start(Some("/tmp/git"), &words, "/work")));
    assert!(!allows(
        text,
        &start(Some("/usr/bin/git"), &words, "/workshop")
    ));
    // Not found: whatever the command calls itself, it is no program that a policy could name.
    assert!(!allows(
        text,
        &start(None, &["/usr/bin/git", "status"], "/work")
    ));
}

#[test]
fn every_path_of_an_operation_has_to_be_permitted() {
    let text = r#"permit(principal, action in Action::"file", resource in Directory::"/work");
        @id("no-git") @reason("leave .git alone") forbid(principal, action, resource in Directory::"/work/.git");"#;
    let copy = |from, to| file(FileVerb::Copy, &[(from, Access::Read), (to, Access::Write)]);
    assert!(allows(text, &copy("/work/a", "/work/b")));
    assert!(!allows(text, &copy("/work/a", "/etc/b")));
    assert!(!allows(text, &copy("/etc/a", "/work/b")));
    let verdict = asked(text, &copy("/work/a", "/work/.git/config"));
    assert_eq!(
        verdict.decision,
        Decision::Deny("leave .git alone".to_owned())
    );
    assert_eq!(verdict.rule.as_deref(), Some("no-git"));
    assert_eq!(
        verdict.details.as_deref(),
        Some(
            r#"{"asked":[{"decision":"allow","policies":["line 1"]},{"decision":"deny","policies":["no-git"]}]}"#
        )
    );
    let none = file(FileVerb::Read, &[]);
    assert!(cedar(text).evaluate(&subject(), &none).is_err());
}

#[test]
fn asking_holds_over_permitting_and_under_forbidding() {
    let text = r#"permit(principal, action, resource);
        @id("removal") @ask("Remove it?") forbid(principal, action == Action::"file-remove", resource);
        @ask("Rename it?") permit(principal, action == Action::"file-rename", resource);
        @id("etc") forbid(principal, action, resource in Directory::"/etc");"#;
    let remove = |path| file(FileVerb::Remove, &[(path, Access::Write)]);
    let verdict = asked(text, &remove("/a"));
    assert_eq!(verdict.decision, Decision::Ask("Remove it?".to_owned()));
    assert_eq!(verdict.rule.as_deref(), Some("removal"));
    let rename = file(
        FileVerb::Rename,
        &[("/a", Access::Write), ("/b", Access::Write)],
    );
    assert_eq!(
        asked(text, &rename).decision,
        Decision::Ask("Rename it?".to_owned())
    );
    let reason = "the policy \"etc\" forbids file-remove of \"/etc/a\"".to_owned();
    assert_eq!(
        asked(text, &remove("/etc/a")).decision,
        Decision::Deny(reason)
    );
    assert!(allows(text, &read("/a")));
    // Agreement does not replace a permit.
    let alone = r#"@ask("Sure?") forbid(principal, action, resource);"#;
    assert!(matches!(
        asked(alone, &read("/a")).decision,
        Decision::Deny(_)
    ));
    let restricting = format!("{alone}\n--- settings\ndefault abstain");
    assert_eq!(
        asked(&restricting, &read("/a")).decision,
        Decision::Ask("Sure?".to_owned())
    );
}

#[test]
fn all_permits_that_apply_narrow() {
    let text = r#"@grant_read("/") @grant_write("/work") @time_limit_ms("9000") permit(principal, action, resource);
        @grant_read("/work, /usr") @drop_env("TOKEN") permit(principal, action in Action::"file-reading", resource);
        @output_limit_bytes("1") permit(principal, action == Action::"http", resource);"#;
    let expected = Narrowing::new()
        .nothing("/")
        .read("/usr")
        .read("/work")
        .drop_env("TOKEN")
        .time_limit(9000);
    let verdict = asked(text, &read("/work/a"));
    assert_eq!(verdict.decision, Decision::Allow);
    assert_eq!(verdict.narrowing, Some(expected));
    assert_eq!(verdict.rule.as_deref(), Some("line 1, line 2"));
}

#[test]
fn proven_identities_have_groups_and_names_that_clients_give_themselves_have_none() {
    let text = r#"permit(principal in Group::"ci", action, resource);
--- entities
[{ "uid": { "type": "Identity", "id": "runner" }, "attrs": {}, "parents": [{ "type": "Group", "id": "ci" }] }]
"#;
    let policy = cedar(text);
    let ask = |client: &str, identity: Option<&str>| {
        let subject = Subject {
            client: client.to_owned(),
            identity: identity.map(str::to_owned),
            ..subject()
        };
        policy
            .evaluate(&subject, &read("/a"))
            .expect("a verdict")
            .decision
            == Decision::Allow
    };
    assert!(ask("codex", Some("runner")));
    assert!(!ask("runner", None) && !ask("ci", Some("other")) && !ask("codex", None));
    let error = refused(
        "permit(principal, action, resource);\n--- entities\n[{\"uid\":{\"type\":\"Directory\",\"id\":\"/a\"},\"attrs\":{\"path\":\"/a\"},\"parents\":[]}]",
    );
    assert!(error.contains("comes from the request"), "{error}");
}

#[test]
fn what_is_wrong_is_told_with_line_and_column_when_it_is_loaded() {
    for (text, told) in [
        ("", "there is no policy"),
        ("// nothing\n", "there is no policy"),
        (
            "permit(principal, action, resource);\npermit(principal action);",
            "line 2, column 18: ",
        ),
        (
            "permit(principal, action, resource)\nwhen { resource.pth == \"/\" };",
            "line 2, column 8: ",
        ),
        (
            "permit(principal, action == Action::\"file-raed\", resource);",
            "line 1, column ",
        ),
        (
            "permit(principal == ?principal, action, resource);",
            "is a template",
        ),
        (
            "\n@resaon(\"x\") forbid(principal, action, resource);",
            "line 2: policy \"line 2\": @resaon: is not known",
        ),
        (
            "@reason(\"x\") permit(principal, action, resource);",
            "it is for forbid",
        ),
        (
            "@grant_read(\"/\") forbid(principal, action, resource);",
            "it is for permit",
        ),
        (
            "@grant_read(\"work\") permit(principal, action, resource);",
            "@grant_read: \"work\" is no absolute path",
        ),
        (
            "@ask(\"\") permit(principal, action, resource);",
            "@ask: says nothing",
        ),
        (
            "permit(principal, action, resource);\n--- entities\n[\n{]",
            "entities: line 4, column 2: ",
        ),
        (
            "permit(principal, action, resource);\n--- schema\nentity Client;\nentity {",
            "schema: line 4, column ",
        ),
        (
            "permit(principal, action, resource);\n--- settings\n\ndefault allow",
            "line 4: default: is `deny` or `abstain`",
        ),
        (
            "permit(principal, action, resource);\n--- data\n",
            "line 2: there is no part \"data\"",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(told), "{text}\n{error}");
    }
}

#[test]
fn a_schema_of_ones_own_has_to_fit_what_is_asked() {
    let policy = "permit(principal, action, resource);\n--- schema\n";
    let more = crate::schema::SCHEMA.replace(
        "entity Group in [Group];",
        "entity Group in [Group] { level: Long };",
    );
    cedar(&format!("{policy}{more}"));
    let less =
        crate::schema::SCHEMA.replace("argv0: String, argv: Set<String>", "argv: Set<String>");
    let error = refused(&format!("{policy}{less}"));
    assert!(error.contains("the schema does not fit"), "{error}");
}

/// What a walk with these options is answered.
fn walked(text: &str, follow_directory_links: bool) -> Verdict {
    let options = WalkOptions {
        max_depth: 8,
        max_directories: 100,
        max_entries: 1_000,
        follow_directory_links,
        prune_hidden_directories: true,
    };
    let walk = file(FileVerb::Walk, &[("/work", Access::Read)]);
    with_walk(options, || asked(text, &walk))
}

const NO_LINKS: &str = r#"permit(principal, action == Action::"file-walk", resource)
  when { context has walk && !context.walk.follow_directory_links && context.walk.max_entries <= 1000 };"#;

#[test]
fn how_far_a_walk_goes_can_be_judged() {
    assert_eq!(walked(NO_LINKS, false).decision, Decision::Allow);
    assert!(matches!(walked(NO_LINKS, true).decision, Decision::Deny(_)));
    // Another executor, or another action, has no options.
    let walk = file(FileVerb::Walk, &[("/work", Access::Read)]);
    assert!(!allows(NO_LINKS, &walk));
}

#[test]
fn a_schema_of_ones_own_that_does_not_know_how_far_a_walk_goes_is_asked_without_it() {
    let schema = crate::schema::SCHEMA.replace(", walk?: Walk", "");
    let text = format!("permit(principal, action, resource);\n--- schema\n{schema}");
    assert_eq!(walked(&text, true).decision, Decision::Allow);
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies() {
    let text = r#"permit(principal, action, resource);
        @id("sum") forbid(principal, action == Action::"http", resource) when { resource.port + 9223372036854775807 == 0 };"#;
    let error = cedar(text).evaluate(&subject(), &http("example.com"));
    let error = error.expect_err("an overflow");
    assert!(error.contains("\"sum\" cannot be evaluated"), "{error}");
    assert!(allows(text, &read("/a")));
}

#[test]
fn what_is_written_to_a_process_can_be_judged() {
    let text = r#"permit(principal, action == Action::"process-write", resource)
        when { resource.argv0 == "python3" && !(context.data like "*import os*") && context.bytes < 100 };"#;
    let write = |data: &[u8]| {
        Action::ProcessWrite(ProcessWrite {
            process: "p".to_owned(),
            argv0: "python3".to_owned(),
            tty: false,
            data: data.to_vec(),
        })
    };
    assert!(allows(text, &write(b"print(1)\xff")));
    assert!(!allows(text, &write(b"import os")));
    assert!(!allows(text, &write(&[b'a'; 100])));
}

#[test]
fn answers_do_not_depend_on_what_was_asked_before() {
    let policy = cedar(r#"permit(principal, action, resource in Directory::"/work");"#);
    let mut answers = Vec::new();
    for _ in 0..3 {
        for path in ["/work/a", "/etc", "/work"] {
            answers.push(policy.evaluate(&subject(), &read(path)));
        }
    }
    assert_eq!(answers[..3], answers[3..6]);
    assert_eq!(answers[..3], answers[6..]);
}

#[test]
fn the_readme_shows_the_schema() {
    assert!(include_str!("../README.md").contains(crate::schema::SCHEMA));
}

#[test]
fn the_example_loads() {
    cedar(include_str!("../examples/workspace.cedar"));
}
