use lockgate_policy::{HttpRequest, ProcessStart};

use super::{Judgement, http, process_start};
use crate::language::load;
use crate::rules::Decision;

const RULES: &str = r#"
host_executable("git", ["/usr/bin/git"])
prefix_rule(["git", ["status", "diff"]])
prefix_rule(["git", "push"], decision = "prompt", justification = "it leaves this machine")
prefix_rule(["cargo"])
prefix_rule(["rm"], decision = "forbidden")
network_rule("api.test", "https", "allow")
network_rule("api.test", "http", "prompt")
network_rule("bad.test", "https", "deny", justification = "not ours")
"#;

fn judged(argv: &[&str], program: Option<&str>) -> Judgement {
    let start = ProcessStart {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        program: program.map(str::to_owned),
        ..start()
    };
    process_start(&load(RULES).expect("rules"), &start)
}

fn start() -> ProcessStart {
    ProcessStart {
        argv: Vec::new(),
        program: None,
        cwd: "/".to_owned(),
        env_names: Vec::new(),
        tty: false,
        sandboxed: false,
    }
}

fn decided(argv: &[&str], program: &str) -> Option<Decision> {
    judged(argv, Some(program)).decision
}

const ALLOW: Option<Decision> = Some(Decision::Allow);
const PROMPT: Option<Decision> = Some(Decision::Prompt);
const FORBIDDEN: Option<Decision> = Some(Decision::Forbidden);

#[test]
fn what_allows_needs_the_file_that_the_name_stands_for() {
    assert_eq!(decided(&["git", "status"], "/usr/bin/git"), ALLOW);
    // The client's own PATH has another program of that name.
    assert_eq!(decided(&["git", "status"], "/work/bin/git"), None);
    assert_eq!(decided(&["git", "push"], "/work/bin/git"), PROMPT);
    // And a name that is honest about nothing: the file is what counts.
    assert_eq!(decided(&["cargo", "build"], "/bin/rm"), FORBIDDEN);
    assert_eq!(decided(&["innocent", "-rf"], "/bin/rm"), FORBIDDEN);
    assert_eq!(decided(&["/usr/bin/git", "diff"], "/usr/bin/git"), ALLOW);
    assert_eq!(decided(&["unknown"], "/usr/bin/unknown"), None);
    assert_eq!(judged(&["git", "status"], None).decision, ALLOW);
}

#[test]
fn a_plain_script_is_judged_command_by_command() {
    let script = |script: &str| judged(&["bash", "-lc", script], Some("/bin/bash"));
    assert_eq!(
        script("git status && cargo test | cargo fmt").decision,
        ALLOW
    );
    assert_eq!(script("git status; git push").decision, PROMPT);
    assert_eq!(script("cargo build || rm -rf /").decision, FORBIDDEN);
    // One that no rule knows is enough to have no opinion, but not to make less of a stricter one.
    assert_eq!(script("git status && make").decision, None);
    assert_eq!(script("make && rm x").decision, FORBIDDEN);
    // What is no plain list of commands is one command: bash.
    for opaque in [
        "cargo build > log",
        "git status & make",
        "x=rm; $x y",
        "git status $(pwd)",
    ] {
        let judgement = script(opaque);
        assert_eq!(
            (judgement.decision, judgement.by_script),
            (None, false),
            "{opaque}"
        );
    }
    // A shell in a shell.
    assert_eq!(script("sh -c 'rm x'").decision, FORBIDDEN);
    // Something that is only called like a shell.
    let other = judged(&["bash", "-lc", "git status"], Some("/work/bash"));
    assert_eq!((other.decision, other.by_script), (None, false));
    let more = judged(&["bash", "-lc", "git status", "x"], Some("/bin/bash"));
    assert!(!more.by_script);
}

#[test]
fn what_prompts_and_forbids_holds_in_scripts_of_every_kind() {
    let shell = |argv: &[&str]| judged(argv, Some("/bin/bash")).decision;
    for (script, decision) in [
        ("git push 2>&1 | tail -3", PROMPT),
        ("git push; echo $?", PROMPT),
        ("FOO=1 git push", PROMPT),
        ("git push origin $(git branch --show-current)", PROMPT),
        ("(cd sub && git push)", PROMPT),
        ("rm $X", FORBIDDEN),
        ("for f in *; do rm \"$f\"; done", FORBIDDEN),
        ("git push & rm x", FORBIDDEN),
        ("cd a\nrm x", FORBIDDEN),
        ("bash -c 'rm x > y'", FORBIDDEN),
        ("true > y; sh -c 'rm x'", FORBIDDEN),
    ] {
        for argv in [
            &["bash", "-lc", script][..],
            &["bash", "-c", script],
            &["/bin/bash", "-e", "-c", script, "name", "argument"],
            &["bash", "-ec", script],
            &["bash", "-c", "-e", script],
            &["bash", "--norc", "-lc", script],
            &["dash", "-c", script],
            &["innocent", "-c", script],
        ] {
            assert_eq!(shell(argv), decision, "{argv:?}");
        }
    }
    // By what is seen in such a script nothing is allowed, and a shell that is allowed is no excuse.
    assert_eq!(shell(&["bash", "-lc", "git status 2>&1"]), None);
    let rules = load("prefix_rule([\"bash\"])\nprefix_rule([\"rm\"], decision = \"prompt\")\n")
        .expect("rules");
    let start = ProcessStart {
        argv: ["bash", "-c", "rm x > y"].map(str::to_owned).to_vec(),
        program: Some("/bin/bash".to_owned()),
        ..start()
    };
    assert_eq!(process_start(&rules, &start).decision, PROMPT);
    // Shells in shells end somewhere.
    let mut nested = "rm x > y".to_owned();
    for _ in 0..20 {
        nested = format!(
            "sh -c \"{}\"",
            nested.replace('\\', "\\\\").replace('"', "\\\"")
        );
        if nested.len() > 100_000 {
            break;
        }
    }
    shell(&["bash", "-c", &nested]);
}

#[test]
fn a_shell_that_is_forbidden_stays_forbidden() {
    let rules = load("prefix_rule([\"bash\"], decision = \"forbidden\")\nprefix_rule([\"ls\"])\n")
        .expect("rules");
    let start = ProcessStart {
        argv: ["bash", "-c", "ls"].map(str::to_owned).to_vec(),
        program: Some("/bin/bash".to_owned()),
        ..start()
    };
    assert_eq!(process_start(&rules, &start).decision, FORBIDDEN);
}

#[test]
fn hosts_are_judged_by_name_and_protocol() {
    let rules = load(RULES).expect("rules");
    let decided = |url: &str, host: &str| {
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            host: host.to_owned(),
            port: 443,
            header_names: Vec::new(),
            hop: 0,
        };
        http(&rules, &request).decision
    };
    assert_eq!(decided("https://api.test/", "api.test"), ALLOW);
    assert_eq!(decided("http://api.test/", "api.test"), PROMPT);
    assert_eq!(decided("https://bad.test/", "bad.test."), FORBIDDEN);
    assert_eq!(decided("https://evil-api.test/", "evil-api.test"), None);
    assert_eq!(decided("https://api.test.evil/", "api.test.evil"), None);
}
