//! Who a side is: two secret keys, and the public ones that others know it by.

use std::fmt;

use base64_simd::STANDARD;
use clatter::KeyPair;
use clatter::bytearray::{ByteArray, HeapArray};
use clatter::traits::{Dh as _, Kem as _};
use serde::{Deserialize, Serialize};

use crate::noise::entropy::Entropy;
use crate::noise::error::NoiseError;
use crate::noise::suite::{Dh, Kem, MLKEM768_BYTES, SUITE, X25519_BYTES};

pub(crate) type KemPublicKey = HeapArray<MLKEM768_BYTES>;
type DhKeys = KeyPair<[u8; X25519_BYTES], <Dh as clatter::traits::Dh>::PrivateKey>;
type KemKeys = KeyPair<KemPublicKey, <Kem as clatter::traits::Kem>::SecretKey>;

/// What others know a side by. In JSON: `{suite, x25519_public_key, mlkem768_public_key}`, the keys in base64 of the standard alphabet with
/// padding, and nothing else.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct PublicKeys {
    x25519: [u8; X25519_BYTES],
    mlkem768: KemPublicKey,
}

impl Eq for PublicKeys {}

impl PublicKeys {
    pub(crate) fn new(
        x25519: [u8; X25519_BYTES],
        mlkem768: KemPublicKey,
    ) -> Result<Self, NoiseError> {
        if !is_reduced(mlkem768.as_slice()) {
            return Err(NoiseError::Modulus);
        }
        Ok(Self { x25519, mlkem768 })
    }

    pub(crate) fn x25519(&self) -> [u8; X25519_BYTES] {
        self.x25519
    }

    pub(crate) fn mlkem768(&self) -> KemPublicKey {
        self.mlkem768.clone()
    }
}

/// The check of FIPS 203 (7.2), which the library leaves to its user: every number of the key, 12 bits each, is below the modulus; the last 32 bytes are a seed.
fn is_reduced(key: &[u8]) -> bool {
    const MODULUS: u16 = 3_329;
    let numbers = &key[..MLKEM768_BYTES - 32];
    numbers.chunks_exact(3).all(|three| {
        let [low, middle, high] = [three[0], three[1], three[2]].map(u16::from);
        (low | (middle & 0x0f) << 8) < MODULUS && (middle >> 4 | high << 4) < MODULUS
    })
}

/// The beginning of one of the keys, which is enough to tell sides apart.
impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning = STANDARD.encode_to_string(&self.x25519[..9]);
        write!(f, "PublicKeys({beginning}…)")
    }
}

/// As keys are in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    suite: String,
    x25519_public_key: String,
    mlkem768_public_key: String,
}

impl From<PublicKeys> for Written {
    fn from(keys: PublicKeys) -> Self {
        Self {
            suite: SUITE.to_owned(),
            x25519_public_key: STANDARD.encode_to_string(keys.x25519),
            mlkem768_public_key: STANDARD.encode_to_string(keys.mlkem768.as_slice()),
        }
    }
}

impl TryFrom<Written> for PublicKeys {
    type Error = NoiseError;

    fn try_from(written: Written) -> Result<Self, NoiseError> {
        if written.suite != SUITE {
            return Err(NoiseError::Suite);
        }
        let x25519 = bytes(
            "x25519_public_key",
            &written.x25519_public_key,
            X25519_BYTES,
        )?;
        let mlkem768 = bytes(
            "mlkem768_public_key",
            &written.mlkem768_public_key,
            MLKEM768_BYTES,
        )?;
        Self::new(
            ByteArray::from_slice(&x25519),
            ByteArray::from_slice(&mlkem768),
        )
    }
}

fn bytes(member: &'static str, written: &str, bytes: usize) -> Result<Vec<u8>, NoiseError> {
    let read = STANDARD.decode_to_vec(written).ok();
    read.filter(|read| read.len() == bytes)
        .ok_or(NoiseError::Key { member, bytes })
}

/// The secret keys of one side. They are wiped from memory when it goes, and cannot be printed.
pub struct Identity {
    dh: DhKeys,
    kem: KemKeys,
    public: PublicKeys,
}

impl Identity {
    /// A new one, which nobody knows yet.
    ///
    /// # Panics
    /// Where the system has no entropy.
    pub fn generate() -> Self {
        let mut entropy = Entropy;
        let dh = Dh::genkey_rng(&mut entropy).expect("X25519 takes any bytes for a secret");
        let kem = Kem::genkey_rng(&mut entropy).expect("ML-KEM takes any bytes for a seed");
        let public = PublicKeys {
            x25519: dh.public,
            mlkem768: kem.public.clone(),
        };
        Self { dh, kem, public }
    }

    /// What others know it by.
    pub fn public(&self) -> &PublicKeys {
        &self.public
    }

    pub(crate) fn dh(&self) -> DhKeys {
        self.dh.clone()
    }

    pub(crate) fn kem(&self) -> KemKeys {
        self.kem.clone()
    }
}

#[cfg(test)]
impl Identity {
    /// One that somebody knows: for what was recorded. The secret key of ML-KEM holds the public one (FIPS 203, algorithm 16).
    pub(crate) fn recorded(x25519: &[u8], mlkem768: &[u8]) -> Self {
        let secret = ByteArray::from_slice(x25519);
        let dh = DhKeys::new(Dh::pubkey(&secret), secret);
        let public = KemPublicKey::from_slice(&mlkem768[1_152..1_152 + MLKEM768_BYTES]);
        let kem = KemKeys::new(public, ByteArray::from_slice(mlkem768));
        let public = PublicKeys::new(dh.public, kem.public.clone()).expect("keys");
        Self { dh, kem, public }
    }
}

/// Only what is public.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity of {:?}", self.public)
    }
}
