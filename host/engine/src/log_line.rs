//! A guest's message as it may stand in a log.

use std::fmt::Write;

/// A message as one line of bounded length in which nothing drives a terminal or looks like another line.
pub fn log_line(message: &str, most: usize) -> String {
    let mut line = String::with_capacity(message.len().min(most));
    for character in message.chars() {
        if line.len() >= most {
            // Writing to a string does not fail.
            let _ = write!(line, "… ({} bytes)", message.len());
            break;
        }
        match is_harmless(character) {
            true => line.push(character),
            false => line.extend(character.escape_unicode()),
        }
    }
    line
}

/// No control character, and none that changes the direction or the lines of what is shown.
fn is_harmless(character: char) -> bool {
    let reorders = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    !character.is_control() && !reorders && !breaks
}
