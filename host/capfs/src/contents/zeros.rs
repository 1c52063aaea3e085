//! Zeros that need not be written: past the end of a file they are a hole.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// Bytes that are written or left out together, from where such pieces begin in the file: to look closer would make many small holes.
const PIECE: usize = 64 * 1024;

/// True if there is nothing but zeros.
pub fn is_zeros(bytes: &[u8]) -> bool {
    // Many at once: a compiler makes few instructions of it. What has something else ends it at once.
    bytes
        .chunks(128)
        .all(|some| some.iter().fold(0, |all, byte| all | byte) == 0)
}

/// How many of the bytes at this offset go together, and whether they are left out.
pub(crate) fn next_piece(offset: u64, bytes: &[u8]) -> (usize, bool) {
    let to_piece = |at: usize| PIECE - ((offset + at as u64) % PIECE as u64) as usize;
    let piece_end = |at: usize| (at + to_piece(at)).min(bytes.len());
    let left_out = |at: usize| is_zeros(&bytes[at..piece_end(at)]);
    let is_left_out = left_out(0);
    let mut end = 0;
    while end < bytes.len() && left_out(end) == is_left_out {
        end = piece_end(end);
    }
    (end, is_left_out)
}

/// Makes a file longer by a hole up to `end`, if it ends at or before `start`; else says that the zeros have to be written.
pub(crate) fn leave_out(file: BorrowedFd<'_>, start: u64, end: u64) -> Result<bool, Errno> {
    let size = rustix::fs::fstat(file)?.st_size as u64;
    match size <= start {
        true => rustix::fs::ftruncate(file, end).map(|()| true),
        false => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_pieces_of_zeros_are_left_out_and_nothing_else() {
        let mut bytes = vec![0; 5 * PIECE];
        assert!(is_zeros(&bytes) && is_zeros(&[]));
        for at in [0, 1, 127, 128, 5 * PIECE - 1] {
            bytes[at] = 1;
            assert!(!is_zeros(&bytes), "{at}");
            bytes[at] = 0;
        }
        bytes[3 * PIECE] = 1;
        let pieces = |mut offset: u64, mut bytes: &[u8]| {
            let mut found = Vec::new();
            while !bytes.is_empty() {
                let (len, left_out) = next_piece(offset, bytes);
                found.push((offset, len, left_out));
                offset += len as u64;
                bytes = &bytes[len..];
            }
            found
        };
        let piece = PIECE as u64;
        assert_eq!(
            pieces(2 * piece, &bytes),
            [
                (2 * piece, 3 * PIECE, true),
                (5 * piece, PIECE, false),
                (6 * piece, PIECE, true)
            ]
        );
        // In what cut they come makes no difference.
        assert_eq!(
            pieces(1, &bytes[1..3 * PIECE + 1]),
            [(1, 3 * PIECE - 1, true), (3 * piece, 1, false)]
        );
        assert_eq!(pieces(7, &[0; 9]), [(7, 9, true)]);
    }
}
