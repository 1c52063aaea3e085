use std::collections::BTreeSet;
use std::process::Command;

use super::plain_commands;

fn plain(script: &str) -> Vec<Vec<String>> {
    plain_commands(script).unwrap_or_else(|| panic!("{script:?} is plain"))
}

#[test]
fn plain_commands_are_taken_apart() {
    for (script, commands) in [
        ("ls", &[&["ls"][..]][..]),
        (" \t ls  -l\t/tmp ", &[&["ls", "-l", "/tmp"]]),
        ("a&&b||c;d|e", &[&["a"], &["b"], &["c"], &["d"], &["e"]]),
        (
            "a x && b y || c z ; d w | e v",
            &[
                &["a", "x"],
                &["b", "y"],
                &["c", "z"],
                &["d", "w"],
                &["e", "v"],
            ],
        ),
        ("ls;", &[&["ls"]]),
        ("ls ; ", &[&["ls"]]),
        (
            "git commit -m 'a && b; rm -rf / | $(x) `y`'",
            &[&["git", "commit", "-m", "a && b; rm -rf / | $(x) `y`"]],
        ),
        ("echo \"a; b\" 'c'\"d\"e", &[&["echo", "a; b", "cde"]]),
        ("echo '' \"\"", &[&["echo", "", ""]]),
        ("g'i't pu\\sh", &[&["git", "push"]]),
        (
            r#"echo "\$HOME \"q\" \\ \` \n""#,
            &[&["echo", r#"$HOME "q" \ ` \n"#]],
        ),
        (r"grep a\ b\; \$x \\", &[&["grep", "a b;", "$x", "\\"]]),
        (
            "echo 'two\nlines' \"three\n\"",
            &[&["echo", "two\nlines", "three\n"]],
        ),
        (
            "cargo test --features=a,b +nightly user@host:22 50% a=b",
            &[&[
                "cargo",
                "test",
                "--features=a,b",
                "+nightly",
                "user@host:22",
                "50%",
                "a=b",
            ]],
        ),
        (
            "echo 'grüße' \"日本\" '\u{a0}'",
            &[&["echo", "grüße", "日本", "\u{a0}"]],
        ),
        // Quoted, these are names like others.
        (
            "'if' x; \\time; \"{\" a; 'A=b' c; '!' d",
            &[
                &["if", "x"],
                &["time"],
                &["{", "a"],
                &["A=b", "c"],
                &["!", "d"],
            ],
        ),
        (
            "echo if then { done".trim_end_matches(" { done"),
            &[&["echo", "if", "then"]],
        ),
        ("eval 'rm -rf /'", &[&["eval", "rm -rf /"]]),
        ("echo \"hi!\"", &[&["echo", "hi!"]]),
    ] {
        assert_eq!(plain(script), commands, "{script:?}");
    }
}

#[test]
fn whatever_is_not_certain_is_opaque() {
    for script in [
        // Nothing, and separators without a command between them.
        "",
        " ",
        ";",
        "&&",
        "a &&",
        "a ||",
        "a |",
        "| a",
        "; a",
        "a ;; b",
        "a ; ; b",
        "a && && b",
        "a ; && b",
        "a | | b",
        "a && ; b",
        // What begins like a separator.
        "a & b",
        "a &",
        "a &&& b",
        "a & & b",
        "a |& b",
        "a ||| b",
        "a &| b",
        "a ;& b",
        "a ;;& b",
        "&& a",
        "a &! b",
        // Redirections and here-documents.
        "a > b",
        "a >> b",
        "a < b",
        "a 2>&1",
        "a >& b",
        "a &> b",
        "a <<EOF\nb\nEOF",
        "a <<< b",
        "a <(b)",
        "a >(b)",
        "a>b",
        "a 2>b",
        "> b",
        "<b a",
        // Expansions.
        "a $b",
        "a $(b)",
        "a `b`",
        "a ${b}",
        "a $((1))",
        "$a",
        "`a`",
        "a \"$b\"",
        "a \"$(b)\"",
        "a \"`b`\"",
        "a $'b'",
        "a $\"b\"",
        "a \"${b}\"",
        "a 'b'$c",
        "a \"b\"`c`",
        "a ~",
        "a ~/b",
        "~/b",
        "a b=~",
        "a *",
        "a b?",
        "a [b]",
        "[ a ]",
        "[[ a ]]",
        "a {b,c}",
        "a {1..2}",
        "{ a; }",
        "a b^c",
        "^a^b",
        "a !b",
        "! a",
        "a !!",
        "!a",
        "a b!",
        "=a",
        "a =b",
        "a ''=b",
        // Groups and control flow.
        "(a)",
        "( a; b )",
        "a () { b; }",
        "a() b",
        "function a { b; }",
        "if a; then b; fi",
        "then a",
        "for a in b; do c; done",
        "while a; do b; done",
        "until a; do b; done",
        "case a in b) c;; esac",
        "select a in b",
        "time a",
        "coproc a",
        "a && time b",
        "a; if b",
        "do a",
        "done",
        "fi",
        "esac",
        "repeat 3 a",
        "foreach a",
        "end",
        "nocorrect a",
        "noglob a",
        "- a",
        "always a",
        "else a",
        "elif a",
        "in",
        // Assignments.
        "A=b",
        "A=b c",
        "A= c",
        "A+=b c",
        "a=b; c",
        "A=b C=d e",
        "A='b c' d",
        "A\"x\"=b c",
        "a && B=c d",
        "a[0]=b",
        "--a=b",
        // Remarks.
        "# a",
        "a # b",
        "a #b",
        "a b#c",
        "a; # b",
        // Line ends, and white space that is none to every shell.
        "a\nb",
        "a\n",
        "\na",
        "a &&\nb",
        "a \\\nb",
        "a\\\nb",
        "a\rb",
        "a\r",
        "a\r\nb",
        "a\u{b}b",
        "a\u{c}b",
        "a\u{a0}b",
        "a\u{2003}b",
        "a\u{3000}b",
        "a\u{2028}b",
        "a\u{85}b",
        "a\u{feff}b",
        "a \"b\\\nc\"",
        // Characters of no plain word.
        "ä",
        "a ä",
        "a \u{1b}",
        "a\0b",
        "a \u{7f}",
        "a '\u{1}'",
        "a '\0'",
        "a \"\u{1b}[31m\"",
        "a '\r'",
        "a \"b\\\u{1}\"",
        "a '\u{9b}'",
        // Quotes that do not end, and backslashes.
        "a 'b",
        "a \"b",
        "a '",
        "a \"",
        "a \\",
        "a 'b\\'c'",
        "a \"b\\\"",
        "a \\\u{e9}",
        "a \\\t",
        "a \"é\\\\\"",
        // Names that are none.
        "'' a",
        "\"\"",
        "%1",
        "%a b",
    ] {
        assert_eq!(plain_commands(script), None, "{script:?}");
    }
}

#[test]
fn a_long_script_takes_no_deep_stack() {
    let script = "a b c;".repeat(100_000);
    assert_eq!(plain(&script).len(), 100_000);
    assert_eq!(plain_commands(&"(".repeat(1_000_000)), None);
    assert_eq!(plain_commands(&format!("a {}", "'".repeat(999_999))), None);
}

/// The commands that bash itself would look for: each goes to `command_not_found_handle`, which says its words and ends with `status`.
fn asked_of_bash(script: &str, status: u8) -> Option<BTreeSet<Vec<String>>> {
    let handle = format!(
        "command_not_found_handle() {{ printf '%s\\0' \"$#\" \"$@\" >&2; return {status}; }}; eval \"$1\""
    );
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", &handle, "bash", script])
        .env_clear()
        .env("PATH", "/nonexistent")
        .env("LC_ALL", "C.UTF-8")
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    let mut fields = text.split_terminator('\0');
    let mut commands = BTreeSet::new();
    while let Some(count) = fields.next() {
        let count: usize = count
            .parse()
            .unwrap_or_else(|_| panic!("bash says {text:?} of {script:?}"));
        commands.insert(fields.by_ref().take(count).map(str::to_owned).collect());
    }
    Some(commands)
}

/// Numbers from a seed: the same scripts in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// With every command ending well, what follows `&&` is run; with every one failing, what follows `||`: together it is all.
#[test]
fn bash_finds_the_same_commands_in_what_is_plain() {
    if asked_of_bash("x", 0).is_none() {
        eprintln!("there is no bash to compare with");
        return;
    }
    const PARTS: &[&str] = &[
        "x", "yy", "-z", "/q", "=", "a=b", "'", "\"", "\\", " ", " ", " ", " ", "\t", "\n", ";",
        " ; ", "&&", " && ", "||", " || ", "|", " | ", "&", "$x", "$(y)", "`", "{", "}", ",", "(",
        ")", "#", "~", "*", "?", "!", "<", ">", "%", ":", "+", "@", "^", "é", "\r", "'s t'",
        "\"s;t\"", "'&'", "\"\\\\\"", "\"\\n\"", "if", "then", "time", "do", "''", "\u{a0}", "x y",
        "yy -z", "x ",
    ];
    let (mut numbers, mut compared) = (Numbers(7), 0);
    while compared < 400 {
        let length = 1 + numbers.below(9);
        let script: String = (0..length)
            .map(|_| PARTS[numbers.below(PARTS.len())])
            .collect();
        let script = format!("x{script}");
        let Some(commands) = plain_commands(&script) else {
            continue;
        };
        // What bash has built in is not looked for.
        let built_in = [":", ".", "-z", "if"];
        if commands
            .iter()
            .any(|words| built_in.contains(&&*words[0]) || words[0].contains('/'))
        {
            continue;
        }
        let mut found = asked_of_bash(&script, 0).expect("bash");
        found.extend(asked_of_bash(&script, 1).expect("bash"));
        assert_eq!(
            commands.into_iter().collect::<BTreeSet<_>>(),
            found,
            "{script:?}"
        );
        compared += 1;
    }
}
