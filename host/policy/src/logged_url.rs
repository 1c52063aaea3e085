//! URLs as the decision log has them: without user name and password, without query and fragment. Secrets travel in these.
//!
//! In the words of a command URLs stand anywhere: alone, after `--url=`, in the text that a shell is given. What is taken out of a word leaves a mark
//! there, so that whoever reads the log sees that something was. Where a URL ends in a shell's text is told as the shell would: its own
//! signs end one that is not quoted, or else what follows could be hidden behind a question mark.

use std::borrow::Cow;

/// What stands where something was taken out.
const MARK: &str = "[removed]";

/// The URL of a request without its secrets, and whether there was a query.
pub(crate) fn of_request(url: &str) -> (String, bool) {
    let url = url.split('#').next().unwrap_or_default();
    let (url, query) = match url.split_once('?') {
        Some((url, _)) => (url, true),
        None => (url, false),
    };
    let url = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (_, host, path) = taken_apart(rest);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    };
    (url, query)
}

/// A word of a command with the secrets of its URLs taken out.
pub(crate) fn in_word(word: &str) -> Cow<'_, str> {
    if !word.contains("://") {
        return Cow::Borrowed(word);
    }
    // One word for one program: all of it is the URL. Else a shell may be reading it.
    let is_text = word.contains(|char: char| char.is_whitespace() || is_quote(char));
    let mut said = String::with_capacity(word.len());
    let mut at = 0;
    // Where the URL ends that is being read, and where in it its query or fragment begins. There may be other URLs in its path.
    let (mut end, mut cut) = (0, None);
    loop {
        let scheme = word[at..].find("://").map(|found| at + found);
        if let Some(sign) = cut.filter(|sign| scheme.is_none_or(|scheme| *sign < scheme)) {
            said.push_str(&word[at..=sign]);
            said.push_str(MARK);
            (at, cut) = (end, None);
            continue;
        }
        let Some(scheme) = scheme else {
            said.push_str(&word[at..]);
            return Cow::Owned(said);
        };
        let begin = scheme + 3;
        if scheme >= end {
            end = begin + end_of_url(&word[at..scheme], &word[begin..], is_text);
            cut = word[begin..end].find(['?', '#']).map(|sign| begin + sign);
        }
        said.push_str(&word[at..begin]);
        let (user, host, path) = taken_apart(&word[begin..cut.unwrap_or(end)]);
        if user.is_some() {
            said.push_str(MARK);
            said.push('@');
        }
        // `https://http://…`: what looks like a host is another scheme.
        let host = match path.starts_with("//") {
            true => host.strip_suffix(':').unwrap_or(host),
            false => host,
        };
        said.push_str(host);
        at = begin + user.map_or(0, |user| user.len() + 1) + host.len();
    }
}

/// How long a URL is, from behind its scheme. `before` is what stands before that.
fn end_of_url(before: &str, url: &str, is_text: bool) -> usize {
    let quote = before
        .trim_end_matches(|char: char| char.is_ascii_alphanumeric() || "+-.".contains(char))
        .chars()
        .next_back()
        .filter(|char| is_quote(*char));
    let ends = |char: char| match quote {
        Some(quote) => char == quote,
        None => is_text && (char.is_whitespace() || is_quote(char) || ";|()<>".contains(char)),
    };
    url.find(ends).unwrap_or(url.len())
}

fn is_quote(char: char) -> bool {
    matches!(char, '"' | '\'' | '`')
}

/// User name and password, host and port, path. Backslashes are slashes to some who read URLs.
fn taken_apart(url: &str) -> (Option<&str>, &str, &str) {
    let (authority, path) = url.split_at(url.find(['/', '\\']).unwrap_or(url.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host, path),
        None => (None, authority, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_29_a_logged_url_has_no_secrets() {
        for (url, wanted) in [
            ("https://a.test/b?token=1#c", ("https://a.test/b", true)),
            (
                "https://u:p@a.test:8443/b",
                ("https://a.test:8443/b", false),
            ),
            ("https://u:p@a.test?x@y", ("https://a.test", true)),
            ("https://a.test/b@c", ("https://a.test/b@c", false)),
            ("https://a@b@c.test", ("https://c.test", false)),
            ("https://a.test#?b", ("https://a.test", false)),
            ("nonsense?b", ("nonsense", true)),
        ] {
            let (url, query) = of_request(url);
            assert_eq!((&*url, query), wanted);
        }
    }

    #[test]
    fn attack_29_a_logged_word_has_no_secrets_of_its_urls() {
        for (word, wanted) in [
            ("https://a.test/b?token=1", "https://a.test/b?[removed]"),
            (
                "https://a.test/?a=1;token=2&c=(3)",
                "https://a.test/?[removed]",
            ),
            ("https://a.test/b#key", "https://a.test/b#[removed]"),
            (
                "https://user:pass@a.test:8443/b",
                "https://[removed]@a.test:8443/b",
            ),
            ("https://tok@en@a.test", "https://[removed]@a.test"),
            ("--url=ftp://u:p@a.test/b", "--url=ftp://[removed]@a.test/b"),
            (
                "https://cache.test/https://u:p@a.test/b?c",
                "https://cache.test/https://[removed]@a.test/b?[removed]",
            ),
            (
                "git clone https://tok@a.test/b.git && curl 'http://a.test/?k=1;l=2' -o /c",
                "git clone https://[removed]@a.test/b.git && curl 'http://a.test/?[removed]' -o /c",
            ),
            (
                "curl https://a.test/?k=1;rm -r /work",
                "curl https://a.test/?[removed];rm -r /work",
            ),
            (
                "a=\"x://u:p@b/c?d e\" y://f?g|h",
                "a=\"x://[removed]@b/c?[removed]\" y://f?[removed]|h",
            ),
            ("://u:p@a.test", "://[removed]@a.test"),
            (
                "https://http://u:p@a.test",
                "https://http://[removed]@a.test",
            ),
            ("a://b?c://u:p@d", "a://b?[removed]"),
            (
                "https://u\u{e4}:p@\u{e4}.test",
                "https://[removed]@\u{e4}.test",
            ),
        ] {
            assert_eq!(in_word(word), wanted);
        }
        for same in [
            "",
            "https://a.test/b@c",
            "user@a.test:b?c",
            "what? #1",
            "://",
            "https://",
        ] {
            assert_eq!(in_word(same), same);
        }
    }

    /// A client chooses the words.
    #[test]
    fn attack_29_a_word_of_nothing_but_urls_is_read_once() {
        for piece in ["a://", "a://b/", "a://b@", "'a://b?", "a://b? "] {
            let word = piece.repeat(100_000);
            assert!(in_word(&word).len() >= word.len(), "{piece}");
        }
    }
}
