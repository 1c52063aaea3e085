//! Who asks the policies for one connection, and on whose behalf.

use std::sync::Arc;

use lockgate_capfs::Workers;
use lockgate_capfs::workers::Patience;
use lockgate_policy_gate::{Action, ActionKind, Consent, Ruling, Subject, Transport};
use lockgate_wire::Id;
use tokio::sync::Semaphore;

use super::approvals::{Approvals, Said};
use super::judge::Judge;
use super::question::Question;
use super::wording;
use crate::failure::Failure;
use crate::limits;

/// What the transport knows of who is at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) transport: Transport,
    /// The id of this executor's environment, where a relay stands between.
    pub(crate) environment: Option<String>,
    /// Who it is, where the transport proves it.
    pub(crate) identity: Option<String>,
}

/// A connection's way to the policies. Cheap to clone; nothing where there are none.
#[derive(Clone)]
pub(crate) struct Guard {
    bench: Option<Arc<Bench>>,
    /// The request that is being taken: what questions say that they are about.
    request: Option<Id>,
}

/// What it takes to ask.
pub(super) struct Bench {
    pub(super) judge: Arc<dyn Judge>,
    pub(super) subject: Subject,
    approvals: Arc<Approvals>,
    pub(super) workers: Workers,
    pub(super) patience: Patience,
    /// For the connection's decisions that are made on a thread of their own.
    pub(super) turns: Arc<Semaphore>,
}

/// Something that somebody has to agree to.
pub(super) struct ToPut {
    pub(super) action: Action,
    pub(super) ruling: Ruling,
    /// What the ruling asks.
    pub(super) to: Consent,
}

impl Peer {
    /// Of whom nothing is known but how it is connected.
    pub(crate) fn over(transport: Transport) -> Peer {
        Peer {
            transport,
            environment: None,
            identity: None,
        }
    }
}

impl Guard {
    /// Of a connection before its handshake.
    pub(crate) fn new(
        judge: Option<&Arc<dyn Judge>>,
        peer: &Peer,
        approvals: &Arc<Approvals>,
        (workers, patience): (&Workers, Patience),
    ) -> Guard {
        let bench = judge.map(|judge| {
            Arc::new(Bench {
                judge: Arc::clone(judge),
                subject: Subject {
                    transport: peer.transport,
                    environment: peer.environment.clone(),
                    identity: peer.identity.clone(),
                    ..Subject::default()
                },
                approvals: Arc::clone(approvals),
                workers: workers.clone(),
                patience,
                turns: Arc::new(Semaphore::new(limits::DECISIONS_AT_ONCE)),
            })
        });
        Guard {
            bench,
            request: None,
        }
    }

    /// The same once the client has said who it is. `session` is a name that opens nothing.
    pub(crate) fn of_client(&self, client: &str, session: &str) -> Guard {
        let bench = self.bench.as_ref().map(|bench| {
            Arc::new(Bench {
                subject: Subject {
                    session: session.to_owned(),
                    client: beginning(client, limits::CLIENT_NAME_BYTES).to_owned(),
                    ..bench.subject.clone()
                },
                judge: Arc::clone(&bench.judge),
                approvals: Arc::clone(&bench.approvals),
                workers: bench.workers.clone(),
                patience: bench.patience,
                turns: Arc::clone(&bench.turns),
            })
        });
        Guard {
            bench,
            request: self.request.clone(),
        }
    }

    /// From here on it is this request that asks.
    pub(crate) fn is_for(&mut self, request: &Id) {
        if self.bench.is_some() {
            self.request = Some(request.clone());
        }
    }

    /// Whether there is a policy gate, whatever it has to say.
    pub(crate) fn is_there(&self) -> bool {
        self.bench.is_some()
    }

    /// Whether anybody has something to say on this kind of action now. If not, nothing needs to be made for a question that is put at once.
    pub(crate) fn wants(&self, kind: ActionKind) -> bool {
        let bench = self.bench.as_ref();
        bench.is_some_and(|bench| bench.judge.wants(kind))
    }

    /// The question whether all of these may be done. They are made only if there is a policy gate: whether anybody wants to see this kind
    /// is asked when the request's turn has come, and may be another answer than now.
    pub(crate) fn question(
        &self,
        kind: ActionKind,
        actions: impl FnOnce() -> Vec<Action>,
    ) -> Question {
        match &self.bench {
            None => Question::nothing(),
            Some(bench) => Question::of(Arc::clone(bench), self.request.clone(), kind, actions()),
        }
    }
}

impl Bench {
    /// A policy says that somebody has to agree, and somebody may: asks them. A failure where nobody can be asked or has agreed.
    pub(super) async fn put(&self, request: Option<&Id>, to_put: &ToPut) -> Result<(), Failure> {
        let patience = self.judge.ask_time();
        let ToPut { action, to, .. } = to_put;
        let said = self.approvals.ask(action, request, to, patience).await;
        self.told(to_put, &said)
    }

    /// A failure at once where nobody can be asked.
    pub(super) fn can_put(&self, to_put: &ToPut) -> Result<(), Failure> {
        match self.approvals.is_possible() {
            true => Ok(()),
            false => self.told(to_put, &Said::NobodyToAsk),
        }
    }

    /// Notes what was said.
    pub(super) fn told(&self, to_put: &ToPut, said: &Said) -> Result<(), Failure> {
        let ToPut { action, ruling, to } = to_put;
        let approved = matches!(said, Said::Agreed);
        let Bench { judge, subject, .. } = self;
        judge.answered(subject, action, ruling, approved, said.by());
        match approved {
            true => Ok(()),
            false => Err(wording::not_agreed(to, said)),
        }
    }
}

/// The beginning of a text, cut where a character begins.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
