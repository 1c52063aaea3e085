//! The measured round trip, and how long to wait for an acknowledgement (RFC 6298).

use std::time::Duration;

use crate::limits::{TIMEOUT_FIRST, TIMEOUT_LEAST, TIMEOUT_MOST};

/// Only what was sent once may be measured (Karn's rule); the caller sees to that.
#[derive(Debug, Default)]
pub(crate) struct Rtt {
    measured: Option<Measured>,
    doublings: u32,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    smoothed: Duration,
    variation: Duration,
}

impl Rtt {
    /// A segment that was sent once has been acknowledged after so long.
    pub(crate) fn measure(&mut self, sample: Duration) {
        self.measured = Some(match self.measured {
            None => Measured {
                smoothed: sample,
                variation: sample / 2,
            },
            Some(before) => Measured {
                variation: before.variation * 3 / 4 + before.smoothed.abs_diff(sample) / 4,
                smoothed: before.smoothed * 7 / 8 + sample / 8,
            },
        });
    }

    /// Nothing was acknowledged in time: the next wait is twice as long.
    pub(crate) fn back_off(&mut self) {
        self.doublings = (self.doublings + 1).min(16);
    }

    /// Something was acknowledged.
    pub(crate) fn forgive(&mut self) {
        self.doublings = 0;
    }

    /// How long to wait for an acknowledgement.
    pub(crate) fn timeout(&self) -> Duration {
        let base = self.measured.map_or(TIMEOUT_FIRST, |measured| {
            (measured.smoothed + measured.variation * 4).max(TIMEOUT_LEAST)
        });
        base.saturating_mul(1 << self.doublings).min(TIMEOUT_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn before_any_measurement_the_timeout_is_the_first_one_and_doubles_up_to_the_longest() {
        let mut rtt = Rtt::default();
        let mut timeouts = Vec::new();
        for _ in 0..6 {
            timeouts.push(rtt.timeout().as_secs());
            rtt.back_off();
        }
        assert_eq!(timeouts, [1, 2, 4, 8, 10, 10]);
        rtt.forgive();
        assert_eq!(rtt.timeout(), TIMEOUT_FIRST);
    }

    #[test]
    fn a_measurement_is_smoothed_as_rfc_6298_says() {
        let mut rtt = Rtt::default();
        rtt.measure(100 * MS);
        assert_eq!(rtt.timeout(), 300 * MS); // 100 + 4 * 50
        rtt.measure(100 * MS);
        assert_eq!(rtt.timeout(), 250 * MS); // 100 + 4 * 37.5
        rtt.measure(180 * MS);
        // Smoothed 7/8 * 100 + 1/8 * 180 = 110, variation 3/4 * 37.5 + 1/4 * 80 = 48.125.
        assert_eq!(rtt.timeout(), Duration::from_micros(302_500));
    }

    #[test]
    fn on_a_fast_link_the_timeout_is_the_shortest_one() {
        let mut rtt = Rtt::default();
        for _ in 0..10 {
            rtt.measure(MS);
        }
        assert_eq!(rtt.timeout(), TIMEOUT_LEAST);
    }
}
