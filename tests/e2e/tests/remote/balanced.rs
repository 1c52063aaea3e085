//! Three nodes over NATS, and what stands before them: whoever connects gets one that is there. Executors and harnesses of both kinds go through it.

use std::path::Path;

use lockgate_e2e::{Executor, Nats, Proxy, Rendezvous};

use crate::house::House;

/// Nodes, each on an address of its own.
pub(crate) const NODES: usize = 3;

pub(crate) struct Balanced {
    pub(crate) executors: [Executor; 2],
    pub(crate) house: House,
    pub(crate) nodes: [Rendezvous; NODES],
    pub(crate) balancer: Proxy,
    pub(crate) addresses: [String; NODES],
    pub(crate) nats: Nats,
}

impl Balanced {
    pub(crate) fn start(folder: &Path) -> Balanced {
        let nats = Nats::start(folder);
        let nodes = [(); NODES].map(|()| Rendezvous::node(&nats, "127.0.0.1:0"));
        let addresses = nodes.each_ref().map(|node| node.address().to_owned());
        let balancer = Proxy::to_any(&addresses);
        let house = House::behind(&nodes[0], balancer.address());
        Balanced {
            executors: house.executors(),
            house,
            nodes,
            balancer,
            addresses,
            nats,
        }
    }
}
