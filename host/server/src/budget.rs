//! The descriptors that clients' open files may take, all clients together: some are left for connections, processes and requests, however
//! many clients there are and whatever they keep open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

use crate::limits;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    used: AtomicUsize,
    most: usize,
}

/// A share for one open file; given back when it is dropped.
pub(crate) struct Share {
    budget: Budget,
}

impl Budget {
    /// Of what this process may have open now.
    pub(crate) fn new() -> Budget {
        let most = getrlimit(Resource::Nofile)
            .current
            .and_then(|limit| usize::try_from(limit).ok())
            .map_or(usize::MAX, |limit| limit / limits::DESCRIPTORS_FOR_ONE_FILE);
        Budget::of(most)
    }

    fn of(most: usize) -> Budget {
        let used = AtomicUsize::new(0);
        Budget {
            shared: Arc::new(Shared { used, most }),
        }
    }

    /// A share, if there is one left.
    pub(crate) fn take(&self) -> Option<Share> {
        let shared = &self.shared;
        let one_more = |used| (used < shared.most).then_some(used + 1);
        shared
            .used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        Some(Share {
            budget: self.clone(),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.shared.used.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_given_back_is_there_for_another() {
        let budget = Budget::of(2);
        let first = budget.take().expect("a share");
        let _second = budget.take().expect("a share");
        assert!(budget.take().is_none());
        drop(first);
        assert!(budget.take().is_some());
    }
}
