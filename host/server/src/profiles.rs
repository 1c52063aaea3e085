//! The profiles of one connection, decoded once. A client sends the same `sandbox` object with every
//! request of a turn; decoding it takes longer than the rest of a small call.

use std::collections::VecDeque;
use std::sync::Arc;

use lockgate_grant::Sandbox;
use lockgate_wire::Verbatim;

use crate::failure::Failure;
use crate::limits;

/// The profiles that were sent last, latest first, by their text.
#[derive(Default)]
pub(crate) struct Profiles {
    known: VecDeque<(Arc<str>, Arc<Sandbox>)>,
}

impl Profiles {
    /// The text of the one that was sent last: most likely it comes again.
    pub(crate) fn last(&self) -> Option<Arc<str>> {
        self.known.front().map(|(text, _)| Arc::clone(text))
    }

    /// What a request's `sandbox` member says.
    pub(crate) fn decode(
        &mut self,
        sandbox: Option<Verbatim<'_>>,
    ) -> Result<Option<Arc<Sandbox>>, Failure> {
        let Some(text) = sandbox.map(Verbatim::get) else {
            return Ok(None);
        };
        if let Some(place) = self.known.iter().position(|(known, _)| **known == *text) {
            self.known.swap(0, place);
        } else {
            let sandbox = serde_json::from_str(text)
                .map_err(|error| Failure::invalid_params(format!("sandbox: {error}")))?;
            if text.len() > limits::KNOWN_PROFILE_BYTES {
                return Ok(Some(Arc::new(sandbox)));
            }
            self.known.truncate(limits::KNOWN_PROFILES - 1);
            self.known.push_front((text.into(), Arc::new(sandbox)));
        }
        Ok(self.known.front().map(|(_, sandbox)| Arc::clone(sandbox)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(profiles: &mut Profiles, text: &str) -> Result<Option<Arc<Sandbox>>, Failure> {
        let raw: Option<Verbatim<'_>> = serde_json::from_str(text).expect("JSON");
        profiles.decode(raw)
    }

    #[test]
    fn a_profile_is_decoded_once_and_told_apart_by_its_text() {
        let mut profiles = Profiles::default();
        let disabled = r#"{"permissions":{"type":"disabled"}}"#;
        let external = r#"{"permissions":{"type":"external","network":"enabled"}}"#;
        let first = decode(&mut profiles, disabled)
            .expect("decoded")
            .expect("a profile");
        let other = decode(&mut profiles, external)
            .expect("decoded")
            .expect("a profile");
        assert_ne!(first, other);
        let again = decode(&mut profiles, disabled)
            .expect("decoded")
            .expect("a profile");
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(decode(&mut profiles, "null"), Ok(None));
    }

    #[test]
    fn what_is_no_profile_is_refused_each_time_and_not_kept() {
        let mut profiles = Profiles::default();
        for text in ["true", "{}", r#"{"permissions":{"type":"later"}}"#] {
            for _ in 0..2 {
                let refused = decode(&mut profiles, text).expect_err("refused");
                assert_eq!(refused.code, -32602, "{}", refused.message);
            }
        }
        for number in 0..100 {
            let text = format!(r#"{{"permissions":{{"type":"disabled"}},"cwd":"/{number}"}}"#);
            decode(&mut profiles, &text).expect("decoded");
        }
        assert_eq!(profiles.known.len(), limits::KNOWN_PROFILES);
    }

    #[test]
    fn attack_25_an_enormous_profile_is_decoded_each_time_and_not_kept() {
        let mut profiles = Profiles::default();
        let roots = vec![r#""/a""#; limits::KNOWN_PROFILE_BYTES / 4].join(",");
        let text = format!(r#"{{"permissions":{{"type":"disabled"}},"workspaceRoots":[{roots}]}}"#);
        assert!(decode(&mut profiles, &text).expect("decoded").is_some());
        assert_eq!(profiles.known.len(), 0);
    }
}
