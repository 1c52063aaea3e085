//! How long to wait before the next attempt.

use std::time::Duration;

use super::Streams;
use crate::limits;

/// Waits that double up to half a minute, each shortened by chance, so that executors which lost the same rendezvous do not come
/// back in the same instant.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next wait; longer if the server asked for more (`Retry-After`), within reason. Shorter where streams wait for it to end: they do not wait for ever.
    pub fn next_wait(&mut self, asked_for: Option<Duration>, streams: &Streams) -> Duration {
        let most = match streams.is_empty() {
            true => limits::BACKOFF_MOST,
            false => limits::BACKOFF_WAITING,
        };
        let full = limits::BACKOFF_FIRST * 2_u32.saturating_pow(self.attempts.min(16));
        self.attempts += 1;
        let full = full.min(most);
        let wait = full / 2 + (full / 2).mul_f64(chance());
        asked_for.map_or(wait, |asked| wait.max(asked.min(limits::RETRY_AFTER_MOST)))
    }

    /// An attempt succeeded.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// Between 0 and 1.
fn chance() -> f64 {
    let [low, high, ..] = *uuid::Uuid::new_v4().as_bytes();
    f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn waits_double_up_to_the_cap_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let streams = Streams::new(Role::Harness);
        for full in [
            125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
        ] {
            let wait = backoff.next_wait(None, &streams);
            let full = Duration::from_millis(full);
            assert!(full / 2 <= wait && wait <= full, "{wait:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait(None, &streams) <= Duration::from_millis(125));
    }

    #[test]
    fn many_that_lost_the_same_rendezvous_do_not_come_back_in_the_same_instant() {
        let streams = Streams::new(Role::Harness);
        let first = |_| Backoff::default().next_wait(None, &streams);
        let waits: std::collections::HashSet<Duration> = (0..100).map(first).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }

    #[test]
    fn retry_after_is_honoured_within_reason() {
        let mut backoff = Backoff::default();
        let streams = Streams::new(Role::Harness);
        assert_eq!(
            backoff.next_wait(Some(Duration::from_secs(20)), &streams),
            Duration::from_secs(20)
        );
        let day = Duration::from_secs(86_400);
        assert_eq!(
            backoff.next_wait(Some(day), &streams),
            limits::RETRY_AFTER_MOST
        );
    }

    #[test]
    fn nobody_who_waits_is_kept_waiting_for_long() {
        let mut backoff = Backoff::default();
        let streams = Streams::new(Role::Harness);
        let _stream = streams.open().expect("a stream");
        for _ in 0..20 {
            assert!(backoff.next_wait(None, &streams) <= limits::BACKOFF_WAITING);
        }
    }
}
