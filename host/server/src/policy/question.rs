//! A question to the policies, on its way to a permit.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use lockgate_policy_gate::{Action, ActionKind, Consent, HttpRequest, Outcome, Ruling};
use lockgate_wire::Id;
use tokio::sync::oneshot;

use super::approvals::Said;
use super::guard::{Bench, Guard, ToPut};
use super::permit::Permit;
use super::wording;
use crate::failure::Failure;
use crate::http::HopGuard;
use crate::http::hop::{self, HopLimits};
use crate::pending::Pending;

/// What becomes of a request once somebody has agreed; a failure if nobody has.
pub(crate) type Asking<A> = Pin<Box<dyn Future<Output = Result<A, Failure>> + Send>>;

/// What policies say: go on with this, or first let somebody agree.
pub(crate) enum Decision<A> {
    Settled(A),
    Asks(Asking<A>),
}

impl<A: Send + 'static> Decision<A> {
    /// Asks nobody any more once `over` has a failure.
    pub(crate) fn unless(
        self,
        over: impl Future<Output = Failure> + Send + 'static,
    ) -> Decision<A> {
        match self {
            Decision::Settled(settled) => Decision::Settled(settled),
            Decision::Asks(asking) => Decision::Asks(Box::pin(async {
                tokio::select! {
                    agreed = asking => agreed,
                    failure = over => Err(failure),
                }
            })),
        }
    }

    pub(crate) fn map<B>(self, then: impl FnOnce(A) -> B + Send + 'static) -> Decision<B> {
        match self {
            Decision::Settled(settled) => Decision::Settled(then(settled)),
            Decision::Asks(asking) => Decision::Asks(Box::pin(async { asking.await.map(then) })),
        }
    }
}

/// Whether a request may be done.
pub(crate) struct Question(State);

enum State {
    Open(Inquiry),
    Decided(Decision<Permit>),
}

/// What there is to be asked.
struct Inquiry {
    bench: Arc<Bench>,
    /// The request that waits for it.
    request: Option<Id>,
    kind: ActionKind,
    /// All of these have to be allowed.
    actions: VecDeque<Action>,
    /// Why nobody can be asked about them.
    untellable: Option<Failure>,
    /// These are.
    allowed: Vec<Action>,
    /// These are, if somebody agrees.
    to_put: Vec<ToPut>,
    /// What is left of them.
    permit: Permit,
    /// To what somebody has agreed already, under policies that may be others now.
    agreed: Vec<(Action, Consent)>,
    /// Which policies are asked: [`Judge::generation`](super::Judge::generation).
    generation: u64,
}

impl Question {
    /// To which nobody has anything to say.
    pub(super) fn nothing() -> Question {
        Question(State::Decided(Decision::Settled(Permit::whole())))
    }

    /// It cannot be put: where somebody has something to say, this is the answer.
    pub(crate) fn untellable(mut self, failure: Failure) -> Question {
        if let State::Open(inquiry) = &mut self.0 {
            inquiry.untellable = Some(failure);
        }
        self
    }

    /// Whether all of these, which are of one kind, may be done, for that request.
    pub(super) fn of(
        bench: Arc<Bench>,
        request: Option<Id>,
        kind: ActionKind,
        actions: Vec<Action>,
    ) -> Question {
        let actions = actions.into();
        let agreed = Vec::new();
        Question(State::Open(Inquiry::new(
            bench, request, kind, actions, agreed,
        )))
    }

    /// The permit, if it is there already.
    pub(crate) fn permit(&self) -> Option<&Permit> {
        match &self.0 {
            State::Decided(Decision::Settled(permit)) => Some(permit),
            _ => None,
        }
    }

    /// Decides here and now if that is a matter of microseconds. Else the question stays open: where decisions are slow of late, and where one turns out to be.
    pub(crate) fn at_once(self) -> Result<Question, Failure> {
        match self.0 {
            State::Open(inquiry) => inquiry.at_once().map(Question),
            state => Ok(Question(state)),
        }
    }

    /// Decides, however long that takes. A failure is a denial.
    pub(crate) fn decide(self) -> Result<Decision<Permit>, Failure> {
        match self.0 {
            State::Open(inquiry) => inquiry.decide(),
            State::Decided(decided) => Ok(decided),
        }
    }

    /// The permit, for a request outside the lane: decides where that holds nobody up, and asks. While somebody is asked, the request
    /// does not count against what its connection may have in flight.
    pub(crate) async fn settle(self, pending: &Pending) -> Result<Permit, Failure> {
        let decided = match self.at_once()?.0 {
            State::Decided(decided) => decided,
            State::Open(inquiry) => inquiry.elsewhere().await?,
        };
        match decided {
            Decision::Settled(permit) => Ok(permit),
            Decision::Asks(asking) => {
                let _parked = pending.park()?;
                asking.await
            }
        }
    }
}

impl Inquiry {
    fn new(
        bench: Arc<Bench>,
        request: Option<Id>,
        kind: ActionKind,
        actions: VecDeque<Action>,
        agreed: Vec<(Action, Consent)>,
    ) -> Inquiry {
        Inquiry {
            generation: bench.judge.generation(),
            bench,
            request,
            kind,
            actions,
            untellable: None,
            allowed: Vec::new(),
            to_put: Vec::new(),
            permit: Permit::whole(),
            agreed,
        }
    }

    /// Nobody has anything to say on any of it, now that it is its turn.
    fn is_moot(&self) -> bool {
        self.allowed.is_empty() && self.to_put.is_empty() && !self.bench.judge.wants(self.kind)
    }

    /// Decides on a thread of the pool, in its connection's turn: however slow that is, the other connections have threads and places for theirs.
    async fn elsewhere(self) -> Result<Decision<Permit>, Failure> {
        // The turns never end. A request that is given up meanwhile leaves its turn to the thread, which ends it.
        let turn = Arc::clone(&self.bench.turns).acquire_owned().await.ok();
        let (tell, told) = oneshot::channel();
        let (workers, patience) = (self.bench.workers.clone(), self.bench.patience);
        workers.run(
            patience,
            move || {
                let _turn = turn;
                self.decide()
            },
            move |outcome| {
                let outcome = outcome.unwrap_or_else(|not_done| Err(not_done.into()));
                // Nobody waits where the connection is gone.
                let _ = tell.send(outcome);
            },
        );
        told.await
            .unwrap_or_else(|_| Err(Failure::internal("a decision was dropped")))
    }

    /// Asks the policies about each of the actions, up to the first that is denied, and for so long as the connection can wait. What is not decided
    /// then is left for a thread that has nothing else to do.
    fn at_once(mut self) -> Result<State, Failure> {
        if self.is_moot() {
            return Ok(State::Decided(Decision::Settled(self.permit)));
        }
        if let Some(failure) = self.untellable.take() {
            return Err(failure);
        }
        if !self.bench.judge.is_quick(self.kind) {
            return Ok(State::Open(self));
        }
        let begin = Instant::now();
        while let Some(action) = self.actions.front() {
            if begin.elapsed() > lockgate_policy_gate::limits::AT_ONCE {
                return Ok(State::Open(self));
            }
            let Bench { judge, subject, .. } = &*self.bench;
            match judge.decide_at_once(subject, action) {
                None => return Ok(State::Open(self)),
                Some(ruling) => self.take(ruling)?,
            }
        }
        Ok(State::Decided(self.decided()))
    }

    /// Asks the policies about each of the actions, up to the first that is denied.
    fn decide(mut self) -> Result<Decision<Permit>, Failure> {
        if self.is_moot() {
            return Ok(Decision::Settled(self.permit));
        }
        if let Some(failure) = self.untellable.take() {
            return Err(failure);
        }
        while let Some(action) = self.actions.front() {
            lockgate_capfs::workers::alive();
            let ruling = self.bench.judge.decide(&self.bench.subject, action);
            self.take(ruling)?;
        }
        Ok(self.decided())
    }

    /// The ruling on the first of the actions. A failure is a denial, or where nobody can be asked.
    fn take(&mut self, ruling: Ruling) -> Result<(), Failure> {
        let Some(action) = self.actions.pop_front() else {
            return Ok(());
        };
        match &ruling.outcome {
            Outcome::Allow => {
                self.permit.narrow(&ruling);
                self.allowed.push(action);
            }
            Outcome::Deny {
                policy,
                reason,
                rule,
            } => return Err(wording::denied(policy.as_deref(), reason, rule.as_deref())),
            Outcome::Ask(to) => {
                self.permit.narrow(&ruling);
                let to = to.clone();
                let asks = ToPut { action, ruling, to };
                self.bench.can_put(&asks)?;
                self.to_put.push(asks);
            }
        }
        Ok(())
    }

    /// All that there is to be asked was, and nothing denied.
    fn decided(self) -> Decision<Permit> {
        match self.to_put.is_empty() {
            true => Decision::Settled(self.permit),
            false => Decision::Asks(Box::pin(self.agreed())),
        }
    }

    /// Has somebody agree. Whoever is asked may take their time, and the policies may be others when they have answered: then these are asked, too, and
    /// what they do not want agreed to in the same words was not.
    async fn agreed(self) -> Result<Permit, Failure> {
        for (at, asks) in self.to_put.iter().enumerate() {
            // The same words about another piece of one write are put to nobody twice. Whatever else is asked about is shown.
            let is_piece = matches!(asks.action, Action::ProcessWrite(_));
            let mut before = self.to_put[..at].iter();
            let is_known = is_piece && before.any(|asked| asked.to == asks.to);
            let mut agreed = self.agreed.iter();
            match is_known || agreed.any(|(action, to)| *action == asks.action && *to == asks.to) {
                true => self.bench.told(asks, &Said::Agreed)?,
                false => self.bench.put(self.request.as_ref(), asks).await?,
            }
        }
        if self.bench.judge.generation() == self.generation {
            return Ok(self.permit);
        }
        match self.again().elsewhere().await? {
            Decision::Settled(permit) => Ok(permit),
            Decision::Asks(asking) => asking.await,
        }
    }

    /// The same, to be asked of those who decide now.
    fn again(self) -> Inquiry {
        let agreed: Vec<_> = self
            .to_put
            .into_iter()
            .map(|asks| (asks.action, asks.to))
            .collect();
        let asked = agreed.iter().map(|(action, _)| action.clone());
        let actions = self.allowed.into_iter().chain(asked).collect();
        Inquiry::new(self.bench, self.request, self.kind, actions, agreed)
    }
}

impl HopGuard for Guard {
    fn ask<'a>(&'a self, pending: &'a Pending, hop: HttpRequest) -> hop::Asking<'a> {
        Box::pin(async move {
            let question = self.question(ActionKind::Http, || vec![Action::Http(hop)]);
            let permit = question.settle(pending).await?;
            Ok(HopLimits {
                time: permit.time_limit,
                output: permit.output_limit,
            })
        })
    }
}
