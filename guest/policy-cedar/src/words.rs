//! A command in one text, so that its order can be matched with `like`: Cedar's sets have none.

/// The words with a space between them. A word that holds anything but plain characters stands in single quotes, as a shell would
/// need it: `git push *` matches only where `git` and `push` are words of their own, whatever the later ones hold.
pub(crate) fn command_line(argv: &[String]) -> String {
    let mut line = String::new();
    for word in argv {
        if !line.is_empty() {
            line.push(' ');
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%^".contains(&byte);
        if !word.is_empty() && word.bytes().all(is_plain) {
            line.push_str(word);
        } else {
            line.push('\'');
            line.push_str(&word.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_apart() {
        let line = |argv: &[&str]| {
            let argv: Vec<_> = argv.iter().map(|word| (*word).to_owned()).collect();
            command_line(&argv)
        };
        assert_eq!(line(&["git", "push", "--force"]), "git push --force");
        assert_eq!(line(&["git push", "x"]), "'git push' x");
        assert_eq!(line(&["", "git"]), "'' git");
        assert_eq!(line(&["git", ""]), "git ''");
        assert_eq!(line(&["a'b", "$(c)", "*", "ä"]), r"'a'\''b' '$(c)' '*' 'ä'");
        assert_ne!(line(&["a", "b"]), line(&["a b"]));
        assert_ne!(line(&["'a", "b'"]), line(&["a b"]));
        assert_eq!(line(&[]), "");
    }
}
