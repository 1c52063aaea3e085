//! What an operator may choose.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cluster::Nats;
use crate::limits;

/// Where key and tokens are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file; it is made where there is none.
    File(PathBuf),
    /// In the registry that several nodes share.
    Nats(Nats),
}

/// How a rendezvous runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its key and tokens, and whether it is one of several nodes.
    pub place: Place,
    /// How executors and harnesses reach it, such as `wss://rendezvous.example`, where that is not what they say in their requests.
    pub public_url: Option<url::Url>,
    /// Certificates and key, both in PEM; without them a proxy in front has to do TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Connections that one tenant may have.
    pub tenant_connections: usize,
}

impl Options {
    /// With everything else as it usually is.
    pub fn new(listen: SocketAddr, place: Place) -> Options {
        Options {
            listen,
            place,
            public_url: None,
            tls: None,
            tenant_connections: limits::TENANT_CONNECTIONS,
        }
    }
}
