//! What is between clients and an executor, and breaks at points of chance.

use std::time::Duration;

use lockgate_client::{Client, ConnectOptions};

use crate::far::Far;
use crate::support::House;

const CUTS: u64 = 300;

pub(crate) enum Between {
    /// A websocket to the executor itself.
    Websocket(House),
    /// A rendezvous. Cuts are survived by streams, so streams are broken as well.
    Rendezvous(Far),
}

impl Between {
    pub(crate) async fn client(&self, options: ConnectOptions) -> Client {
        match self {
            Between::Websocket(house) => house.client_with(options).await,
            Between::Rendezvous(far) => far.client(options).await,
        }
    }

    /// How often there is trouble, and how far apart at most.
    pub(crate) fn pace(&self) -> (u64, Duration) {
        match self {
            Between::Websocket(_) => (CUTS, Duration::from_millis(120)),
            // A client comes back slower there.
            Between::Rendezvous(_) => (CUTS / 2, Duration::from_millis(240)),
        }
    }

    /// False where there is nothing to break at the moment.
    pub(crate) fn break_one(&self, chance: u64) -> bool {
        match self {
            Between::Websocket(house) => house.proxy.cut_any(chance),
            Between::Rendezvous(far) => far.break_one(chance),
        }
    }
}
