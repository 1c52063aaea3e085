//! Sessions: what outlives a connection.
//!
//! A session owns its processes. At most one connection is attached to it; while none is, the
//! processes run on and their output is kept, and after [`limits::DETACHED_SESSION`] the session
//! ends and its processes with it. Nobody can take a session from a connection that still has it; but
//! one that is asked for must show that its peer is still there ([`crate::doubt`]).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lockgate_process::{Group, Position, Process};

use crate::limits;
use crate::outbox::{Feed, Outbox};
use crate::slot::Slot;

/// Why an attachment was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    /// No session has this id, or it has ended.
    Unknown,
    /// Another connection has it.
    AlreadyAttached,
}

/// Why a process id was not given out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReserveError {
    /// The id is in use, or its process is still retained.
    Exists,
    /// The session has [`limits::PROCESSES`] already.
    TooMany,
    /// The session has ended meanwhile.
    Ended,
}

/// All sessions of a server.
pub(crate) struct Sessions {
    /// A lookup takes no constant time, and need not: what is compared first is a hash under a random key of this process, so how long it takes tells nothing of
    /// how much of a guess was right; and an id has 122 random bits.
    by_id: Mutex<HashMap<String, Arc<Session>>>,
    next_key: AtomicU64,
    /// Told the key of a session that has ended.
    ended: Box<dyn Fn(u64) + Send + Sync>,
}

/// One session.
pub(crate) struct Session {
    id: String,
    /// What policies and their log call it. Made of nothing that opens the session.
    name: String,
    /// Number of the session in this server; names its file scopes and appears in logs, where the
    /// id, which whoever knows it can resume, must not.
    key: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    processes: HashMap<String, Arc<Slot>>,
    attachment: Option<Attachment>,
    /// What forgotten processes left running in the background; it ends with the session.
    leftovers: Vec<Arc<Group>>,
    /// Counts detachments, so that an old timer cannot end a session that was resumed since.
    detached: u64,
    ended: bool,
    /// The client takes output by `process/read`.
    client_reads: bool,
}

struct Attachment {
    connection: u64,
    outbox: Arc<Outbox>,
    feeds: HashMap<u64, Arc<Feed>>,
}

impl Sessions {
    /// No sessions yet. `ended` is told the key of each session that has ended.
    pub(crate) fn new(ended: impl Fn(u64) + Send + Sync + 'static) -> Arc<Sessions> {
        Arc::new(Sessions {
            by_id: Mutex::default(),
            next_key: AtomicU64::new(1),
            ended: Box::new(ended),
        })
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session, attached to this connection.
    pub(crate) fn create(&self, connection: u64, outbox: &Arc<Outbox>) -> Arc<Session> {
        let session = Arc::new(Session {
            id: uuid::Uuid::new_v4().to_string(),
            name: format!("{:016x}", uuid::Uuid::new_v4().as_u64_pair().0),
            key: self.next_key.fetch_add(1, Ordering::Relaxed),
            state: Mutex::default(),
        });
        session.state().attachment = Some(Attachment::new(connection, outbox));
        self.by_id()
            .insert(session.id.clone(), Arc::clone(&session));
        tracing::debug!(session = session.key, connection, "session created");
        session
    }

    /// Attaches a detached session to this connection.
    pub(crate) fn resume(
        &self,
        id: &str,
        connection: u64,
        outbox: &Arc<Outbox>,
    ) -> Result<Arc<Session>, AttachError> {
        let session = self.by_id().get(id).cloned().ok_or(AttachError::Unknown)?;
        let mut state = session.state();
        if state.ended {
            return Err(AttachError::Unknown);
        }
        if let Some(attachment) = &state.attachment {
            // Who asks tries again, and finds it free where nobody is there any more.
            attachment.outbox.doubt();
            return Err(AttachError::AlreadyAttached);
        }
        let mut attachment = Attachment::new(connection, outbox);
        for (process_id, slot) in &state.processes {
            if let Some(process) = slot.process() {
                attachment.feed(process_id, &process, Position::Now);
            }
        }
        state.attachment = Some(attachment);
        drop(state);
        tracing::debug!(session = session.key, connection, "session resumed");
        Ok(session)
    }

    /// The connection is gone. The session waits for another one, and ends if none comes.
    pub(crate) fn detach(self: &Arc<Sessions>, session: &Arc<Session>, connection: u64) {
        let generation = {
            let mut state = session.state();
            match &state.attachment {
                Some(attachment) if attachment.connection == connection => {}
                _ => return,
            }
            if let Some(attachment) = state.attachment.take() {
                attachment.end();
            }
            state.detached += 1;
            state.detached
        };
        tracing::debug!(session = session.key, connection, "session detached");
        let sessions = Arc::downgrade(self);
        let session = Arc::downgrade(session);
        tokio::spawn(async move {
            tokio::time::sleep(limits::DETACHED_SESSION).await;
            if let (Some(sessions), Some(session)) = (sessions.upgrade(), session.upgrade()) {
                // Ending looks through /proc for each process that still runs.
                let ended = move || sessions.expire(&session, generation);
                let _ = tokio::task::spawn_blocking(ended).await;
            }
        });
    }

    fn expire(&self, session: &Session, generation: u64) {
        {
            let mut state = session.state();
            if state.attachment.is_some() || state.detached != generation {
                return;
            }
            state.ended = true;
        }
        tracing::debug!(session = session.key, "session expired");
        self.by_id().remove(&session.id);
        session.end();
        (self.ended)(session.key);
    }

    /// Ends every session.
    pub(crate) fn end_all(&self) {
        let sessions = std::mem::take(&mut *self.by_id());
        for session in sessions.values() {
            session.end();
        }
    }
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// A name that opens nothing.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The slot of a process id.
    pub(crate) fn slot(&self, process_id: &str) -> Option<Arc<Slot>> {
        self.state().processes.get(process_id).cloned()
    }

    /// Takes a process id for a process that is about to start, by this word.
    pub(crate) fn reserve(&self, process_id: &str, argv0: &str) -> Result<Arc<Slot>, ReserveError> {
        let mut state = self.state();
        if state.ended {
            return Err(ReserveError::Ended);
        }
        if state.processes.contains_key(process_id) {
            return Err(ReserveError::Exists);
        }
        if state.processes.len() >= limits::PROCESSES {
            return Err(ReserveError::TooMany);
        }
        let slot = Arc::new(Slot::new(argv0));
        state.processes.insert(process_id.into(), Arc::clone(&slot));
        Ok(slot)
    }

    /// Gives a process id back, if it still belongs to this slot.
    pub(crate) fn release(&self, process_id: &str, slot: &Arc<Slot>) {
        let mut state = self.state();
        if state
            .processes
            .get(process_id)
            .is_some_and(|held| Arc::ptr_eq(held, slot))
        {
            state.processes.remove(process_id);
        }
        let Some(process) = slot.process() else {
            return;
        };
        let group = process.group();
        state.leftovers.retain(|group| group.is_alive());
        if group.is_alive() {
            state.leftovers.push(group);
        }
        if let Some(attachment) = &mut state.attachment
            && let Some(feed) = attachment.feeds.remove(&process.id())
        {
            // The log and its feed hold each other: this lets both go.
            feed.detach();
        }
    }

    /// The process of a slot has started: its events go to the attached connection from now on. False
    /// if the start was cancelled meanwhile; the process is killed then.
    pub(crate) fn started(
        self: &Arc<Session>,
        process_id: &str,
        slot: &Arc<Slot>,
        process: &Arc<Process>,
    ) -> bool {
        {
            let mut state = self.state();
            if state.ended || !slot.run(process) {
                drop(state);
                process.kill_tree();
                self.release(process_id, slot);
                return false;
            }
            if let Some(attachment) = &mut state.attachment {
                attachment.feed(process_id, process, Position::Oldest);
            }
            if state.client_reads {
                slot.reading.begin(process.log());
            }
            process.log().handed_over();
        }
        self.retire_when_closed(process_id, slot, process);
        true
    }

    /// A closed process stays readable for a while, then its id is free again.
    fn retire_when_closed(
        self: &Arc<Session>,
        process_id: &str,
        slot: &Arc<Slot>,
        process: &Arc<Process>,
    ) {
        let session: Weak<Session> = Arc::downgrade(self);
        let process_id = process_id.to_owned();
        let slot = Arc::clone(slot);
        let log = Arc::clone(process.log());
        tokio::spawn(async move {
            log.closed().await;
            drop(log);
            tokio::time::sleep(limits::CLOSED_PROCESS).await;
            if let Some(session) = session.upgrade() {
                session.release(&process_id, &slot);
            }
        });
    }

    /// The client reads this process, and is expected to read those that it starts from now on.
    pub(crate) fn client_reads(&self, slot: &Slot) {
        self.state().client_reads = true;
        if let Some(process) = slot.process() {
            slot.reading.begin(process.log());
        }
    }

    /// The session's processes, in no particular order.
    pub(crate) fn processes(&self) -> Vec<(String, Arc<Slot>)> {
        let state = self.state();
        state
            .processes
            .iter()
            .map(|(id, slot)| (id.clone(), Arc::clone(slot)))
            .collect()
    }

    /// Kills everything that the session started.
    fn end(&self) {
        let (processes, leftovers, attachment) = {
            let mut state = self.state();
            state.ended = true;
            (
                std::mem::take(&mut state.processes),
                std::mem::take(&mut state.leftovers),
                state.attachment.take(),
            )
        };
        if let Some(attachment) = attachment {
            attachment.end();
        }
        for slot in processes.values() {
            slot.cancel();
            if let Some(process) = slot.process() {
                process.kill_tree();
            }
        }
        for group in leftovers {
            group.kill();
        }
    }
}

impl Attachment {
    fn new(connection: u64, outbox: &Arc<Outbox>) -> Attachment {
        Attachment {
            connection,
            outbox: Arc::clone(outbox),
            feeds: HashMap::new(),
        }
    }

    fn feed(&mut self, process_id: &str, process: &Arc<Process>, from: Position) {
        let feed = Feed::attach(process_id, process, &self.outbox, from);
        self.feeds.insert(process.id(), feed);
    }

    fn end(self) {
        for feed in self.feeds.values() {
            feed.detach();
        }
    }
}
