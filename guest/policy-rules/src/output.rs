//! How a judgement and a command are written down.

use serde::Serialize;

use crate::judge::Judgement;
use crate::rules::{Decision, Match};

/// As much as the host takes of a verdict's details.
const MOST_BYTES: usize = 16 << 10;
/// As much of a command as somebody can be asked to read.
const MOST_CHARACTERS: usize = 400;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluation<'a> {
    matched_rules: &'a [Match],
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
}

/// The judgement for the decision log. Of more matches than there is room for, the strictest are kept.
pub(crate) fn json(judgement: &Judgement) -> Option<String> {
    let text = |matches: &[Match]| {
        serde_json::to_string(&Evaluation {
            matched_rules: matches,
            decision: judgement.decision,
        })
        .ok()
        .filter(|text| text.len() <= MOST_BYTES)
    };
    text(&judgement.matches).or_else(|| {
        let mut matches = judgement.matches.clone();
        matches.sort_by_key(|found| std::cmp::Reverse(found.decision()));
        // Halved until it fits: the exact number matters to nobody.
        while matches.len() > 1 {
            matches.truncate(matches.len() / 2);
            if let Some(text) = text(&matches) {
                return Some(text);
            }
        }
        None
    })
}

/// A command in one line, such that no word looks like several and nothing moves the cursor.
pub(crate) fn command(words: &[String]) -> String {
    let is_plain = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-./,:+@%=".contains(&byte))
    };
    let line: Vec<String> = words
        .iter()
        .map(|word| match is_plain(word) {
            true => word.clone(),
            false => format!("{word:?}"),
        })
        .collect();
    let line = line.join(" ");
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => {
            let more = line[end..].chars().count();
            format!("{}… ({more} more characters)", &line[..end])
        }
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(decision: Decision, words: &str) -> Match {
        Match::PrefixRuleMatch {
            matched_prefix: vec![words.to_owned()],
            decision,
            resolved_program: None,
            justification: None,
        }
    }

    #[test]
    fn a_judgement_has_the_form_of_the_rule_language() {
        let full = Match::PrefixRuleMatch {
            matched_prefix: vec!["git".to_owned(), "push".to_owned()],
            decision: Decision::Forbidden,
            resolved_program: Some("/usr/bin/git".to_owned()),
            justification: Some("no".to_owned()),
        };
        let judgement = Judgement {
            matches: vec![full, found(Decision::Allow, "git")],
            decision: Some(Decision::Forbidden),
            by_script: false,
        };
        assert_eq!(
            json(&judgement).expect("it fits"),
            concat!(
                r#"{"matchedRules":[{"prefixRuleMatch":{"matchedPrefix":["git","push"],"decision":"forbidden","#,
                r#""resolvedProgram":"/usr/bin/git","justification":"no"}},"#,
                r#"{"prefixRuleMatch":{"matchedPrefix":["git"],"decision":"allow"}}],"decision":"forbidden"}"#
            )
        );
        let nothing = Judgement {
            matches: Vec::new(),
            decision: None,
            by_script: false,
        };
        assert_eq!(json(&nothing).as_deref(), Some(r#"{"matchedRules":[]}"#));
    }

    #[test]
    fn of_too_many_matches_the_strictest_are_kept() {
        let mut matches: Vec<Match> = (0..2000)
            .map(|number| found(Decision::Allow, &number.to_string()))
            .collect();
        matches.push(found(Decision::Forbidden, "last"));
        let decision = Some(Decision::Forbidden);
        let by_script = true;
        let text = json(&Judgement {
            matches,
            decision,
            by_script,
        })
        .expect("some fit");
        assert!(text.len() <= MOST_BYTES);
        assert!(
            text.contains(r#"["last"],"decision":"forbidden""#),
            "{text}"
        );
        let matches = vec![found(Decision::Allow, &"x".repeat(MOST_BYTES))];
        assert_eq!(
            json(&Judgement {
                matches,
                decision,
                by_script
            }),
            None
        );
    }

    #[test]
    fn a_command_is_one_line_that_hides_nothing() {
        let line = |words: &[&str]| {
            command(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(line(&["git", "log", "-n1"]), "git log -n1");
        assert_eq!(
            line(&["a b", "", "\u{1b}[2J\n\u{202e}"]),
            r#""a b" "" "\u{1b}[2J\n\u{202e}""#
        );
        let long = line(&["x", &"y".repeat(1000)]);
        assert!(long.ends_with("… (602 more characters)"), "{long}");
    }
}
