//! The child processes that servers are asked to start: one that writes a known pattern as fast as it can, so that a
//! lost or doubled byte shows.

use std::io::Write as _;
use std::time::Instant;

use crate::failure::Failure;
use crate::limits;

/// Length of the pattern's period: a prime, so that no block boundary ever meets it again soon.
pub(crate) const PERIOD: usize = 65_521;
/// What is written at a time.
const PIECE: usize = 64 << 10;

/// The pattern, `length` bytes from its beginning. Printable, without line ends or control characters: a terminal
/// leaves it as it is.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut period: Vec<u8> = Vec::with_capacity(PERIOD);
    for _ in 0..PERIOD {
        // xorshift32: any fixed sequence without short repetitions does.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        period.push(b'!' + (state % 94) as u8);
    }
    period.iter().copied().cycle().take(length).collect()
}

/// Writes the first `total` bytes of the endless pattern.
pub(crate) fn output(total: usize) -> Result<(), Failure> {
    let twice = pattern(PERIOD + PIECE);
    let mut out = std::io::stdout().lock();
    let mut sent = 0;
    while sent < total {
        let length = PIECE.min(total - sent);
        let at = sent % PERIOD;
        out.write_all(&twice[at..at + length])?;
        sent += length;
    }
    Ok(out.flush()?)
}

/// Writes for as long as somebody reads, but at most for `limits::FLOOD`.
pub(crate) fn flood() -> Result<(), Failure> {
    let begin = Instant::now();
    while begin.elapsed() < limits::FLOOD {
        output(PIECE << 6)?;
    }
    Ok(())
}
