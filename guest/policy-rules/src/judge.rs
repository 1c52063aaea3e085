//! What the rules say to an action.
//!
//! A command is looked up twice: as the client wrote it, and by the file that is really started. What forbids or asks counts
//! either way. What allows counts only where the file can be what the first word says: `git` in the client's own `PATH` may be anything,
//! and `host_executable` says what it has to be.

use lockgate_policy::{HttpRequest, ProcessStart, path};

use crate::rules::{Decision, Match, Protocol, Rules};
use crate::{shell, visible};

/// Shells whose plain scripts are judged command by command.
const SHELLS: &[&str] = &["bash", "sh", "zsh"];
/// Shells in whose other scripts is looked for what is not allowed; of more of them, and wherever they are.
const LOOKED_INTO: &[&str] = &["bash", "sh", "zsh", "dash", "ash", "ksh", "mksh", "fish"];
/// Where a file called like a shell is one, if no `host_executable` says otherwise.
/// Name by name: whole, they would look like paths of the machine that this was built on.
const SHELL_FOLDERS: &[&[&str]] = &[&["bin"], &["usr", "bin"], &["usr", "local", "bin"]];
/// A shell's script may start a shell with a script. More than this is nobody's honest command line, and is opaque.
const NESTED_SHELLS: u32 = 8;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) matches: Vec<Match>,
    /// None: no opinion. One command that no rule allows is enough for that, whatever allows the others.
    pub(crate) decision: Option<Decision>,
    /// It was judged by the commands in a script.
    pub(crate) by_script: bool,
}

impl Judgement {
    /// The first of the strictest.
    pub(crate) fn decisive(&self) -> Option<&Match> {
        let decision = self.decision?;
        self.matches
            .iter()
            .find(|found| found.decision() == decision)
    }

    fn of(commands: Vec<Vec<Match>>) -> Judgement {
        let all_matched = commands.iter().all(|matches| !matches.is_empty());
        let mut matches: Vec<Match> = Vec::new();
        for found in commands.into_iter().flatten() {
            if !matches.contains(&found) {
                matches.push(found);
            }
        }
        let strictest = matches.iter().map(Match::decision).max();
        Judgement {
            matches,
            decision: strictest.filter(|decision| *decision != Decision::Allow || all_matched),
            by_script: false,
        }
    }
}

pub(crate) fn process_start(rules: &Rules, start: &ProcessStart) -> Judgement {
    let program = start.program.as_deref();
    let itself = command(rules, &start.argv, program);
    let mut inside = Vec::new();
    if !expand(rules, &start.argv, program, 0, &mut inside) {
        let seen = not_allowed_inside(rules, &start.argv, program, 0);
        return Judgement::of(vec![[itself, seen].concat()]);
    }
    let mut commands: Vec<Vec<Match>> = inside
        .iter()
        .map(|words| {
            let seen = not_allowed_inside(rules, words, None, 0);
            [command(rules, words, None), seen].concat()
        })
        .collect();
    // Judged by its commands, a shell needs no permission of its own. But who forbids it means it.
    let forbidden: Vec<Match> = itself
        .into_iter()
        .filter(|found| found.decision() == Decision::Forbidden)
        .collect();
    if !forbidden.is_empty() {
        commands.push(forbidden);
    }
    Judgement {
        by_script: true,
        ..Judgement::of(commands)
    }
}

pub(crate) fn http(rules: &Rules, request: &HttpRequest) -> Judgement {
    let protocol = match request.url.split_once(':') {
        Some(("http", _)) => Protocol::Http,
        _ => Protocol::Https,
    };
    Judgement::of(vec![rules.network_matches(&request.host, protocol)])
}

/// What matches one command, `program` being the file that is started where that is known.
fn command(rules: &Rules, words: &[String], program: Option<&str>) -> Vec<Match> {
    let as_written = rules.matches(words);
    let (Some(program), Some((first, rest))) = (program, words.split_first()) else {
        return as_written;
    };
    if first == program {
        return as_written;
    }
    let name = path::name(first);
    let is_honest = !first.starts_with('/')
        && name == path::name(program)
        && rules.executables().may_be(name, program);
    let mut found: Vec<Match> = as_written
        .into_iter()
        .filter(|found| is_honest || found.decision() != Decision::Allow)
        .collect();
    let by_file: Vec<String> = std::iter::once(program.to_owned())
        .chain(rest.iter().cloned())
        .collect();
    for by_file in rules.matches(&by_file) {
        // The same rule, found by another way.
        if !found.iter().any(|other| is_same_rule(other, &by_file)) {
            found.push(by_file);
        }
    }
    found
}

fn is_same_rule(one: &Match, other: &Match) -> bool {
    let rule = |found: &Match| {
        (
            found.name(),
            found.decision(),
            found.justification().map(str::to_owned),
        )
    };
    rule(one) == rule(other)
}

/// Puts the commands of a shell's script into `commands`, down to the last shell in a shell. False if this is no shell with a plain script.
fn expand(
    rules: &Rules,
    words: &[String],
    program: Option<&str>,
    depth: u32,
    commands: &mut Vec<Vec<String>>,
) -> bool {
    let [shell, option, script] = words else {
        return false;
    };
    if !matches!(&**option, "-c" | "-lc")
        || !is_shell(rules, shell, program)
        || depth == NESTED_SHELLS
    {
        return false;
    }
    let Some(inside) = shell::plain_commands(script) else {
        return false;
    };
    for command in inside {
        if !expand(rules, &command, None, depth + 1, commands) {
            commands.push(command);
        }
    }
    true
}

/// What prompts or forbids of the rules for the commands that can be seen in a shell's script, down to the last shell in a shell.
fn not_allowed_inside(
    rules: &Rules,
    words: &[String],
    program: Option<&str>,
    depth: u32,
) -> Vec<Match> {
    let mut found = Vec::new();
    if let Some(script) = script(words, program)
        && depth < NESTED_SHELLS
    {
        for command in visible::visible_commands(script) {
            let matches = rules.matches(&command);
            found.extend(
                matches
                    .into_iter()
                    .filter(|found| found.decision() != Decision::Allow),
            );
            found.extend(not_allowed_inside(rules, &command, None, depth + 1));
        }
    }
    found
}

/// What a shell is told to run, with whatever options.
fn script<'a>(words: &'a [String], program: Option<&str>) -> Option<&'a str> {
    let (first, arguments) = words.split_first()?;
    let mut names = [Some(&**first), program].into_iter().flatten();
    if !names.any(|name| LOOKED_INTO.contains(&path::name(name))) {
        return None;
    }
    let is_command =
        |word: &String| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    let mut arguments = arguments.iter().skip_while(|word| !is_command(word));
    arguments.next()?;
    // More options may follow.
    let script = arguments.find(|word| !word.starts_with(['-', '+']))?;
    Some(script)
}

/// What is started is one of the shells whose language is known here, as far as can be seen.
fn is_shell(rules: &Rules, first: &str, program: Option<&str>) -> bool {
    if !SHELLS.contains(&path::name(first)) {
        return false;
    }
    // A bare name inside a script is looked up there; what it finds cannot be seen from here, nor for any other command.
    let file = match program {
        Some(program) => program,
        None if !first.contains('/') => return true,
        None => first,
    };
    let Some((folder, name)) = file.rsplit_once('/') else {
        return false;
    };
    SHELLS.contains(&name)
        && match rules.executables().listed(name) {
            Some(paths) => paths.iter().any(|path| path == file),
            None => folder.strip_prefix('/').is_some_and(|folder| {
                SHELL_FOLDERS
                    .iter()
                    .any(|names| folder.split('/').eq(names.iter().copied()))
            }),
        }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
