//! What both sides must agree on before the first message: which conversation this is.

use std::fmt;

use crate::streams::StreamId;

/// The first part of every prologue, which names this protocol and its version.
const PROTOCOL: &str = "codex-exec-server-relay-noise/v1";

/// The name of one conversation: protocol, environment, registration and stream. A handshake of another conversation fails.
#[derive(Clone, PartialEq, Eq)]
pub struct Prologue(Vec<u8>);

impl Prologue {
    /// That of one stream to an executor that registered for that environment.
    pub fn new(environment_id: &str, registration_id: &str, stream_id: &StreamId) -> Self {
        let parts = [
            PROTOCOL,
            environment_id,
            registration_id,
            stream_id.as_str(),
        ];
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
        for part in parts {
            // With its length, so that no two conversations have the same bytes.
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Prologue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prologue({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_eight_bytes_of_length_before_it() {
        let stream = StreamId::new("s").expect("a name");
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0, 32][..],
            b"codex-exec-server-relay-noise/v1",
            &[0, 0, 0, 0, 0, 0, 0, 3],
            b"env",
            &[0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            b"s",
        ];
        assert_eq!(
            Prologue::new("env", "", &stream).as_bytes(),
            expected.concat()
        );
    }

    #[test]
    fn what_is_cut_elsewhere_is_another_conversation() {
        let stream = StreamId::new("s").expect("a name");
        assert_ne!(
            Prologue::new("ab", "c", &stream),
            Prologue::new("a", "bc", &stream)
        );
    }
}
