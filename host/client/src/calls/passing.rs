//! What is sent in passing: of what is dropped, files that are closed and processes that are ended or let go, and how far processes have been read. Whoever
//! drops or reads something waits for nothing, may be outside of any runtime, and does not keep the connection.
//!
//! It goes onto the link at once where there is room, and by the session's task otherwise. Most of it is over with its link; what is said of
//! processes ([`Word`]) is not, and is said when the next one is open.

use std::convert::Infallible;

use lockgate_wire::lockgate::process::AcknowledgeParams;
use lockgate_wire::process::TerminateParams;
use lockgate_wire::{Id, Method, ProcessId};
use serde::Serialize;

use super::{Calls, State, Waiting, Wire};
use crate::limits;
use crate::routes::Word;

impl Calls {
    /// Calls a method without waiting for anything, its answer least of all, and only where there is a link, and room. Whether there was.
    pub(crate) fn cast<P: Serialize + ?Sized>(&self, method: &str, params: &P) -> bool {
        {
            let mut state = self.state();
            if !state.open || state.behind.len() >= limits::BEHIND {
                return false;
            }
            // Without a place, so the answer finds nobody.
            state.last_id += 1;
            let Ok(message) = lockgate_wire::request(&Id::Number(state.last_id), method, params)
            else {
                return false;
            };
            state.behind.push_back(message);
        }
        self.send_behind();
        true
    }

    /// Ends a process that nobody waits for any more: now, or when the connection is back. Until that is done its id stays taken.
    pub(crate) fn give_up(&self, process: &ProcessId) {
        self.owe(Word::End, process);
    }

    /// Tells a server that may wait for it how far a process has been read, by all who read it.
    pub(crate) fn acknowledge(&self, process: &ProcessId) {
        self.owe(Word::Acknowledge, process);
    }

    /// One who read a process has left: it may have waited for that one, and is to go on with the others, or without any.
    pub(crate) fn let_go(&self, process: &ProcessId) {
        let is_read = self.routes().readers(process).is_some();
        let word = if is_read {
            Word::Acknowledge
        } else {
            Word::LetGo
        };
        self.owe(word, process);
    }

    fn owe(&self, word: Word, process: &ProcessId) {
        {
            let mut state = self.state();
            if state.ended.is_some() {
                return;
            }
            state.routes.owed.add(word, process);
        }
        self.send_behind();
    }

    /// As much of it as there is room for.
    fn send_behind(&self) {
        let mut state = self.state();
        let Some(wire) = state.opened_link() else {
            return;
        };
        while state.is_behind() {
            let Ok(room) = wire.outbound.try_reserve() else {
                self.is_behind.notify_one();
                return;
            };
            match state.take_behind() {
                Some(message) => room.send(message),
                None => return,
            }
        }
    }

    /// Sends what had no room, as soon as there is some; without end.
    pub(crate) async fn catch_up(&self) -> Infallible {
        loop {
            let wire = {
                let state = self.state();
                state.opened_link().filter(|_| state.is_behind())
            };
            let Some(wire) = wire else {
                self.is_behind.notified().await;
                continue;
            };
            let Ok(room) = wire.outbound.reserve().await else {
                // That link takes nothing more.
                return std::future::pending().await;
            };
            if let Some(message) = self.state().take_behind() {
                room.send(message);
            }
        }
    }
}

impl State {
    fn opened_link(&self) -> Option<Wire> {
        self.link.clone().filter(|_| self.open)
    }

    fn is_behind(&self) -> bool {
        !self.behind.is_empty() || self.routes.owed.is_open()
    }

    fn take_behind(&mut self) -> Option<String> {
        if !self.open {
            return None;
        }
        while let Some((word, process)) = self.routes.owed.say() {
            if let Some(message) = self.message(word, &process) {
                return Some(message);
            }
        }
        self.behind.pop_front()
    }

    fn message(&mut self, word: Word, process: &ProcessId) -> Option<String> {
        let acknowledges = |seq| AcknowledgeParams {
            process_id: process.clone(),
            seq,
        };
        let read_by_all = self.routes.read_by_all(process).filter(|&seq| seq > 0);
        self.last_id += 1;
        let id = Id::Number(self.last_id);
        let message = match word {
            Word::End => {
                let params = TerminateParams {
                    process_id: process.clone(),
                };
                lockgate_wire::request(&id, Method::ProcessTerminate.name(), &params)
            }
            Word::LetGo => {
                let method = Method::LockgateProcessAcknowledge.name();
                lockgate_wire::request(&id, method, &acknowledges(None))
            }
            Word::Acknowledge => {
                let method = Method::LockgateProcessAcknowledge.name();
                lockgate_wire::request(&id, method, &acknowledges(Some(read_by_all?)))
            }
        };
        let message = message.ok()?;
        if word != Word::Acknowledge {
            let waiting = Waiting::Said(word, process.clone());
            self.waiting.insert(self.last_id, waiting);
        }
        Some(message)
    }
}
