use super::visible_commands;

#[test]
fn what_is_written_in_a_script_is_seen() {
    for script in [
        "rm x 2>&1",
        "rm x >/dev/null",
        "rm x &> log",
        "rm >log x",
        "2>log rm x",
        "cat < in | rm x >> out 2>&1 | tail -3",
        "echo $?; rm x",
        "rm x & wait",
        "A=1 B+=2 rm x",
        "(rm x)",
        "( cd a && rm x )",
        "{ rm x; }",
        "f() { rm x; }; f",
        "function f { rm x; }",
        "echo $(rm x)",
        "echo \"in $(rm x) quotes\"",
        "echo `rm x`",
        "echo \"`rm x`\"",
        "diff <(rm x) y",
        "echo $(echo $(rm x))",
        "echo $(case a in a) rm x;; esac)",
        "if true; then rm x; fi",
        "if rm x; then true; fi",
        "while ! rm x; do sleep 1; done",
        "for f in a b; do rm x; done",
        "case $1 in a) rm x;; esac",
        "case $1 in (a) rm x;; esac",
        "cd a\nrm x",
        "# words\nrm x",
        "rm \\\n x 2>&1",
        "'r'm \"x\" 2>&1",
        "r\\m x 2>&1",
        "$'rm' x",
        "time rm x > y",
        "exec rm x > y",
        "echo \"$(echo \"a\")\"; rm x",
        "rm x | while read line; do echo $line; done",
    ] {
        let commands = visible_commands(script);
        let is_seen = commands
            .iter()
            .any(|words| words.iter().map(String::as_str).eq(["rm", "x"]));
        assert!(is_seen, "{script:?}: {commands:?}");
    }
}

#[test]
fn what_is_only_said_is_not_taken_for_a_command() {
    for script in [
        "echo rm x 2>&1",
        "echo 'a; rm x' > y",
        "echo \"a; rm x\" > y",
        "echo a\\; rm x > y",
        "echo > rm",
        "git commit -m \"$HOME; rm x\"",
        "grep -r 'rm' . 2>/dev/null",
    ] {
        let commands = visible_commands(script);
        let is_seen = commands.iter().any(|words| words[0] == "rm");
        assert!(!is_seen, "{script:?}: {commands:?}");
    }
}

#[test]
fn what_is_not_ended_is_read_to_its_end() {
    for script in [
        "", "'", "\"", "\\", "$(", "`", "(", ")", "<", ">", "&", "{", "}", "$", "a$",
    ] {
        for script in [
            script.to_owned(),
            format!("{script} rm x"),
            format!("rm x {script}"),
        ] {
            visible_commands(&script);
        }
    }
    assert_eq!(
        visible_commands("echo \"$(rm x"),
        [
            ["rm", "x"].map(str::to_owned).to_vec(),
            vec!["echo".to_owned(), "\u{fffd}".to_owned()]
        ]
    );
    // Much of everything is read in time that grows as it does.
    for much in ["(", "$(", "`a ", "a ", "\"$(", "a;", "$() "] {
        visible_commands(&much.repeat(20_000));
    }
}
