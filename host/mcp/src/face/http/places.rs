//! Places for connections: few for those of whom nothing is known yet, more for those that have shown the token.
//!
//! Whoever reaches the address can connect, and connections are what a server runs out of. So one that has shown nothing keeps nobody out: it has a place
//! only until enough others have come after it. With its first request that is let in it takes a place of the others, which it keeps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::face::limits;

/// All places of a server.
#[derive(Clone)]
pub(super) struct Places {
    strangers: Arc<Mutex<Strangers>>,
    guests: Arc<Semaphore>,
}

#[derive(Default)]
struct Strangers {
    /// Of the last one.
    number: u64,
    /// In the order in which they came.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// A connection's place.
pub(super) struct Visit {
    strangers: Arc<Mutex<Strangers>>,
    guests: Arc<Semaphore>,
    number: u64,
    /// It has been let in.
    place: OnceLock<OwnedSemaphorePermit>,
}

/// Returns when the connection has to give way.
pub(super) type GivesWay = oneshot::Receiver<()>;

impl Places {
    pub(super) fn new() -> Places {
        Places::of(limits::CONNECTIONS)
    }

    fn of(guests: usize) -> Places {
        Places {
            strangers: Arc::default(),
            guests: Arc::new(Semaphore::new(guests)),
        }
    }

    /// For a connection that has just come. Where there are too many like it, the one that came first gives way.
    pub(super) fn visit(&self) -> (Visit, GivesWay) {
        let (give_way, gives_way) = oneshot::channel();
        let mut strangers = locked(&self.strangers);
        strangers.number += 1;
        let number = strangers.number;
        strangers.waiting.push_back((number, give_way));
        if strangers.waiting.len() > limits::STRANGERS
            && let Some((_, first)) = strangers.waiting.pop_front()
        {
            // Fails where it has ended this very moment.
            let _ = first.send(());
        }
        let visit = Visit {
            strangers: Arc::clone(&self.strangers),
            guests: Arc::clone(&self.guests),
            number,
            place: OnceLock::new(),
        };
        (visit, gives_way)
    }
}

impl Visit {
    /// It has shown that it may come in: from here on it gives way to nobody. False if all places are taken.
    pub(super) fn comes_in(&self) -> bool {
        if self.place.get().is_some() {
            return true;
        }
        let Ok(place) = Arc::clone(&self.guests).try_acquire_owned() else {
            return false;
        };
        // Fails where another request of the connection was faster, and gives the place back.
        let _ = self.place.set(place);
        // Its sender stays with nobody, which is no sign to give way.
        self.is_no_stranger();
        true
    }

    fn is_no_stranger(&self) {
        let mut strangers = locked(&self.strangers);
        strangers
            .waiting
            .retain(|(number, _)| *number != self.number);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.is_no_stranger();
    }
}

fn locked(strangers: &Mutex<Strangers>) -> MutexGuard<'_, Strangers> {
    strangers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until it has to give way; never, once it has come in.
pub(super) async fn gives_way(gives_way: GivesWay) {
    if gives_way.await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::error::TryRecvError;

    #[test]
    fn attack_35_of_those_who_have_shown_nothing_the_first_gives_way_and_no_guest() {
        let places = Places::new();
        let (guest, mut of_guest) = places.visit();
        assert!(guest.comes_in());
        let mut strangers: Vec<_> = (0..limits::STRANGERS + 2).map(|_| places.visit()).collect();
        for (at, (_, gives_way)) in strangers.iter_mut().enumerate() {
            let expected = match at {
                0 | 1 => Ok(()),
                _ => Err(TryRecvError::Empty),
            };
            assert_eq!(gives_way.try_recv(), expected, "{at}");
        }
        // It hears nothing any more, and least of all that it is to go.
        assert_eq!(of_guest.try_recv(), Err(TryRecvError::Closed));
        // One that leaves makes room: the next one sends nobody away.
        drop(strangers.pop());
        let (_new, _) = places.visit();
        assert_eq!(strangers[2].1.try_recv(), Err(TryRecvError::Empty));
    }

    #[test]
    fn guests_have_a_number_of_places_and_each_has_one() {
        let places = Places::of(2);
        let visits: Vec<_> = (0..3).map(|_| places.visit().0).collect();
        for visit in &visits[..2] {
            assert!(visit.comes_in() && visit.comes_in());
        }
        assert!(!visits[2].comes_in());
        let mut visits = visits.into_iter();
        drop(visits.next());
        assert!(visits.nth(1).expect("the third").comes_in());
    }
}
