//! What a client's frames are masked with (RFC 6455, 5.3).

use std::fmt;

/// Bytes that are asked of the system at once.
const POOL: usize = 256;

/// Masks that nobody can foretell: pieces of what the system has of random bytes.
pub(super) struct Masks {
    pool: [u8; POOL],
    used: usize,
}

impl Default for Masks {
    fn default() -> Masks {
        Masks {
            pool: [0; POOL],
            used: POOL,
        }
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks")
    }
}

impl Masks {
    /// One that was not used before.
    ///
    /// # Panics
    /// Where the system has no entropy.
    pub(super) fn next(&mut self) -> [u8; 4] {
        if self.used == POOL {
            getrandom::fill(&mut self.pool).expect("random bytes of the system");
            self.used = 0;
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.pool[self.used..self.used + 4]);
        self.used += 4;
        mask
    }
}

/// Bytes that are copied before they are masked: they lie in the CPU's nearest cache then, so that masking them takes next to nothing. A multiple of a mask.
const AT_ONCE: usize = 4 << 10;

/// Appends bytes masked. `mask`: what their first ones are masked with.
pub(super) fn append(to: &mut Vec<u8>, bytes: &[u8], mask: [u8; 4]) {
    for part in bytes.chunks(AT_ONCE) {
        let begin = to.len();
        to.extend_from_slice(part);
        apply(&mut to[begin..], mask);
    }
}

/// The mask for what follows so many bytes of a payload.
pub(super) fn after(bytes: usize, mut mask: [u8; 4]) -> [u8; 4] {
    mask.rotate_left(bytes % 4);
    mask
}

/// Masks bytes that begin a payload, or takes the mask off.
pub(super) fn apply(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for word in &mut words {
        let mut eight = [0; 8];
        eight.copy_from_slice(word);
        word.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_masked_with_the_one_of_the_mask_that_it_falls_to() {
        let mask = [0x6d, 0xb6, 0xb2, 0x80];
        for length in 0..100_usize {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut masked = bytes.clone();
            apply(&mut masked, mask);
            for (at, byte) in masked.iter().enumerate() {
                assert_eq!(*byte, bytes[at] ^ mask[at % 4], "byte {at} of {length}");
            }
        }
    }

    #[test]
    fn what_is_appended_in_parts_is_masked_as_a_whole() {
        let mask = [0x6d, 0xb6, 0xb2, 0x80];
        let bytes: Vec<u8> = (0..3 * AT_ONCE + 7).map(|at| (at % 251) as u8).collect();
        let mut whole = bytes.clone();
        apply(&mut whole, mask);
        for cut in (0..10).chain(AT_ONCE - 2..AT_ONCE + 2) {
            let mut masked = b"before".to_vec();
            append(&mut masked, &bytes[..cut], mask);
            append(&mut masked, &bytes[cut..], after(cut, mask));
            assert_eq!(masked, [b"before", &whole[..]].concat(), "cut at {cut}");
        }
    }

    #[test]
    fn no_mask_comes_twice_in_a_row() {
        let mut masks = Masks::default();
        let many: std::collections::HashSet<_> = (0..1_000).map(|_| masks.next()).collect();
        // Of a thousand out of 2^32, some two would be the same once in ten thousand runs.
        assert!(many.len() > 990, "{}", many.len());
    }
}
