//! One websocket's place.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use lockgate_relay::Address;
use lockgate_relay::registry::EnvironmentId;

use super::members::{Environment, Path};
use super::{Hub, LinkId, Way, lock};
use crate::cluster::{Announced, Uplink};
use crate::large::Turns;
use crate::limits;
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
    /// None: it is counted at another node.
    pub(super) tenant: Option<String>,
    /// A harness's way to its executor at another node.
    pub(super) uplink: Option<Uplink>,
    /// Other nodes know of this executor.
    pub(super) announced: Option<Announced>,
    pub(crate) outlet: Arc<Outlet>,
    /// Frames are small: records, or segments of Lockgate's.
    pub(crate) small_frames: bool,
    /// For those that are not.
    pub(crate) turns: Turns,
}

impl Seat {
    /// Looks for the executor at other nodes.
    pub(crate) fn seeks(&self) {
        self.set_way(Path::Sought);
    }

    /// It is not to be had there now.
    pub(crate) fn waits(&self) {
        self.set_way(Path::Here);
    }

    /// The executor is at another node, and this is the way to it.
    pub(crate) fn goes_by(&mut self, mut uplink: Uplink) {
        self.set_way(Path::By(uplink.node().to_owned()));
        self.small_frames = uplink.encrypts;
        uplink.carry(Arc::clone(&self.outlet));
        self.uplink = Some(uplink);
    }

    fn set_way(&self, way: Path) {
        if let Some(member) = self.environment.lock().harnesses.get_mut(&self.link) {
            member.way = way;
        }
    }

    /// Names it here.
    pub(crate) fn link(&self) -> LinkId {
        self.link
    }

    /// Other nodes know of it from now on.
    pub(crate) fn is_announced(&mut self, announced: Announced) {
        self.announced = Some(announced);
    }

    /// Whether others wait for it where it does not read.
    pub(crate) fn is_harness(&self) -> bool {
        self.side == Side::Harness
    }

    /// Where a frame that came from this link goes.
    pub(crate) fn route(&self, address: &Address) -> Way {
        if let Some(uplink) = &self.uplink {
            return Way::Wait(Arc::clone(&uplink.outlet), limits::EXECUTOR_QUEUE);
        }
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
        if let Some(tenant) = self.tenant.take() {
            let mut tenants = lock(&self.hub.tenants);
            if let Entry::Occupied(mut count) = tenants.entry(tenant) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
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
