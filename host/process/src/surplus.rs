//! Room for more output than a process usually has: for those that a distant reader holds up. Of such rooms there are only some in this program,
//! so that what many processes keep is still bounded; who gets none is held up earlier.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits;

/// The right to keep [`limits::HELD_BYTES`]. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Surplus(());

static TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Surplus {
    /// One of them, if there is one left.
    pub(crate) fn take() -> Option<Surplus> {
        TAKEN
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < limits::HELD_AT_ONCE).then_some(taken + 1)
            })
            .ok()
            .map(|_| Surplus(()))
    }
}

impl Drop for Surplus {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}
