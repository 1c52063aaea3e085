//! The commands that can be seen in a shell's script which is more than plain commands.
//!
//! With one redirection, substitution, assignment or keyword a script is nothing that rules could allow: what it does cannot be told by looking at it. But what is
//! written there can still be seen, and a rule that forbids `git push` or asks about it means `git push 2>&1 | tail` as well. So this reads a script
//! generously, and takes for a command whatever may be one. It knows the quotes, separators, redirections, substitutions and keywords of the shells,
//! and nothing of what words come to mean (`$X`, aliases, `eval`). Nothing is allowed by what it finds, so that a mistake costs a question and no more.

use std::iter::Peekable;
use std::mem::take;
use std::str::Chars;

/// In place of what a substitution puts there: part of no word of a rule.
const SUBSTITUTED: char = '\u{fffd}';

/// Commands that a word may belong to at once.
const OPEN_COMMANDS: usize = 8;

/// What may be a command in it, in the order of their ends.
pub(crate) fn visible_commands(script: &str) -> Vec<Vec<String>> {
    let mut reader = Reader {
        commands: Vec::new(),
        around: Vec::new(),
        inner: Part::new(None),
    };
    reader.read(&mut script.chars().peekable());
    reader.commands
}

struct Reader {
    commands: Vec<Vec<String>>,
    /// The parts of the script that the innermost is in.
    around: Vec<Part>,
    inner: Part,
}

/// The script itself, or what stands in parentheses or backquotes.
struct Part {
    /// What ends it.
    end: Option<char>,
    /// Commands that have begun and not ended.
    open: Vec<Vec<String>>,
    word: Option<String>,
    in_double_quotes: bool,
    /// The next word is where a redirection leads.
    is_target: bool,
    /// After this word another command may begin: what ended in it may have ended elsewhere.
    may_begin: bool,
}

impl Part {
    fn new(end: Option<char>) -> Part {
        Part {
            end,
            open: vec![Vec::new()],
            word: None,
            in_double_quotes: false,
            is_target: false,
            may_begin: false,
        }
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else {
            return;
        };
        if !take(&mut self.is_target) {
            for command in &mut self.open {
                if !command.is_empty() || !stands_before_commands(&word) {
                    command.push(word.clone());
                }
            }
        }
        if take(&mut self.may_begin) && self.open.len() < OPEN_COMMANDS {
            self.open.push(Vec::new());
        }
    }
}

impl Reader {
    fn read(&mut self, chars: &mut Peekable<Chars>) {
        while let Some(c) = chars.next() {
            match c {
                '\\' => self.escaped(chars),
                '"' => {
                    self.inner.word.get_or_insert_default();
                    self.inner.in_double_quotes = !self.inner.in_double_quotes;
                }
                '$' if chars.next_if_eq(&'(').is_some() => self.begin(')'),
                '`' if self.is_in('`') => self.end('`'),
                '`' => self.begin('`'),
                c if self.inner.in_double_quotes => self.inner.push(c),
                c => self.unquoted(c, chars),
            }
        }
        while let Some(end) = self.inner.end {
            self.end(end);
        }
        self.end_command();
    }

    fn unquoted(&mut self, c: char, chars: &mut Peekable<Chars>) {
        match c {
            '\'' => {
                let word = self.inner.word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            // Quotes of another kind.
            '$' if matches!(chars.peek(), Some('\'' | '"')) => {}
            ' ' | '\t' => self.end_word(),
            '<' | '>' if chars.next_if_eq(&'(').is_some() => self.begin(')'),
            '<' | '>' => self.redirection(chars),
            '&' if chars.peek() == Some(&'>') => self.end_word(),
            '\n' | '\r' | ';' | '&' | '|' => self.end_command(),
            '(' => {
                self.end_command();
                self.begin(')');
            }
            ')' if self.inner.end == Some(')') => self.end(')'),
            // Of a pattern of `case`.
            ')' => self.end_command(),
            c => self.inner.push(c),
        }
    }

    fn escaped(&mut self, chars: &mut Peekable<Chars>) {
        match chars.next() {
            // It is taken out with the line's end.
            Some('\n') | None => {}
            Some(c) => {
                if self.inner.in_double_quotes && !matches!(c, '"' | '\\' | '$' | '`') {
                    self.inner.push('\\');
                }
                self.inner.push(c);
            }
        }
    }

    fn redirection(&mut self, chars: &mut Peekable<Chars>) {
        // A descriptor's number is no word.
        let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit());
        if self.inner.word.as_ref().is_some_and(is_number) {
            self.inner.word = None;
        }
        self.end_word();
        while chars
            .next_if(|c| matches!(c, '<' | '>' | '&' | '|' | '-'))
            .is_some()
        {}
        self.inner.is_target = true;
    }

    fn end_word(&mut self) {
        // What stands between braces is a list of commands, wherever it stands.
        match self.inner.word.as_deref() {
            Some("{" | "}") => self.end_command(),
            _ => self.inner.end_word(),
        }
    }

    fn end_command(&mut self) {
        self.inner.end_word();
        self.inner.is_target = false;
        let ended = std::mem::replace(&mut self.inner.open, vec![Vec::new()]);
        self.commands
            .extend(ended.into_iter().filter(|command| !command.is_empty()));
    }

    fn begin(&mut self, end: char) {
        let outer = std::mem::replace(&mut self.inner, Part::new(Some(end)));
        self.around.push(outer);
    }

    fn is_in(&self, end: char) -> bool {
        let ends = self.around.iter().map(|part| part.end);
        ends.chain([self.inner.end]).any(|of| of == Some(end))
    }

    /// Ends the innermost part that ends so, and all in it.
    fn end(&mut self, end: char) {
        loop {
            self.end_command();
            let Some(outer) = self.around.pop() else {
                return;
            };
            let inner = std::mem::replace(&mut self.inner, outer);
            self.inner.push(SUBSTITUTED);
            self.inner.may_begin = true;
            if inner.end == Some(end) {
                return;
            }
        }
    }
}

/// A keyword after which a command comes, or an assignment.
fn stands_before_commands(word: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "!",
        "if",
        "then",
        "elif",
        "else",
        "while",
        "until",
        "do",
        "time",
        "coproc",
        "nocorrect",
        "noglob",
        "exec",
        "command",
        "builtin",
        "eval",
    ];
    let is_assignment = || {
        let Some((name, _)) = word.split_once('=') else {
            return false;
        };
        let name = name.strip_suffix('+').unwrap_or(name);
        let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(is_part)
    };
    KEYWORDS.contains(&word) || is_assignment()
}

#[cfg(test)]
#[path = "visible_tests.rs"]
mod tests;
