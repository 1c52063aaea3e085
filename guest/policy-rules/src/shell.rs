//! Which programs a shell's command line starts, where that can be told by looking at it.
//!
//! `bash -lc "…"` hides its programs in a text. It is taken apart only if it is nothing but plain commands joined by `&&`, `||`, `;` and `|`: words whose
//! value is what is written there, in `bash`, `zsh` and every POSIX shell. This is no shell parser: it knows little, and everything that it does
//! not know for certain (expansions, globs, redirections, control flow, subshells, assignments, comments, line ends outside of quotes) makes
//! the text opaque, and then it is judged as the one command that it is. So the list is of what is allowed, character by character.

use std::iter::Peekable;
use std::str::Chars;

/// The commands of a script that is nothing but plain commands, in order; none if it is something else as well.
pub(crate) fn plain_commands(script: &str) -> Option<Vec<Vec<String>>> {
    let mut chars = script.chars().peekable();
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut may_end = false;
    loop {
        match chars.peek() {
            None => break,
            // Only these: what else is white space is an ordinary character to one shell or another.
            Some(' ' | '\t') => {
                chars.next();
            }
            Some(';' | '&' | '|') => {
                may_end = separator(&mut chars)?;
                if words.is_empty() {
                    return None;
                }
                commands.push(std::mem::take(&mut words));
            }
            Some(_) => {
                let word = Word::read(&mut chars)?;
                if words.is_empty() && !word.is_a_programs_name() {
                    return None;
                }
                words.push(word.text);
            }
        }
    }
    match words.is_empty() {
        false => commands.push(words),
        true if may_end => {}
        true => return None,
    }
    Some(commands)
}

/// Takes `;`, `&&`, `||` or `|`, and nothing that begins like them. Says whether a script may end with it.
fn separator(chars: &mut Peekable<Chars>) -> Option<bool> {
    match chars.next()? {
        ';' => Some(true),
        '&' => chars.next_if_eq(&'&').map(|_| false),
        '|' => {
            chars.next_if_eq(&'|');
            Some(false)
        }
        _ => None,
    }
}

/// A word without its quotes, and what matters about them.
#[derive(Default)]
struct Word {
    text: String,
    /// Some of it was quoted: then it is no reserved word.
    quoted: bool,
    /// An unquoted `=`: before a command's name this is an assignment.
    equals: bool,
}

impl Word {
    fn read(chars: &mut Peekable<Chars>) -> Option<Word> {
        let mut word = Word::default();
        while let Some(&next) = chars.peek() {
            if matches!(next, ' ' | '\t' | ';' | '&' | '|') {
                break;
            }
            chars.next();
            match next {
                '\'' => word.single_quoted(chars)?,
                '"' => word.double_quoted(chars)?,
                '\\' => {
                    let escaped = chars.next().filter(|&c| c == ' ' || c.is_ascii_graphic())?;
                    word.quoted = true;
                    word.text.push(escaped);
                }
                // At the beginning zsh puts a program's path in its place.
                '=' if word.text.is_empty() => return None,
                '=' => {
                    word.equals = true;
                    word.text.push('=');
                }
                'a'..='z' | 'A'..='Z' | '0'..='9' => word.text.push(next),
                '_' | '-' | '.' | '/' | ',' | ':' | '+' | '@' | '%' => word.text.push(next),
                _ => return None,
            }
        }
        Some(word)
    }

    fn single_quoted(&mut self, chars: &mut Peekable<Chars>) -> Option<()> {
        self.quoted = true;
        loop {
            match chars.next()? {
                '\'' => return Some(()),
                next => self.text.push(literal(next)?),
            }
        }
    }

    fn double_quoted(&mut self, chars: &mut Peekable<Chars>) -> Option<()> {
        self.quoted = true;
        loop {
            match chars.next()? {
                '"' => return Some(()),
                '$' | '`' => return None,
                '\\' => match chars.next()? {
                    escaped @ ('"' | '\\' | '$' | '`') => self.text.push(escaped),
                    // It is taken out with the line's end.
                    '\n' => return None,
                    other => {
                        self.text.push('\\');
                        self.text.push(literal(other)?);
                    }
                },
                next => {
                    self.text.push(literal(next)?);
                    // In the character sets of some locales a backslash is the second half of a character.
                    if !next.is_ascii() && chars.peek() == Some(&'\\') {
                        return None;
                    }
                }
            }
        }
    }

    /// As the first word of a command it is the name of what is run, and nothing to the shell itself.
    fn is_a_programs_name(&self) -> bool {
        let reserved = !self.quoted && RESERVED.contains(&&*self.text);
        !self.text.is_empty() && !self.equals && !self.text.starts_with('%') && !reserved
    }
}

/// What stands for itself between quotes. Control characters are told apart by hardly anybody who reads a rule or a question.
fn literal(c: char) -> Option<char> {
    (!c.is_control() || matches!(c, '\n' | '\t')).then_some(c)
}

/// Words that are the shell's own at the beginning of a command, in bash, zsh or both.
const RESERVED: &[&str] = &[
    "if",
    "then",
    "else",
    "elif",
    "fi",
    "do",
    "done",
    "case",
    "esac",
    "while",
    "until",
    "for",
    "select",
    "function",
    "in",
    "time",
    "coproc",
    "repeat",
    "foreach",
    "end",
    "always",
    "nocorrect",
    "noglob",
    "-",
];

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
