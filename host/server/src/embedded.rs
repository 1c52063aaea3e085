//! A server inside of another program, which is its only client: no socket, no signals, no guardians.
//!
//! It is the same server, with the same sessions, gates and policies. What differs is what a program of its own could do and a part of another one may
//! not: it forks nothing but the processes it is asked for, installs no handlers of signals, and changes no limit of the process. So nothing ends
//! what it has started should the program be killed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::connection;
use crate::options::Options;
use crate::serve::ServeError;
use crate::service::Service;
use crate::transport::in_process::{self, Answers, Requests};

/// A server without a listener. Dropped, it ends, with its sessions and all their processes; that takes some hundred microseconds for each.
pub struct Embedded {
    service: Arc<Service>,
    has_ended: AtomicBool,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

impl Embedded {
    /// Starts it in the runtime that is entered. Where the options say it listens does not matter. `keeper` is the program that holds processes to the
    /// bounds of policies ([`lockgate_process::keeper`]); without one, and where this program has not offered itself, such processes are not started.
    pub async fn start(options: Options, keeper: Option<&Path>) -> Result<Embedded, ServeError> {
        let mut processes = lockgate_process::Engine::new();
        if let Some(keeper) = keeper {
            processes = processes
                .kept_by(keeper)
                .map_err(|error| ServeError::Setup(std::io::Error::other(error)))?;
        }
        options.ledger.start();
        let service = Service::new(options, processes);
        service
            .gate_as_asked_for()
            .await
            .map_err(ServeError::Gate)?;
        Ok(Embedded {
            service,
            has_ended: AtomicBool::new(false),
        })
    }

    /// A connection, served by a task of its own.
    pub fn connect(&self) -> (Requests, Answers) {
        let (requests, answers, transport) = in_process::connection();
        tokio::spawn(connection::serve(transport, Arc::clone(&self.service)));
        (requests, answers)
    }

    /// Ends all connections and sessions. Blocks for some hundred microseconds a process. Once more is fine.
    pub fn end(&self) {
        if !self.has_ended.swap(true, Ordering::AcqRel) {
            self.service.stop();
            self.service.sessions().end_all();
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.end();
    }
}
