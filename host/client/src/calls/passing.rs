//! What is sent in passing, for what is dropped: files that are closed, processes that are ended. Whoever drops something waits for nothing, may be
//! outside of any runtime, and does not keep the connection.
//!
//! It goes onto the link at once where there is room, and by the session's task otherwise. Most of it is over with its link; a process
//! that was given up is not, and stays on the list until a server has answered that it has ended.

use std::convert::Infallible;

use lockgate_wire::process::TerminateParams;
use lockgate_wire::{Id, Method, ProcessId};
use serde::Serialize;

use super::{Calls, State, Waiting, Wire};
use crate::limits;

impl Calls {
    /// Calls a method without waiting for anything, its answer least of all, and only where there is a link.
    pub(crate) fn cast<P: Serialize + ?Sized>(&self, method: &str, params: &P) {
        {
            let mut state = self.state();
            if !state.open || state.behind.len() >= limits::BEHIND {
                return;
            }
            // Without a place, so the answer finds nobody.
            state.last_id += 1;
            let Ok(message) = lockgate_wire::request(&Id::Number(state.last_id), method, params)
            else {
                return;
            };
            state.behind.push_back(message);
        }
        self.send_behind();
    }

    /// Ends a process that nobody waits for any more: now, or when the connection is back. Until that is done its id stays taken.
    pub(crate) fn give_up(&self, process: &ProcessId) {
        {
            let mut state = self.state();
            if state.ended.is_some() {
                return;
            }
            state.routes.give_up(process);
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
        !self.behind.is_empty() || self.routes.has_given_up()
    }

    fn take_behind(&mut self) -> Option<String> {
        if !self.open {
            return None;
        }
        let Some(process_id) = self.routes.take_given_up() else {
            return self.behind.pop_front();
        };
        self.last_id += 1;
        let params = TerminateParams {
            process_id: process_id.clone(),
        };
        let method = Method::ProcessTerminate.name();
        let message = lockgate_wire::request(&Id::Number(self.last_id), method, &params).ok()?;
        let waiting = Waiting::End(process_id);
        self.waiting.insert(self.last_id, waiting);
        Some(message)
    }
}
