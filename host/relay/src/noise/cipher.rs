//! AES-256-GCM with ring's assembly. What carries a stream spends most of its time here, and clatter's own choice takes three times as long for it.

use clatter::bytearray::{ByteArray, SensitiveByteArray};
use clatter::error::{CipherError, CipherResult};
use clatter::traits::{Cipher, CryptoComponent};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};

use crate::noise::suite::TAG_BYTES;

/// `AESGCM` of the Noise specification, section 12.4.
#[derive(Clone)]
pub(crate) struct AesGcm;

type Key = SensitiveByteArray<[u8; 32]>;

impl CryptoComponent for AesGcm {
    fn name() -> &'static str {
        "AESGCM"
    }
}

fn key(key: &Key) -> Result<LessSafeKey, ring::error::Unspecified> {
    Ok(LessSafeKey::new(UnboundKey::new(
        &AES_256_GCM,
        key.as_slice(),
    )?))
}

/// 32 bits of zeros, then the number, big-endian.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl Cipher for AesGcm {
    type Key = Key;

    fn tag_len() -> usize {
        TAG_BYTES
    }

    fn encrypt(k: &Key, n: u64, ad: &[u8], plaintext: &[u8], out: &mut [u8]) -> CipherResult<()> {
        let to = out.get_mut(..plaintext.len()).ok_or(CipherError::Encrypt)?;
        to.copy_from_slice(plaintext);
        Self::encrypt_in_place(k, n, ad, out, plaintext.len()).map(drop)
    }

    fn encrypt_in_place(
        k: &Key,
        n: u64,
        ad: &[u8],
        in_out: &mut [u8],
        plaintext_len: usize,
    ) -> CipherResult<usize> {
        let length = plaintext_len + TAG_BYTES;
        let (text, place) = in_out
            .get_mut(..length)
            .ok_or(CipherError::Encrypt)?
            .split_at_mut(plaintext_len);
        let tag = key(k)
            .and_then(|key| key.seal_in_place_separate_tag(nonce(n), Aad::from(ad), text))
            .map_err(|_| CipherError::Encrypt)?;
        place.copy_from_slice(tag.as_ref());
        Ok(length)
    }

    fn decrypt(k: &Key, n: u64, ad: &[u8], ciphertext: &[u8], out: &mut [u8]) -> CipherResult<()> {
        let length = ciphertext
            .len()
            .checked_sub(TAG_BYTES)
            .filter(|length| *length == out.len())
            .ok_or(CipherError::Decrypt)?;
        let (text, tag) = ciphertext.split_at(length);
        out.copy_from_slice(text);
        open(k, n, ad, out, tag)
    }

    fn decrypt_in_place(
        k: &Key,
        n: u64,
        ad: &[u8],
        in_out: &mut [u8],
        ciphertext_len: usize,
    ) -> CipherResult<usize> {
        let length = ciphertext_len
            .checked_sub(TAG_BYTES)
            .ok_or(CipherError::Decrypt)?;
        let (text, tag) = in_out
            .get_mut(..ciphertext_len)
            .ok_or(CipherError::Decrypt)?
            .split_at_mut(length);
        open(k, n, ad, text, tag)?;
        Ok(length)
    }
}

fn open(k: &Key, n: u64, ad: &[u8], text: &mut [u8], tag: &[u8]) -> CipherResult<()> {
    let tag = Tag::try_from(tag).map_err(|_| CipherError::Decrypt)?;
    key(k)
        .and_then(|key| {
            key.open_in_place_separate_tag(nonce(n), Aad::from(ad), tag, text, 0..)
                .map(drop)
        })
        .map_err(|_| CipherError::Decrypt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 14 of the GCM specification: a key and a nonce of zeros, one block of zeros.
    #[test]
    fn it_is_aes_256_gcm() {
        let key = Key::from_slice(&[0; 32]);
        let mut out = [0; 32];
        AesGcm::encrypt(&key, 0, &[], &[0; 16], &mut out).expect("room for the tag");
        let expected = [
            0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3,
            0x9d, 0x18, 0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, 0x26, 0x5b, 0x98, 0xb5,
            0xd4, 0x8a, 0xb9, 0x19,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let key = Key::from_slice(&[7; 32]);
        let mut sealed = [0; 20];
        AesGcm::encrypt(&key, 3, b"ad", b"text", &mut sealed).expect("room for the tag");
        let open = |number, ad: &[u8], sealed: &[u8]| {
            let mut plain = [0; 4];
            AesGcm::decrypt(&key, number, ad, sealed, &mut plain).map(|()| plain)
        };
        assert_eq!(open(3, b"ad", &sealed).expect("the text"), *b"text");
        assert!(open(4, b"ad", &sealed).is_err());
        assert!(open(3, b"da", &sealed).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed;
            changed[place] ^= 1;
            assert!(open(3, b"ad", &changed).is_err(), "byte {place}");
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_errors() {
        let key = Key::from_slice(&[7; 32]);
        assert!(AesGcm::encrypt(&key, 0, &[], &[0; 4], &mut [0; 3]).is_err());
        assert!(AesGcm::encrypt_in_place(&key, 0, &[], &mut [0; 19], 4).is_err());
        assert!(AesGcm::decrypt_in_place(&key, 0, &[], &mut [0; 15], 15).is_err());
        assert!(AesGcm::decrypt_in_place(&key, 0, &[], &mut [0; 16], 17).is_err());
    }
}
