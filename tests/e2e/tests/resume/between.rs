//! What is between clients and an executor, and breaks at points of chance.

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

    /// How often there is trouble.
    pub(crate) fn cuts(&self) -> u64 {
        match self {
            Between::Websocket(_) => CUTS,
            // A client comes back slower there, after 5 s where its executor was away when its stream was broken.
            Between::Rendezvous(_) => CUTS / 3,
        }
    }

    /// Bytes that came from harnesses or for them so far.
    pub(crate) fn carried(&self) -> u64 {
        match self {
            Between::Websocket(house) => house.proxy.carried(),
            Between::Rendezvous(far) => far.carried(),
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
