//! Places for decisions: no more are made at once than the pool has instances for, beside the warm ones.
//!
//! All policies share most of them, first come, first served. One that takes its time would soon have them all, and what others decide would be refused
//! because of it. So each policy has a seat of its own, too, which nobody else takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Failure;
use crate::limits;

/// As many as there can ever be: the shared ones, and the seats of one chain.
pub(crate) const MOST: u32 = limits::DECISIONS_AT_ONCE + limits::POLICIES as u32;

pub(crate) struct Places {
    state: Mutex<Free>,
    freed: Condvar,
}

struct Free {
    /// For all.
    shared: u32,
    /// For the policies that are not on theirs. Where a chain takes another one's place there are more policies than that for a moment.
    seats: u32,
    /// Decisions that wait for one. Only then is it a system call to give one back.
    waiting: u32,
}

/// A policy's own place, for when it gets no other.
#[derive(Debug, Default)]
pub(crate) struct Seat(AtomicBool);

/// One of the places; dropping it gives it back.
pub(crate) struct Place<'a> {
    places: &'a Places,
    /// This is the policy's own.
    seat: Option<&'a Seat>,
}

impl Places {
    pub(crate) fn new() -> Places {
        Places {
            state: Mutex::new(Free {
                shared: limits::DECISIONS_AT_ONCE,
                seats: limits::POLICIES as u32,
                waiting: 0,
            }),
            freed: Condvar::new(),
        }
    }

    pub(crate) fn take<'a>(&'a self, seat: &'a Seat, time: Duration) -> Result<Place<'a>, Failure> {
        let mut free = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut until = None;
        loop {
            if free.shared > 0 {
                free.shared -= 1;
                return Ok(Place {
                    places: self,
                    seat: None,
                });
            }
            // Seats change hands under the lock.
            if free.seats > 0 && !seat.0.swap(true, Ordering::Relaxed) {
                free.seats -= 1;
                return Ok(Place {
                    places: self,
                    seat: Some(seat),
                });
            }
            let until = *until.get_or_insert_with(|| Instant::now() + time);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::Busy);
            }
            free.waiting += 1;
            free = self
                .freed
                .wait_timeout(free, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            free.waiting -= 1;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let state = &self.places.state;
        let mut free = state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.seat {
            None => {
                free.shared += 1;
                if free.waiting > 0 {
                    self.places.freed.notify_one();
                }
            }
            Some(seat) => {
                free.seats += 1;
                seat.0.store(false, Ordering::Relaxed);
                if free.waiting > 0 {
                    // Not everybody who waits can use it.
                    self.places.freed.notify_all();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_25_a_policy_that_takes_all_places_leaves_each_other_one_its_own() {
        let places = Places::new();
        let (slow, quick) = (Seat::default(), Seat::default());
        let take = |seat| places.take(seat, Duration::ZERO);
        let mut held: Vec<_> =
            std::iter::from_fn(|| places.take(&slow, Duration::ZERO).ok()).collect();
        assert_eq!(held.len(), limits::DECISIONS_AT_ONCE as usize + 1);
        for _ in 0..3 {
            let place = take(&quick).expect("its own");
            assert!(matches!(take(&quick), Err(Failure::Busy)));
            drop(place);
        }
        // One that is given back is for whoever comes first.
        held.remove(0);
        let (one, two) = (
            take(&quick).expect("shared"),
            take(&quick).expect("its own"),
        );
        assert!(matches!(take(&slow), Err(Failure::Busy)));
        drop((one, two, held));
        let all: Vec<_> = std::iter::from_fn(|| take(&slow).ok()).collect();
        assert_eq!(all.len(), limits::DECISIONS_AT_ONCE as usize + 1);
    }

    #[test]
    fn who_waits_gets_what_is_given_back_whosever_it_was() {
        for own in [false, true] {
            let places = Places::new();
            let (seat, other) = (Seat::default(), Seat::default());
            let mut held: Vec<_> =
                std::iter::from_fn(|| places.take(&seat, Duration::ZERO).ok()).collect();
            let others = places.take(&other, Duration::ZERO).expect("its own");
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| places.take(&seat, Duration::from_secs(60)).is_ok());
                while places.state.lock().expect("not poisoned").waiting == 0 {
                    std::thread::yield_now();
                }
                // The last one is its policy's own.
                drop(match own {
                    true => held.pop(),
                    false => Some(held.remove(0)),
                });
                assert!(waiting.join().expect("no panic"));
            });
            drop(others);
        }
    }

    /// However many policies there are while one chain takes another one's place, the pool has room for what is let in.
    #[test]
    fn there_are_never_more_than_the_pool_has_room_for() {
        let places = Places::new();
        let seats: Vec<Seat> = (0..2 * limits::POLICIES).map(|_| Seat::default()).collect();
        let mut held = Vec::new();
        for seat in seats.iter().chain(&seats) {
            held.extend(places.take(seat, Duration::ZERO).ok());
        }
        assert_eq!(held.len(), MOST as usize);
    }
}
