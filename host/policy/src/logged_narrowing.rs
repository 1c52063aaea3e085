//! What a policy left of an action, as the decision log has it: all of it, so that who reads the log again can tell whether another policy leaves the
//! same (`replay`). A long one is told by its digest, which is as good for that.

use lockgate_engine::Digest;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::verdict::{Decision, Narrowing, Verdict};

/// A narrowing in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LoggedNarrowing {
    /// One that is too long for that.
    LeftOut {
        /// How long it is, encoded.
        left_out_bytes: usize,
        /// Of the encoded one.
        sha256: String,
    },
    /// All of it.
    Whole(Narrowing),
}

impl LoggedNarrowing {
    /// What this verdict leaves; none where nothing is made smaller, or nothing is left.
    pub fn of(verdict: &Verdict) -> Option<LoggedNarrowing> {
        let narrowing = verdict.narrowing.as_ref()?;
        if *narrowing == Narrowing::default() || matches!(verdict.decision, Decision::Deny { .. }) {
            return None;
        }
        // No map with other keys than strings: it can be encoded.
        let encoded = serde_json::to_vec(narrowing).unwrap_or_default();
        Some(match encoded.len() <= limits::LOGGED_NARROWING_BYTES {
            true => LoggedNarrowing::Whole(narrowing.clone()),
            false => LoggedNarrowing::LeftOut {
                left_out_bytes: encoded.len(),
                sha256: Digest::of(&encoded).to_string(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Access;
    use crate::verdict::GrantEntry;

    fn granting(entries: usize) -> Verdict {
        let entry = |number| GrantEntry {
            path: format!("/{}/{number}", "x".repeat(100)),
            access: Some(Access::Read),
        };
        Verdict {
            narrowing: Some(Narrowing {
                grant: Some((0..entries).map(entry).collect()),
                ..Narrowing::default()
            }),
            ..Decision::Allow.into()
        }
    }

    #[test]
    fn a_long_one_is_told_from_another_by_its_digest_and_both_are_read_again() {
        for entries in [1, limits::GRANT_ENTRIES] {
            let logged = LoggedNarrowing::of(&granting(entries)).expect("narrowed");
            let text = serde_json::to_string(&logged).expect("encoded");
            assert!(
                text.len() <= limits::LOGGED_NARROWING_BYTES,
                "{}",
                text.len()
            );
            let again: LoggedNarrowing = serde_json::from_str(&text).expect("read");
            assert_eq!(again, logged);
            assert_ne!(LoggedNarrowing::of(&granting(entries - 1)), Some(logged));
        }
    }
}
