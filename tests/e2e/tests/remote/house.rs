//! One rendezvous, or what stands before several, with an executor of each kind: one that encrypts, and one that does not.

use lockgate_e2e::{Executor, Rendezvous};

use crate::work::Way;

/// Their environments.
pub(crate) const ENCRYPTED: &str = "sealed";
pub(crate) const PLAIN: &str = "open";

/// What starts such executors, and how harnesses reach them.
pub(crate) struct House {
    pub(crate) ways: [Way; 2],
    /// The token by which harnesses reach the one that encrypts.
    pub(crate) harness: String,
    pub(crate) registry: String,
    tokens: [String; 2],
}

impl House {
    pub(crate) fn at(rendezvous: &Rendezvous) -> House {
        House::behind(rendezvous, rendezvous.address())
    }

    /// `address`: where its ends connect, if not to the rendezvous itself.
    pub(crate) fn behind(rendezvous: &Rendezvous, address: &str) -> House {
        let registry = format!("http://{address}");
        let harness = rendezvous.token(ENCRYPTED, "harness");
        House {
            tokens: [ENCRYPTED, PLAIN].map(|name| rendezvous.token(name, "executor")),
            ways: [
                Way::Encrypted {
                    registry: registry.clone(),
                    environment: ENCRYPTED,
                    token: harness.clone(),
                },
                Way::Plain(rendezvous.harness_url(PLAIN, Some(address))),
            ],
            harness,
            registry,
        }
    }

    pub(crate) fn executors(&self) -> [Executor; 2] {
        let [sealed, open] = &self.tokens;
        [
            Executor::from_command(Executor::encrypting(&self.registry, ENCRYPTED, sealed)),
            Executor::start(&self.registry, PLAIN, open),
        ]
    }
}
