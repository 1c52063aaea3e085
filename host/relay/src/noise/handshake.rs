//! The two messages before the records.

use std::fmt;

use bytes::Bytes;
use clatter::HybridHandshakeParams;
use clatter::handshakepattern::noise_hybrid_ik;
use clatter::traits::Handshaker;

use crate::limits::AUTHORIZATION_BYTES;
use crate::noise::error::NoiseError;
use crate::noise::keys::{Identity, PublicKeys};
use crate::noise::prologue::Prologue;
use crate::noise::secured::Secured;
use crate::noise::suite::{Dh, Handshake, Kem};

/// The harness's side, after its message and before the answer.
pub struct Initiator(Handshake);

impl Initiator {
    /// Begins a conversation with the executor that has these keys; gives what goes into the first handshake frame. `authorization` is what the registry gave
    /// for this executor; the rendezvous cannot read it.
    ///
    /// # Errors
    /// [`NoiseError::Authorization`] where that is none.
    pub fn start(
        identity: &Identity,
        executor: &PublicKeys,
        prologue: &Prologue,
        authorization: &str,
    ) -> Result<(Self, Bytes), NoiseError> {
        let bytes = authorization.len();
        if !(1..=AUTHORIZATION_BYTES).contains(&bytes) {
            return Err(NoiseError::Authorization { bytes });
        }
        let params = parameters(identity, true, prologue)
            .with_rs(executor.x25519())
            .with_rs_kem(executor.mlkem768());
        let mut handshake = Handshake::new(params).map_err(|_| NoiseError::Handshake)?;
        let message = write(&mut handshake, authorization.as_bytes())?;
        Ok((Self(handshake), message))
    }

    /// The executor's answer has come, and is that of the executor that was meant.
    ///
    /// # Errors
    /// [`NoiseError`] where it is not.
    pub fn finish(mut self, message_2: &[u8]) -> Result<Secured, NoiseError> {
        read(&mut self.0, message_2, 0)?;
        secured(self.0)
    }
}

/// The executor's side, after the harness's message and before its answer.
pub struct Responder {
    handshake: Handshake,
    authorization: String,
    harness: PublicKeys,
}

impl Responder {
    /// A harness's message has come. Its sender has the secret keys of [`Self::harness`] and meant this executor, registration and stream. It may still be a copy
    /// of a message that was sent before for the same stream, whose sender can read nothing of what follows.
    ///
    /// # Errors
    /// [`NoiseError`]. This costs a harness little and us some 100 us: who drives this counts failures for each connection.
    pub fn read(
        identity: &Identity,
        prologue: &Prologue,
        message_1: &[u8],
    ) -> Result<Self, NoiseError> {
        let params = parameters(identity, false, prologue);
        let mut handshake = Handshake::new(params).map_err(|_| NoiseError::Handshake)?;
        let payload = read(&mut handshake, message_1, AUTHORIZATION_BYTES)?;
        let bytes = payload.len();
        let authorization = String::from_utf8(payload)
            .ok()
            .filter(|text| !text.is_empty())
            .ok_or(NoiseError::Authorization { bytes })?;
        let keys = handshake.get_remote_static().ok_or(NoiseError::Handshake)?;
        Ok(Self {
            harness: PublicKeys::new(*keys.dh(), keys.kem().clone())?,
            handshake,
            authorization,
        })
    }

    /// What the registry is to be asked about. A secret until the registry has seen it, so never for a log.
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Who asks.
    pub fn harness(&self) -> &PublicKeys {
        &self.harness
    }

    /// The registry said that this harness may come in: gives what goes into the answering handshake frame.
    ///
    /// # Errors
    /// [`NoiseError::Handshake`].
    pub fn complete(mut self) -> Result<(Secured, Bytes), NoiseError> {
        let message = write(&mut self.handshake, &[])?;
        Ok((secured(self.handshake)?, message))
    }
}

fn parameters<'a>(
    identity: &Identity,
    initiator: bool,
    prologue: &'a Prologue,
) -> HybridHandshakeParams<'a, Dh, Kem, Kem> {
    HybridHandshakeParams::new(noise_hybrid_ik(), initiator)
        .with_prologue(prologue.as_bytes())
        .with_s(identity.dh())
        .with_s_kem(identity.kem())
}

fn write(handshake: &mut Handshake, payload: &[u8]) -> Result<Bytes, NoiseError> {
    let mut message = vec![0; overhead(handshake)? + payload.len()];
    let written = handshake.write_message(payload, &mut message);
    let written = written.map_err(|_| NoiseError::Handshake)?;
    message.truncate(written);
    Ok(message.into())
}

/// The payload of the peer's message, of at most `most` bytes. The library panics at messages that are too long, so they do not get there.
fn read(handshake: &mut Handshake, message: &[u8], most: usize) -> Result<Vec<u8>, NoiseError> {
    let bytes = message.len();
    let payload = bytes.checked_sub(overhead(handshake)?);
    let Some(payload) = payload.filter(|payload| *payload <= most) else {
        return Err(NoiseError::HandshakeSize { bytes });
    };
    let mut read = vec![0; payload];
    let length = handshake.read_message(message, &mut read);
    read.truncate(length.map_err(|_| NoiseError::Handshake)?);
    Ok(read)
}

/// How much longer the next message is than its payload.
fn overhead(handshake: &Handshake) -> Result<usize, NoiseError> {
    handshake
        .get_next_message_overhead()
        .map_err(|_| NoiseError::Handshake)
}

fn secured(handshake: Handshake) -> Result<Secured, NoiseError> {
    let transport = handshake.finalize().map_err(|_| NoiseError::Handshake)?;
    Ok(Secured::new(transport))
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator")
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Responder to {:?}", self.harness)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::streams::StreamId;

    #[derive(Deserialize)]
    struct Recorded {
        environment_id: String,
        registration_id: String,
        stream_id: String,
        authorization: String,
        x25519_secret_key: String,
        mlkem768_secret_key: String,
        message_1: String,
        harness: PublicKeys,
    }

    #[test]
    fn the_first_message_of_the_references_harness_is_read() {
        let json = include_str!("../../tests/noise/recorded/harness-0.169.0.json");
        let recorded: Recorded = serde_json::from_str(json).expect("a recording");
        let bytes = |written: &str| {
            base64_simd::STANDARD
                .decode_to_vec(written)
                .expect("base64")
        };
        let executor = Identity::recorded(
            &bytes(&recorded.x25519_secret_key),
            &bytes(&recorded.mlkem768_secret_key),
        );
        let prologue = Prologue::new(
            &recorded.environment_id,
            &recorded.registration_id,
            &StreamId::new(&recorded.stream_id).expect("a name"),
        );
        let read = Responder::read(&executor, &prologue, &bytes(&recorded.message_1));
        let responder = read.expect("the message");
        assert_eq!(responder.authorization(), recorded.authorization);
        assert_eq!(*responder.harness(), recorded.harness);
    }
}
