use super::load;
use crate::rules::Decision;

fn refused(text: &str) -> String {
    match load(text) {
        Ok(rules) => panic!("accepted: {rules:?}"),
        Err(error) => error,
    }
}

fn matches(text: &str, command: &[&str]) -> Vec<(String, Decision)> {
    let rules = load(text).unwrap_or_else(|error| panic!("{error}"));
    let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let found = rules.matches(&words);
    found
        .iter()
        .map(|found| (found.name(), found.decision()))
        .collect()
}

#[test]
fn a_rule_matches_the_beginning_of_a_command() {
    let text = r#"
prefix_rule(
    pattern = ["git", ["push", "fetch"], "origin"],
    decision = "prompt",
    match = [["git", "push", "origin", "main"], "git fetch origin"],
    not_match = ["git push", ["git", "push", "--all"], "git push 'origin x'"],
    justification = "it leaves this machine",
)
prefix_rule(["git"])
"#;
    let rule = ("git push origin".to_owned(), Decision::Prompt);
    let all = ("git".to_owned(), Decision::Allow);
    assert_eq!(
        matches(text, &["git", "push", "origin"]),
        [rule, all.clone()]
    );
    assert_eq!(matches(text, &["git", "pull", "origin"]), [all]);
    assert_eq!(matches(text, &["gi"]), []);
    assert_eq!(matches(text, &[]), []);
}

#[test]
fn alternatives_of_the_first_word_make_a_rule_each() {
    let text = r#"prefix_rule([["rm", "shred"], "-f"], decision = "forbidden")"#;
    for program in ["rm", "shred"] {
        let found = matches(text, &[program, "-f", "x"]);
        assert_eq!(found, [(format!("{program} -f"), Decision::Forbidden)]);
    }
}

#[test]
fn a_path_is_found_by_its_name_unless_other_files_are_listed() {
    let open = r#"prefix_rule(["git"])"#;
    assert_eq!(matches(open, &["/opt/git"]).len(), 1);
    assert_eq!(matches(open, &["bin/git"]), []);
    let listed = r#"
host_executable("git", ["/opt/git"])
host_executable("git", ["/usr/bin/git", "/usr/bin/git"])
prefix_rule(["git"], match = ["/usr/bin/git status"], not_match = ["/opt/git status"])
"#;
    assert_eq!(matches(listed, &["/usr/bin/git"]).len(), 1);
    assert_eq!(matches(listed, &["/opt/git"]), []);
    // A rule for the path itself comes before those for its name.
    let exact = r#"
prefix_rule(["/usr/bin/git"], decision = "forbidden")
prefix_rule(["git"])
"#;
    assert_eq!(
        matches(exact, &["/usr/bin/git"]),
        [("/usr/bin/git".to_owned(), Decision::Forbidden)]
    );
    let home = "# home: /home/me\nhost_executable(\"t\", [\"~/bin/t\"])\nprefix_rule([\"t\"])\n";
    assert_eq!(matches(home, &["/home/me/bin/t"]).len(), 1);
    assert_eq!(matches(home, &["/srv/bin/t"]), []);
}

#[test]
fn it_is_a_language() {
    let text = r#"
def allow(program, *verbs):
    for verb in verbs:
        prefix_rule(pattern = [program, verb])

allow("cargo", "build", "test")
[prefix_rule(pattern = [tool], decision = "forbidden") for tool in ["sudo", "su"]]
"#;
    assert_eq!(matches(text, &["cargo", "test"]).len(), 1);
    assert_eq!(matches(text, &["cargo", "publish"]), []);
    assert_eq!(
        matches(text, &["su"]),
        [("su".to_owned(), Decision::Forbidden)]
    );
}

#[test]
fn several_files_are_one_set_of_rules_and_each_has_lines_of_its_own() {
    let text = "# file: a.rules\nprefix_rule([\"a\"])\n# file: b.rules\n\nprefix_rule([\"a\", \"b\"], decision = \"prompt\")\n";
    assert_eq!(matches(text, &["a", "b"]).len(), 2);
    let wrong = text.replace("\"prompt\"", "\"maybe\"");
    let said = refused(&wrong);
    assert!(
        said.starts_with("b.rules:2:1: decision \"maybe\" is none"),
        "{said}"
    );
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (text, says) in [
        ("prefix_rule([\"a\"]", "rules:1:"),
        (
            "\n\nprefix_rule([])",
            "rules:3:1: pattern is a list with at least one word",
        ),
        ("prefix_rule([\"\"])", "is not empty"),
        ("prefix_rule([1])", "1 is a int"),
        ("prefix_rule([[]])", "at least one"),
        (
            "prefix_rule([\"a\"], decision = \"deny\")",
            "there are: allow, prompt, forbidden",
        ),
        (
            "prefix_rule([\"a\"], justification = \" \")",
            "justification is empty",
        ),
        (
            "prefix_rule([\"a\"], match = [\"b\"])",
            "the example \"b\" in match does not match the rule",
        ),
        (
            "prefix_rule([\"a\"], not_match = [[\"a\", \"b\"]])",
            "in not_match matches the rule",
        ),
        ("prefix_rule([\"a\"], match = [\"\"])", "is a command"),
        ("prefix_rule([\"a\"], match = [\"a 'b\"])", "is a command"),
        ("prefix_rule([\"a\"], matches = [])", "matches"),
        ("host_executable(\"a/b\", [])", "bare name"),
        (
            "host_executable(\"a\", [\"/usr/bin/b\"])",
            "its last name is another",
        ),
        ("host_executable(\"a\", [\"a\"])", "a"),
        (
            "network_rule(\"*.a.test\", \"https\", \"allow\")",
            "is no host",
        ),
        (
            "network_rule(\"https://a.test\", \"https\", \"allow\")",
            "is no host",
        ),
        (
            "network_rule(\"a.test\", \"ftp\", \"allow\")",
            "protocol \"ftp\" is none",
        ),
        (
            "network_rule(\"a.test\", \"http\", \"maybe\")",
            "there are: allow, deny, prompt, forbidden",
        ),
        ("load(\"a\", \"b\")", "rules:1:"),
        ("nothing()", "nothing"),
    ] {
        let said = refused(text);
        assert!(said.contains(says), "{text}: {said}");
        assert!(said.starts_with("rules:"), "{text}: {said}");
    }
}
