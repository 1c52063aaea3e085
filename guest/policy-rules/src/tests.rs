use lockgate_policy::{Action, Decision, Policy, ProcessStart, Subject, Transport};

use crate::RulesPolicy;

fn asked(
    rules: &str,
    argv: &[&str],
    program: &str,
    env_names: &[&str],
) -> lockgate_policy::Verdict {
    let policy = RulesPolicy::load(rules).unwrap_or_else(|error| panic!("{error}"));
    let subject = Subject {
        session: String::new(),
        client: String::new(),
        environment: None,
        transport: Transport::Stdio,
        identity: None,
    };
    let action = Action::ProcessStart(ProcessStart {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        program: Some(program.to_owned()),
        cwd: "/".to_owned(),
        env_names: env_names.iter().map(|name| (*name).to_owned()).collect(),
        tty: false,
        sandboxed: false,
    });
    policy.evaluate(&subject, &action).expect("an answer")
}

#[test]
fn an_answer_names_its_rule_and_tells_all_that_matched() {
    let rules = "prefix_rule([\"rm\"], decision = \"forbidden\", justification = \"move it to /trash instead\")";
    let verdict = asked(rules, &["rm", "x"], "/bin/rm", &[]);
    assert_eq!(
        verdict.decision,
        Decision::Deny("move it to /trash instead".to_owned())
    );
    assert_eq!(verdict.rule.as_deref(), Some("rm"));
    let details = verdict.details.expect("details");
    assert!(
        details.starts_with("{\"matchedRules\":[{\"prefixRuleMatch\":{\"matchedPrefix\":[\"rm\"]"),
        "{details}"
    );
    let nothing = asked("", &["ls"], "/bin/ls", &[]);
    assert_eq!(nothing.decision, Decision::Abstain);
    let prompt = asked(
        "prefix_rule([\"ls\"], decision = \"prompt\")",
        &["ls", "-l"],
        "/bin/ls",
        &[],
    );
    assert_eq!(prompt.decision, Decision::Ask("Allow ls -l?".to_owned()));
}

/// A function in the environment could take a command's name.
#[test]
fn a_script_that_was_judged_runs_without_what_changes_shells() {
    let rules = "prefix_rule([\"ls\"])";
    let names = ["BASH_ENV", "BASH_FUNC_ls%%", "HOME"];
    let verdict = asked(rules, &["bash", "-c", "ls"], "/bin/bash", &names);
    assert_eq!(verdict.decision, Decision::Allow);
    let dropped = verdict.narrowing.expect("narrowed").drop_env;
    assert_eq!(dropped, ["BASH_ENV", "BASH_FUNC_ls%%"]);
    let verdict = asked(rules, &["ls"], "/bin/ls", &names);
    assert!(verdict.narrowing.is_none());
}
