//! Chance that can be had again: the same seed, the same points at which something is killed or cut, as far as clocks allow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A sequence of numbers (xorshift).
pub struct Chance(u64);

impl Chance {
    /// From `LOCKGATE_TEST_SEED`, else another one each time. It is printed, and shown where the test fails.
    pub fn printed() -> Chance {
        let given = std::env::var("LOCKGATE_TEST_SEED").ok();
        let seed = match given.and_then(|seed| seed.parse().ok()) {
            Some(seed) => seed,
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                u64::from(since.expect("a clock").subsec_nanos()) ^ u64::from(std::process::id())
            }
        };
        eprintln!("LOCKGATE_TEST_SEED={seed} runs this again");
        // Small seeds make dull beginnings.
        Chance((seed ^ 0x9E37_79B9_7F4A_7C15).max(1))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Lets some time pass, below this: what comes then hits whatever happens to be going on.
    pub fn pause(&mut self, below: Duration) {
        let below = u64::try_from(below.as_micros()).expect("not for ever");
        std::thread::sleep(Duration::from_micros(self.number() % below));
    }
}
