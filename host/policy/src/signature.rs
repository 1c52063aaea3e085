//! Signatures of policies: offline ed25519 keys, a detached signature beside the component.
//!
//! What is signed is `PREFIX` and the SHA-256 of the component's bytes: the prefix so that a signature made for something else with the
//! same key never counts here, and this one nowhere else; the digest so that whoever holds the key need not be given the component. The name and the
//! version of a policy are what its own `describe` says, so they are signed with its bytes.
//!
//! The file `PATH.sig` has one line: `ed25519:` and the signature in base64. A public key is written the same way; a secret key is PKCS#8
//! in PEM, as `openssl genpkey -algorithm ed25519` writes it.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use lockgate_engine::Digest;
use serde::{Deserialize, Deserializer};

/// Before the digest in what is signed.
const PREFIX: &[u8] = b"lockgate policy 1\0";

/// How keys and signatures begin where they are written.
const ALGORITHM: &str = "ed25519:";

/// What may be wrong with a key or a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not a public key.
    #[error("not a public key: it is written {ALGORITHM} and 44 characters of base64")]
    PublicKey,
    /// Not a secret key.
    #[error(
        "not a secret key: it is an ed25519 key as PKCS#8 in PEM (-----BEGIN PRIVATE KEY-----)"
    )]
    SecretKey,
    /// A secret key could not be written.
    #[error("the secret key cannot be encoded")]
    Encoding,
    /// Not a signature.
    #[error("not a signature: it is one line of {ALGORITHM} and 88 characters of base64")]
    Text,
    /// A signature of something else or by somebody else.
    #[error("the signature was not made by {0} for these bytes")]
    Mismatch(PublicKey),
}

/// Whose signatures are trusted. Written `ed25519:` and the key in base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// What signatures are made with. Never shown.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// Signs a component: the text of its signature file.
pub fn sign(key: &SecretKey, component: &[u8]) -> String {
    let signature = key.0.sign(&message(component));
    format!("{ALGORITHM}{}\n", base64(&signature.to_bytes()))
}

/// Whether `signature`, the text of a signature file, was made with the secret half of `key` for this component.
pub fn verify(key: &PublicKey, component: &[u8], signature: &str) -> Result<(), SignatureError> {
    let signature = Signature::from_bytes(&decode(signature.trim()).ok_or(SignatureError::Text)?);
    // Strict: a key or a signature with a part of small order, with which one signature fits many messages, does not count.
    VerifyingKey::from_bytes(&key.0)
        .and_then(|key| key.verify_strict(&message(component), &signature))
        .map_err(|_| SignatureError::Mismatch(*key))
}

impl SecretKey {
    /// A key from 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// Reads a PEM file.
    pub fn from_pem(text: &str) -> Result<SecretKey, SignatureError> {
        SigningKey::from_pkcs8_pem(text)
            .map(SecretKey)
            .map_err(|_| SignatureError::SecretKey)
    }

    /// Writes a PEM file.
    pub fn to_pem(&self) -> Result<String, SignatureError> {
        // Without the public half, which is made of the secret one anyway: OpenSSL does not read keys that have both.
        let secret = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        let pem = secret.to_pkcs8_pem(LineEnding::LF);
        pem.map(|pem| pem.to_string())
            .map_err(|_| SignatureError::Encoding)
    }

    /// The half that is given away.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<PublicKey, SignatureError> {
        let bytes = decode(text).ok_or(SignatureError::PublicKey)?;
        VerifyingKey::from_bytes(&bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .map(|key| PublicKey(key.to_bytes()))
            .ok_or(SignatureError::PublicKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", base64(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn message(component: &[u8]) -> Vec<u8> {
    [PREFIX, Digest::of(component).as_bytes()].concat()
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn decode<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let text = text.strip_prefix(ALGORITHM)?;
    // The longest that is decoded: nothing is allocated for what cannot be right.
    if text.len() > LENGTH.div_ceil(3) * 4 {
        return None;
    }
    let bytes = base64_simd::STANDARD.decode_to_vec(text).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    #[test]
    fn a_signature_fits_its_key_and_its_bytes_and_nothing_else() {
        let signature = sign(&key(1), b"component");
        assert_eq!(verify(&key(1).public(), b"component", &signature), Ok(()));
        let other = key(2).public();
        assert_eq!(
            verify(&other, b"component", &signature),
            Err(SignatureError::Mismatch(other))
        );
        assert!(verify(&key(1).public(), b"komponent", &signature).is_err());
        for text in [
            "",
            "ed25519:",
            "ed25519:AAAA",
            &signature[1..],
            &signature.repeat(2),
        ] {
            assert_eq!(
                verify(&key(1).public(), b"component", text),
                Err(SignatureError::Text),
                "{text}"
            );
        }
    }

    #[test]
    fn attack_28_a_signature_made_for_something_else_does_not_count() {
        let key = key(1);
        let digest = Digest::of(b"component");
        for message in [digest.as_bytes().as_slice(), b"component"] {
            let signature = format!("{ALGORITHM}{}", base64(&key.0.sign(message).to_bytes()));
            assert!(verify(&key.public(), b"component", &signature).is_err());
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = key(7);
        let public = key.public().to_string();
        assert_eq!(public.parse(), Ok(key.public()));
        let pem = key.to_pem().expect("encoded");
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{pem}");
        assert_eq!(
            SecretKey::from_pem(&pem).expect("read").public(),
            key.public()
        );
        assert!(!format!("{key:?}").contains(&base64(&[7; 32])));
        for wrong in ["", "ed25519:AAAA", &public[8..], "rsa:AAAA"] {
            assert_eq!(
                wrong.parse::<PublicKey>(),
                Err(SignatureError::PublicKey),
                "{wrong}"
            );
        }
        assert!(SecretKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n").is_err());
    }

    #[test]
    fn attack_28_a_key_of_small_order_is_none() {
        let identity = [&[1u8][..], &[0; 31]].concat();
        let text = format!("{ALGORITHM}{}", base64(&identity));
        assert_eq!(text.parse::<PublicKey>(), Err(SignatureError::PublicKey));
    }

    #[test]
    fn a_key_that_openssl_wrote_is_read() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n";
        assert_eq!(
            SecretKey::from_pem(pem).expect("read").public(),
            key(1).public()
        );
    }
}
