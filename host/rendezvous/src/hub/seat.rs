//! One websocket's place.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use lockgate_relay::Address;
use lockgate_relay::registry::EnvironmentId;

use super::members::Environment;
use super::{Hub, LinkId, Way, lock};
use crate::large::Turns;
use crate::outlet::{Close, Outlet};
use crate::signed::Side;

/// A place. Dropping it leaves.
pub(crate) struct Seat {
    pub(super) hub: Arc<Hub>,
    pub(super) environment: Arc<Environment>,
    pub(crate) id: EnvironmentId,
    pub(super) side: Side,
    pub(super) link: LinkId,
    pub(super) token: String,
    pub(super) tenant: String,
    pub(crate) outlet: Arc<Outlet>,
    /// Frames are small: records, or segments of Lockgate's.
    pub(crate) small_frames: bool,
    /// For those that are not.
    pub(crate) turns: Turns,
}

impl Seat {
    /// Where a frame that came from this link goes.
    pub(crate) fn route(&self, address: &Address) -> Way {
        let mut members = self.environment.lock();
        match self.side {
            Side::Harness => members.route_to_executor(self.link, &self.token, address),
            Side::Executor => members.route_to_harness(self.link, address),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Whoever holds a frame for it would wait for ever.
        self.outlet.close(Close::GONE);
        {
            let mut tenants = lock(&self.hub.tenants);
            if let Entry::Occupied(mut tenant) = tenants.entry(std::mem::take(&mut self.tenant)) {
                tenant.get_mut().connections -= 1;
                if tenant.get().connections == 0 {
                    tenant.remove();
                }
            }
        }
        let mut members = self.environment.lock();
        match self.side {
            Side::Executor => {
                // Not if another one has taken the place already.
                if members
                    .executor
                    .as_ref()
                    .is_some_and(|executor| executor.link == self.link)
                {
                    members.executor = None;
                    members.executor_left();
                }
            }
            Side::Harness => members.harness_left(self.link),
        }
    }
}
