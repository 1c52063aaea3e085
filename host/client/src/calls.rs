//! What callers and the connection's task share: the link of the moment, calls that wait for answers, and where what the server tells goes.
//!
//! A link can be lost and another one take its place. Of a call it matters on which side of that it was: before its message has a
//! place on a link it waits for the next one; from then on the loss of that link fails it, because nobody knows whether it was carried out.

mod passing;
mod ticket;

use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_wire::ProcessId;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::ClientError;
use crate::approvals::{Approvals, Approver};
use crate::routes::{self, Begins, Routes, Starting, Word};
use crate::state::ConnectionState;
use crate::transport::Outage;
use crate::transport::heard::{self, Silence};

use ticket::Outcome;
pub(crate) use ticket::{Answer, Ticket, Unanswered};

/// Where messages of one link go.
#[derive(Clone)]
pub(crate) struct Wire {
    /// Which link.
    pub(crate) number: u64,
    /// Messages of the server may be any bytes.
    pub(crate) carries_bytes: bool,
    pub(crate) outbound: mpsc::Sender<String>,
}

pub(crate) struct Calls {
    state: Mutex<State>,
    pub(crate) approvals: Approvals,
    told: watch::Sender<ConnectionState>,
    silence: Silence,
    /// Something that is sent in passing had no room.
    is_behind: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    last_id: i64,
    last_link: u64,
    /// The link that is up, while one is.
    link: Option<Wire>,
    /// The session is attached to it and recovered: everybody may call.
    open: bool,
    waiting: HashMap<i64, Waiting>,
    /// What is sent in passing and had no room.
    behind: VecDeque<String>,
    routes: Routes,
    /// Why the connection ended.
    ended: Option<ClientError>,
}

/// The routes, under the lock of everything else.
pub(crate) struct Guarded<'a>(MutexGuard<'a, State>);

impl Deref for Guarded<'_> {
    type Target = Routes;

    fn deref(&self) -> &Routes {
        &self.0.routes
    }
}

impl Guarded<'_> {
    /// Whether everybody may call.
    pub(crate) fn is_open(&self) -> bool {
        self.0.open
    }
}

impl DerefMut for Guarded<'_> {
    fn deref_mut(&mut self) -> &mut Routes {
        &mut self.0.routes
    }
}

/// Who waits for an answer.
enum Waiting {
    /// A call, with which a process may start.
    Call(oneshot::Sender<Outcome>, Option<Starting>),
    /// Nobody: it says something of a process that has to hold.
    Said(Word, ProcessId),
}

impl Waiting {
    fn starting(&self) -> Option<&Starting> {
        match self {
            Waiting::Call(_, starting) => starting.as_ref(),
            Waiting::Said(..) => None,
        }
    }

    fn tell(self, outcome: Outcome) {
        if let Waiting::Call(answer, _) = self {
            let _ = answer.send(outcome);
        }
    }
}

impl Calls {
    pub(crate) fn new(approver: Option<Approver>) -> Calls {
        Calls {
            state: Mutex::default(),
            approvals: Approvals::new(approver),
            told: watch::Sender::new(ConnectionState::Connected { resumed: 0 }),
            silence: Silence::default(),
            is_behind: Notify::new(),
        }
    }

    /// Where to what is told goes.
    pub(crate) fn routes(&self) -> Guarded<'_> {
        Guarded(self.state())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other link has.
    pub(crate) fn number(&self) -> u64 {
        let mut state = self.state();
        state.last_link += 1;
        state.last_link
    }

    /// That link is the one from now on, for the handshake first.
    pub(crate) fn join(&self, wire: Wire) {
        self.state().link = Some(wire);
    }

    /// The first handshake on that link is over: everybody may call, unless it was lost in this moment.
    pub(crate) fn open(&self, link: u64) {
        let mut state = self.state();
        state.open |= state.link.as_ref().is_some_and(|wire| wire.number == link);
    }

    /// The same for a session that was away.
    pub(crate) fn reopen(&self) {
        heard::over(&self.silence);
        let mut state = self.state();
        state.open = true;
        let resumed = self.told.borrow().resumed() + 1;
        // Told under the lock: whoever looks afterwards sees both.
        self.told
            .send_replace(ConnectionState::Connected { resumed });
    }

    pub(crate) fn is_current(&self, link: u64) -> bool {
        let state = self.state();
        state.link.as_ref().is_some_and(|wire| wire.number == link)
    }

    /// How the connection is, now and from now on.
    pub(crate) fn told(&self) -> &watch::Sender<ConnectionState> {
        &self.told
    }

    /// Since when nothing is heard of the server, on a link that is there.
    pub(crate) fn silence(&self) -> &Silence {
        &self.silence
    }

    /// Why the connection ended, if it has.
    pub(crate) fn ended(&self) -> Option<ClientError> {
        self.state().ended.clone()
    }

    /// A place for a call on the link, as soon as there is one that is open. Questions about it are for `approver`, if it has one of its own.
    pub(crate) async fn place(
        &self,
        mut begins: Begins<'_>,
        approver: Option<&Approver>,
    ) -> Result<Ticket<'_>, ClientError> {
        loop {
            // Nobody waits for a link on which it could not be sent either.
            if let Begins::Uses(on, method) = begins
                && !self.is_current(on)
            {
                return Err(self.ended().unwrap_or_else(|| routes::went(method)));
            }
            // Before the look: a change after it is not missed then.
            let mut told = self.told.subscribe();
            if let Some(wire) = self.opened()? {
                // Fails when the link is lost, which is told next.
                if let Ok(room) = wire.outbound.reserve_owned().await {
                    match self.ticket(wire.number, true, room, begins)? {
                        Ok(ticket) => {
                            if let Some(approver) = approver {
                                self.approvals.begin(ticket.id(), approver);
                            }
                            return Ok(ticket);
                        }
                        Err(back) => begins = back,
                    }
                    continue;
                }
            }
            // This holds the sender.
            let _ = told.changed().await;
        }
    }

    fn opened(&self) -> Result<Option<Wire>, ClientError> {
        let state = self.state();
        match &state.ended {
            Some(reason) => Err(reason.clone()),
            None => Ok(state.link.clone().filter(|_| state.open)),
        }
    }

    /// A place on that link, whether or not it is open to all: for the handshake and what comes with it.
    pub(crate) async fn place_on(&self, wire: &Wire) -> Result<Ticket<'_>, ClientError> {
        let gone = || {
            self.ended()
                .unwrap_or_else(|| ClientError::Closed("the link was lost".into()))
        };
        let room = wire.outbound.clone().reserve_owned().await;
        let room = room.map_err(|_| gone())?;
        let ticket = self.ticket(wire.number, false, room, Begins::Nothing)?;
        ticket.map_err(|_| gone())
    }

    /// Gives `begins` back where the link is not there any more.
    fn ticket<'a, 'b>(
        &'a self,
        link: u64,
        must_be_open: bool,
        room: mpsc::OwnedPermit<String>,
        begins: Begins<'b>,
    ) -> Result<Result<Ticket<'a>, Begins<'b>>, ClientError> {
        let mut state = self.state();
        if let Some(reason) = &state.ended {
            return Err(reason.clone());
        }
        let is_there = state.link.as_ref().is_some_and(|wire| wire.number == link);
        if !is_there || must_be_open && !state.open {
            return Ok(Err(begins));
        }
        let starting = state.routes.begin(begins, link)?;
        state.last_id += 1;
        let id = state.last_id;
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting::Call(sender, starting.clone());
        state.waiting.insert(id, waiting);
        Ok(Ok(Ticket::new(self, id, room, answer, starting)))
    }

    /// Whether a call of that id was made.
    pub(crate) fn was_given(&self, id: i64) -> bool {
        (1..=self.state().last_id).contains(&id)
    }

    /// Tells a call what came of it, if it still waits.
    pub(crate) fn settle(&self, id: i64, outcome: Outcome) {
        self.approvals.is_over(id);
        let mut state = self.state();
        let waiting = state.waiting.remove(&id);
        match &waiting {
            Some(Waiting::Call(_, Some(starting))) if outcome.is_ok() => {
                state.routes.runs(&starting.process);
            }
            // Whether it ran or not.
            Some(Waiting::Said(Word::End, process)) => state.routes.claim(process),
            Some(Waiting::Said(word, process)) => state.routes.owed.remove(*word, process),
            _ => {}
        }
        drop(state);
        if let Some(waiting) = waiting {
            waiting.tell(outcome);
        }
    }

    /// That link, which is open, is without a connection that carries it, or has one again. What is on it waits.
    pub(crate) fn outage(&self, link: u64, outage: Option<&Outage>) {
        let state = self.state();
        if !state.open || state.link.as_ref().is_none_or(|wire| wire.number != link) {
            return;
        }
        self.told.send_if_modified(|told| match outage {
            Some(outage) => told.leave(&outage.why, outage.since.into_std()),
            None => told.come_back(),
        });
    }

    /// The link is gone. Calls on it, bodies and watches have failed; processes go on where `away` says that it may come back.
    pub(crate) fn lost(&self, why: &str, away: bool) {
        let mut state = self.state();
        (state.link, state.open) = (None, false);
        state.behind.clear();
        let waiting = std::mem::take(&mut state.waiting);
        let starting = waiting.values().filter_map(Waiting::starting);
        let bodies = state.routes.lose(starting);
        if away {
            self.told
                .send_if_modified(|told| told.leave(why, std::time::Instant::now()));
        }
        // Whoever hears of this sees that the link is lost.
        heard::over(&self.silence);
        drop(state);
        self.approvals.end();
        let why: Arc<str> = why.into();
        for call in waiting.into_values() {
            call.tell(Err(Unanswered::Lost(Arc::clone(&why))));
        }
        for body in bodies {
            body.lost(&why);
        }
    }

    /// The connection has ended: everyone who waits is told.
    pub(crate) fn end(&self, reason: ClientError) {
        let (waiting, routes, reason) = {
            let mut state = self.state();
            let reason = state.ended.get_or_insert(reason).clone();
            (state.link, state.open) = (None, false);
            state.behind.clear();
            self.told
                .send_replace(ConnectionState::Ended(reason.clone()));
            heard::over(&self.silence);
            (
                std::mem::take(&mut state.waiting),
                std::mem::take(&mut state.routes),
                reason,
            )
        };
        self.approvals.end();
        for call in waiting.into_values() {
            call.tell(Err(Unanswered::Error(reason.clone())));
        }
        for (_, queue) in routes.followed() {
            queue.fail(reason.to_string());
        }
    }
}
