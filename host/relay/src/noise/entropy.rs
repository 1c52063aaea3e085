//! Random bytes of the operating system, in the form that the handshake takes them.

use clatter::rand_core::{CryptoRng, Error, RngCore};

/// Every byte is asked for when it is needed; nothing is kept.
#[derive(Clone, Default)]
pub(crate) struct Entropy;

impl RngCore for Entropy {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// # Panics
    /// Where the system has no entropy: a key that is not random is worse than none.
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("random bytes of the system");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Entropy {}
