//! The only suite there is, and its parts.

use clatter::HybridHandshakeCore;
use clatter::crypto::dh::X25519;
use clatter::crypto::hash::Sha256;
use clatter::crypto::kem::rust_crypto_ml_kem::MlKem768;
use clatter::transportstate::TransportState;

use crate::noise::cipher::AesGcm;
use crate::noise::entropy::Entropy;

/// What public keys call it.
pub const SUITE: &str = "Noise_hybridIK_X25519+MLKEM768_AESGCM_SHA256";

/// Bytes of an X25519 public key.
pub(crate) const X25519_BYTES: usize = 32;

/// Bytes of an ML-KEM-768 public key (FIPS 203, table 3).
pub(crate) const MLKEM768_BYTES: usize = 1_184;

/// Bytes that a cipher text is longer than its plain text.
pub(crate) const TAG_BYTES: usize = 16;

pub(crate) type Dh = X25519;
pub(crate) type Kem = MlKem768;
pub(crate) type Handshake =
    HybridHandshakeCore<X25519, MlKem768, MlKem768, AesGcm, Sha256, Entropy>;
pub(crate) type Transport = TransportState<AesGcm, Sha256>;
