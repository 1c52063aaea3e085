//! What somebody is asked to agree to, in words: all that decides about it, and that before what can be long.
//!
//! What it quotes comes from elsewhere, from an agent mostly, which may want to have something overlooked. So each thing has a line of its own that nothing
//! quoted can end, nothing is shown that could draw or reorder, and what is too long loses its middle and says so: neither end can be pushed out of sight.

use std::collections::BTreeMap;

use lockgate_grant::unseen::misleads;
use serde_json::Value;

use super::limits;

const UNCONFINED: &str = "confined: by nothing of lockgate";

/// What somebody would take for a confinement.
const UNHELD: &str = "the profile of files does not hold for commands, and what else the machine confines them by is not known here";

/// What a call brings along that the executor does not tell when it asks, as it is shown: a process keeps this for as long as it is known, and what it is
/// given can have megabytes.
#[derive(Debug)]
pub(super) struct Brought(Vec<String>);

/// What a process can read.
pub(super) enum Input<'a> {
    Nothing,
    /// This, and no more.
    Text(&'a str),
    /// Whatever is written to it later.
    Later,
    /// The same, at a terminal.
    Terminal,
}

impl Brought {
    /// For a process that a call starts, with the variables that it sets.
    pub(super) fn start(variables: &BTreeMap<String, String>, input: Input<'_>) -> Brought {
        let mut lines = Vec::new();
        if !variables.is_empty() {
            lines.push(format!("variables it sets: {}", set(variables)));
        }
        let later =
            "whatever is written to it later, which is asked about only where a policy says so";
        match input {
            Input::Nothing => {}
            Input::Text(text) => lines.push(counted(text)),
            Input::Later => lines.push(format!("input: {later}")),
            Input::Terminal => lines.push(format!("input: a terminal, with {later}")),
        }
        Brought(lines)
    }

    /// For what it writes to one, and how that was started.
    pub(super) fn written(text: &str, command: &str) -> Brought {
        Brought(vec![format!("started as: {command}"), counted(text)])
    }

    /// For what it does to files: what becomes of what is there.
    pub(super) fn becomes(words: impl Into<String>) -> Brought {
        Brought(vec![words.into()])
    }
}

/// An action of the decision log, what the call that does it brings along, and what is seen where it is to be done.
pub(super) fn deed(action: &Value, brought: Option<&Brought>, seen: &[String]) -> String {
    let text = |member: &str| action[member].as_str().unwrap_or("?");
    match action["kind"].as_str() {
        Some("process-start") => start(action, brought, seen),
        Some("process-write") => {
            let (program, process) = (text("argv0"), text("process"));
            let most = limits::SHOWN_ACTION / 2;
            let program = quoted(program, most);
            let process = quoted(process, most);
            let mut lines = vec![format!("write to {program} (process {process})")];
            lines.extend(brought.into_iter().flat_map(|brought| brought.0.clone()));
            lines.join("\n")
        }
        Some("file") => {
            let paths = action["paths"].as_array().into_iter().flatten();
            let mut paths: Vec<_> = paths.filter_map(|path| path["path"].as_str()).collect();
            // One that is compared and written has two entries.
            paths.dedup();
            let all = match (action["recursive"] == true, text("verb")) {
                (true, "create-directory") => ", and those above it that are missing",
                (true, _) => ", and all below",
                (false, _) => "",
            };
            // Between marks: one that has an arrow or a comma in its name is no other deed.
            let most = limits::SHOWN_ACTION / paths.len().max(1);
            let paths: Vec<_> = paths.iter().map(|path| quoted(path, most)).collect();
            let paths = paths.join(" -> ");
            let verb = shown(text("verb"), limits::SHOWN_VALUE);
            let mut lines = vec![format!("{verb} {paths}{all}")];
            lines.extend(brought.into_iter().flat_map(|brought| brought.0.clone()));
            lines.extend_from_slice(seen);
            lines.join("\n")
        }
        Some("http") => {
            let request = format!("{} {}", text("method"), text("url"));
            shown(&request, limits::SHOWN_ACTION)
        }
        _ => shown(&action.to_string(), limits::SHOWN_ACTION),
    }
}

fn start(action: &Value, brought: Option<&Brought>, seen: &[String]) -> String {
    let program = action["program"].as_str();
    let mut lines = vec![
        "run a command".to_owned(),
        line("program", program.unwrap_or("nothing that is there")),
        line("directory", action["cwd"].as_str().unwrap_or("?")),
    ];
    lines.extend_from_slice(seen);
    if let Some(Brought(brought)) = brought {
        lines.extend_from_slice(brought);
    } else if action["tty"] == true {
        lines.push("input: a terminal".to_owned());
    }
    // An executor that is asked to confine a command refuses it, or runs it because its operator says that the machine is the sandbox: it never does confine it.
    lines.push(match action["sandboxed"] == true {
        true => format!("{UNCONFINED}: {UNHELD}"),
        false => UNCONFINED.to_owned(),
    });
    lines.push(line("arguments", &action["argv"].to_string()));
    lines.join("\n")
}

fn line(what: &str, text: &str) -> String {
    format!("{what}: {}", shown(text, limits::SHOWN_ACTION))
}

/// How a process was started, for whoever is asked about it later.
pub(super) fn command(argv: &[String]) -> String {
    shown(&Value::from(argv).to_string(), limits::SHOWN_VALUE)
}

fn set(variables: &BTreeMap<String, String>) -> String {
    let each = variables.iter().map(|(name, value)| {
        let name = shown(name, limits::SHOWN_VALUE);
        format!("{name}={}", quoted(value, limits::SHOWN_VALUE))
    });
    let each: Vec<_> = each.collect();
    shown(&each.join(" "), limits::SHOWN_ACTION)
}

fn counted(text: &str) -> String {
    let bytes = bytes(text.len() as u64);
    format!("input: {bytes}, {}", quoted(text, limits::SHOWN_ACTION))
}

/// So many.
pub(super) fn bytes(count: u64) -> String {
    match count {
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    }
}

/// The same between marks that nothing in it can be taken for.
pub(super) fn quoted(text: &str, most: usize) -> String {
    format!("\"{}\"", cut(text, most, |c| c == '"' || c == '\\'))
}

/// A text as somebody reads it.
pub(super) fn shown(text: &str, most: usize) -> String {
    cut(text, most, |_| false)
}

/// Without its middle, if it is too long. Also escapes what `escapes` says.
fn cut(text: &str, most: usize, escapes: impl Fn(char) -> bool) -> String {
    let shown = |c: char| match misleads(c) || escapes(c) {
        true => c.escape_default().collect::<String>(),
        false => c.to_string(),
    };
    // Nothing is shown with fewer bytes than it has.
    if text.len() <= most {
        let whole: String = text.chars().map(shown).collect();
        if whole.len() <= most {
            return whole;
        }
    }
    let fitting = |chars: &mut dyn Iterator<Item = char>| {
        let (mut bytes, mut parts, mut room) = (0, Vec::new(), most / 2);
        for c in chars {
            let part = shown(c);
            let Some(left) = room.checked_sub(part.len()) else {
                break;
            };
            room = left;
            bytes += c.len_utf8();
            parts.push(part);
        }
        (bytes, parts)
    };
    let (before, start) = fitting(&mut text.chars());
    let (after, mut end) = fitting(&mut text.chars().rev());
    end.reverse();
    let (start, left_out, end) = (start.concat(), text.len() - before - after, end.concat());
    format!("{start} [{left_out} bytes are not shown here: deny it unless you know them] {end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn starting(action: &Value, variables: &[(&str, &str)], input: Input<'_>) -> String {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| (name.to_string(), value.to_string()));
        let variables = variables.collect();
        deed(action, Some(&Brought::start(&variables, input)), &[])
    }

    fn git() -> Value {
        json!({"kind": "process-start", "argv": ["git", "push"], "cwd": "/w", "program": "/usr/bin/git", "env_names": ["PATH"]})
    }

    #[test]
    fn a_command_is_shown_with_all_that_decides_about_it_before_its_arguments() {
        let variables = [("LD_PRELOAD", "/w/evil.so"), ("X", "a\nb")];
        let input = Input::Text("rm -r /\n");
        assert_eq!(
            starting(&git(), &variables, input),
            "run a command\nprogram: /usr/bin/git\ndirectory: /w\nvariables it sets: LD_PRELOAD=\"/w/evil.so\" X=\"a\\nb\"\n\
             input: 8 bytes, \"rm -r /\\n\"\nconfined: by nothing of lockgate\narguments: [\"git\",\"push\"]"
        );
        let confined = json!({"kind": "process-start", "argv": ["sh"], "cwd": "/w", "sandboxed": true, "tty": true});
        assert_eq!(
            starting(&confined, &[], Input::Terminal),
            "run a command\nprogram: nothing that is there\ndirectory: /w\ninput: a terminal, with whatever is written to it later, which is asked about \
             only where a policy says so\nconfined: by nothing of lockgate: the profile of files does not hold for commands, and what else the machine confines them by is not known \
             here\narguments: [\"sh\"]"
        );
        assert!(starting(&git(), &[], Input::Later).contains("\ninput: whatever is written"));
        assert!(!starting(&git(), &[], Input::Nothing).contains("input"));
    }

    #[test]
    fn nothing_that_is_quoted_ends_its_line_or_pushes_anything_out_of_sight() {
        let long = "x".repeat(100_000);
        let action = json!({
            "kind": "process-start", "argv": [format!("first {long}\n"), "last"], "cwd": format!("/w/{long}/end"), "program": format!("/bin/{long}/sh"),
        });
        let many: Vec<_> = (0..1_000)
            .map(|n| (format!("V{n:03}"), long.clone()))
            .collect();
        let many: Vec<_> = many
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let text = starting(
            &action,
            &many,
            Input::Text(&format!("begins\n{long}\nends")),
        );
        let lines: Vec<_> = text.lines().collect();
        let ends = [
            ("run a command", ""),
            ("program: /bin/x", "x/sh"),
            ("directory: /w/x", "x/end"),
            ("variables it sets: V000=\"x", "x\""),
            ("input: 100012 bytes, \"begins\\nx", "x\\nends\""),
            ("confined: ", ""),
            ("arguments: [\"first x", "\"last\"]"),
        ];
        assert_eq!(lines.len(), ends.len(), "{text}");
        for (line, (start, end)) in lines.iter().zip(ends) {
            assert!(line.starts_with(start) && line.ends_with(end), "{line}");
            assert!(line.len() < limits::SHOWN_ACTION + 200, "{line}");
            let is_cut = line.contains("bytes are not shown here: deny it");
            assert_eq!(is_cut, !end.is_empty(), "{line}");
        }
    }

    #[test]
    fn what_is_left_out_is_counted_and_a_quote_ends_only_where_it_ends() {
        assert_eq!(shown("abcdef", 6), "abcdef");
        assert_eq!(
            shown("abcdefg", 4),
            "ab [3 bytes are not shown here: deny it unless you know them] fg"
        );
        // What is escaped takes more room than it has.
        assert_eq!(
            shown("a\n\nb", 4),
            "a [2 bytes are not shown here: deny it unless you know them] b"
        );
        let variables = [("A", "\" LD_PRELOAD=\"\\")];
        let text = starting(&git(), &variables, Input::Nothing);
        assert!(text.contains(r#"A="\" LD_PRELOAD=\"\\""#), "{text}");
    }

    #[test]
    fn what_a_call_brings_along_is_kept_no_longer_than_it_is_shown() {
        let long = "x".repeat(10_000_000);
        let variables = BTreeMap::from([("A".to_owned(), long.clone())]);
        for Brought(lines) in [
            Brought::start(&variables, Input::Text(&long)),
            Brought::written(&long, &command(std::slice::from_ref(&long))),
        ] {
            let bytes: usize = lines.iter().map(String::capacity).sum();
            assert!(bytes < 16 * 1024, "{bytes}");
        }
    }

    #[test]
    fn attack_31_no_name_of_a_file_reads_as_another_deed() {
        let asked = |verb: &str, paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| json!({"path": path})).collect();
            deed(
                &json!({"kind": "file", "verb": verb, "paths": paths}),
                None,
                &[],
            )
        };
        assert_eq!(
            asked("rename", &["/a", "/b -> /c"]),
            r#"rename "/a" -> "/b -> /c""#
        );
        assert_eq!(
            asked("rename", &["/a", "/b\" -> \"/c"]),
            r#"rename "/a" -> "/b\" -> \"/c""#
        );
        assert_eq!(
            asked("remove", &["/x, and all below"]),
            r#"remove "/x, and all below""#
        );
        assert_eq!(
            asked(
                "write",
                &["/Makefile\u{3164}\u{e0020}\u{ad}\u{206a}\u{fe0f}\u{2800}"]
            ),
            r#"write "/Makefile\u{3164}\u{e0020}\u{ad}\u{206a}\u{fe0f}\u{2800}""#
        );
    }

    #[test]
    fn other_actions_are_shown_with_what_they_are_about() {
        let write = json!({"kind": "process-write", "argv0": "sh", "process": "p-1"});
        let brought = Brought::written("exit\n", &command(&["sh".to_owned(), "-i".to_owned()]));
        assert_eq!(
            deed(&write, Some(&brought), &[]),
            "write to \"sh\" (process \"p-1\")\nstarted as: [\"sh\",\"-i\"]\ninput: 5 bytes, \"exit\\n\""
        );
        let copy = json!({"kind": "file", "verb": "copy", "recursive": true, "paths": [{"path": "/a"}, {"path": "/b"}]});
        assert_eq!(
            deed(&copy, None, &[]),
            "copy \"/a\" -> \"/b\", and all below"
        );
        let seen = ["there now: nothing".to_owned()];
        let make = json!({"kind": "file", "verb": "create-directory", "recursive": true, "paths": [{"path": "/a/b"}]});
        assert_eq!(
            deed(&make, Some(&Brought::becomes("for a file")), &seen),
            "create-directory \"/a/b\", and those above it that are missing\nfor a file\nthere now: nothing"
        );
        let http = json!({"kind": "http", "method": "GET", "url": "http://a/\u{202e}b"});
        assert_eq!(deed(&http, None, &[]), "GET http://a/\\u{202e}b");
        assert_eq!(
            deed(&json!({"kind": "new"}), None, &[]),
            r#"{"kind":"new"}"#
        );
    }
}
