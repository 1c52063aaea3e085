//! One MCP client's session: its connection to the executor, its processes, and its calls.
//!
//! The connection is opened by the first call: a client that only looks at what there is costs no executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lockgate_client::executor::Kind;
use lockgate_client::{Client, ClientError};
use lockgate_grant::{AbsPath, Sandbox, uri};
use lockgate_wire::WirePath;
use lockgate_wire::fs::CanonicalizeParams;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use super::access::{Access, Connect};
use super::answer::Refusal;
use super::granted::{Deed, Granted, is_absence};
use super::limits;
use super::parked::Parked;
use super::processes::Processes;
use super::questions;
use super::sight::{self, Seen};

/// What the calls of a session share.
pub(super) struct Session {
    pub(super) access: Arc<Access>,
    connect: Connect,
    place: Mutex<Option<Place>>,
    /// When a call last began, in milliseconds of its life; 0: none has.
    used: AtomicU64,
    began: Instant,
    pub(super) processes: Processes,
    pub(super) parked: Parked,
    pub(super) seats: Arc<Semaphore>,
}

/// Where a call works.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) client: Client,
    /// Where relative paths begin.
    pub(super) directory: AbsPath,
    /// What every request carries.
    pub(super) sandbox: Option<Sandbox>,
    /// That in words.
    pub(super) granted: Option<Arc<Granted>>,
}

impl Session {
    pub(super) fn new(access: Arc<Access>, connect: Connect) -> Session {
        Session {
            access,
            connect,
            place: Mutex::default(),
            used: AtomicU64::new(0),
            began: Instant::now(),
            processes: Processes::default(),
            parked: Parked::default(),
            seats: Arc::new(Semaphore::new(limits::CALLS)),
        }
    }

    /// Connects if there is no connection.
    pub(super) async fn place(&self) -> Result<Place, Refusal> {
        let mut place = self.place.lock().await;
        if let Some(place) = place.as_ref().filter(|place| !place.client.is_closed()) {
            return Ok(place.clone());
        }
        let client = (self.connect)(questions::of_no_call()).await;
        let client = client
            .map_err(|reason| Refusal::new(format!("the executor cannot be reached: {reason}")))?;
        let settled = match self.settled(client.clone()) {
            Ok(connected) => in_directory(connected).await,
            Err(reason) => Err(reason),
        };
        match settled {
            Ok(connected) => Ok(place.insert(connected).clone()),
            Err(reason) => {
                client.close().await;
                Err(Refusal::new(reason))
            }
        }
    }

    /// What that executor's directories make of what the operator gave.
    fn settled(&self, client: Client) -> Result<Place, String> {
        let environment = client.environment();
        let told = |path: &Option<WirePath>| path.as_ref().map(|told| told.path.clone());
        let of_executor = environment.and_then(|environment| told(&environment.cwd));
        let home = environment.and_then(|environment| told(&environment.user_home_dir));
        let directory = self.access.directory(of_executor.as_ref())?;
        let sandbox = self.access.sandbox(&directory, home.as_ref())?;
        let granted = sandbox
            .as_ref()
            .and_then(|sandbox| Granted::of(&self.access.files, &self.access.kept, sandbox));
        Ok(Place {
            granted: granted.map(Arc::new),
            sandbox,
            directory,
            client,
        })
    }

    /// Where calls work, if there is a connection: for what is looked at beside them.
    pub(super) async fn connected(&self) -> Option<Place> {
        let place = self.place.lock().await;
        place.clone().filter(|place| !place.client.is_closed())
    }

    /// A call begins.
    pub(super) fn touch(&self) {
        let now = self.began.elapsed().as_millis() as u64;
        self.used.store(now.max(1), Ordering::Relaxed);
    }

    /// Whether a call has ever begun: otherwise there is nothing to end.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed) > 0
    }

    /// Whether a call or a process of it goes on.
    pub(super) fn is_busy(&self) -> bool {
        self.runs_calls() || self.processes.are_running()
    }

    fn runs_calls(&self) -> bool {
        self.seats.available_permits() < limits::CALLS
    }

    /// Whether nothing was asked for as long as sessions are kept.
    pub(super) fn is_idle(&self) -> bool {
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        self.is_used()
            && !self.runs_calls()
            && self.began.elapsed().saturating_sub(used) >= limits::SESSION_IDLE
    }

    /// Ends its processes and its connection, in bounded time.
    pub(super) async fn end(&self) {
        self.parked.clear();
        if timeout(limits::END, self.processes.end()).await.is_err() {
            tracing::warn!(
                "the executor does not answer; its connection is closed with processes running"
            );
        }
        let closing = async {
            if let Some(place) = self.place.lock().await.take() {
                place.client.close().await;
            }
        };
        // What is left then ends with its connection.
        let _ = timeout(limits::END, closing).await;
    }
}

/// With its working directory there, as far as that is seen: where the executor is somewhere else, nobody could look before.
async fn in_directory(place: Place) -> Result<Place, String> {
    let directory = &place.directory;
    let what = match sight::look(&place, directory).await {
        Seen::Nothing => "there is no such directory",
        Seen::Something(there) if there.kind != Kind::Directory => "that is no directory",
        Seen::Something(_) | Seen::Unknown(_) => return Ok(place),
    };
    Err(format!(
        "the working directory is {directory}, and {what} where the executor is: the operator has to make it, or to say with --cwd which one is meant"
    ))
}

impl Place {
    /// Whether policies of the executor may have somebody asked, and what was said then can be held to: it makes what is not there without replacing anything.
    pub(super) fn asks(&self) -> bool {
        let ours = self.client.capabilities();
        let ours = ours.and_then(|all| all.lockgate.as_ref());
        ours.is_some_and(|ours| ours.approvals && ours.replace_only_new)
    }

    /// The same for looks that nobody is to be asked about.
    pub(super) fn unasked(&self) -> Place {
        let client = self.client.with_approver(questions::of_a_look());
        Place {
            client,
            ..self.clone()
        }
    }

    /// A path as an agent writes it: absolute, relative to the working directory, or a `file:` URI. What it leads to is the gate's business.
    pub(super) fn path(&self, text: &str) -> Result<AbsPath, Refusal> {
        let parsed = if uri::is_file_uri(text) {
            uri::parse_file_uri(text)
        } else if text.is_empty() {
            return Err(Refusal::new(
                "a path must not be empty; `.` is the working directory",
            ));
        } else {
            // An absolute one takes the other's place.
            AbsPath::parse(self.directory.as_path().join(text))
        };
        parsed.map_err(|error| Refusal::new(format!("`{text}`: {error}")))
    }

    /// What an error says of a path, by the name that the call gave it: in the profile's words where it is the profile that refuses.
    pub(super) fn refusing(
        &self,
        deed: Deed,
        path: &AbsPath,
        named: &str,
    ) -> impl Fn(ClientError) -> Refusal {
        move |error| {
            let granted = self.granted.as_ref();
            let explained = granted.and_then(|granted| granted.explain(deed, path, named, &error));
            explained.unwrap_or_else(|| Refusal::about(named)(error))
        }
    }

    /// The same of one that was to be read or written, and with a link told that leads nowhere: by their names alone an agent does not know those from what is not there.
    pub(super) async fn refused(
        &self,
        deed: Deed,
        path: &AbsPath,
        named: &str,
        error: ClientError,
    ) -> Refusal {
        match &self.granted {
            Some(granted)
                if is_absence(&error)
                    && granted.grants(deed, path)
                    && self.leads_nowhere(path).await =>
            {
                granted.leads_nowhere(named, &error)
            }
            _ => self.refusing(deed, path, named)(error),
        }
    }

    /// Whether what is not there is a link, or lies behind one, that leads nowhere: it is the first name below a directory that is there. It only serves to say more
    /// of what was asked for, so nobody is asked about it.
    pub(super) async fn leads_nowhere(&self, path: &AbsPath) -> bool {
        let place = self.unasked();
        let mut missing = path.clone();
        for _ in 0..limits::LOOKED_ABOVE {
            let Some((above, name)) = missing.parent().zip(missing.file_name()) else {
                return false;
            };
            let there = CanonicalizeParams {
                path: place.wire(&above),
                sandbox: place.sandbox.clone(),
            };
            match place.client.canonicalize(&there).await {
                Ok(there) => {
                    let Ok(missing) = there.path.path.join(name) else {
                        return false;
                    };
                    return sight::link(&place, &missing).await.is_some();
                }
                Err(error) if is_absence(&error) => missing = above,
                Err(_) => return false,
            }
        }
        false
    }

    /// The same of one place among many that were to be read.
    pub(super) fn reason(&self, path: &AbsPath, message: String) -> String {
        match &self.granted {
            Some(granted) => granted.reason(path, message),
            None => message,
        }
    }

    /// Whether the profile does not let that be done, as far as names show it.
    pub(super) fn denies(&self, deed: Deed, path: &AbsPath) -> bool {
        let granted = self.granted.as_ref();
        granted.is_some_and(|granted| !granted.grants(deed, path))
    }

    /// As this executor reads it.
    pub(super) fn wire(&self, path: &AbsPath) -> WirePath {
        self.client.path(path.clone())
    }

    /// For an agent: below the working directory as it would write it.
    pub(super) fn shown(&self, path: &AbsPath) -> String {
        let path = path.as_path();
        match path.strip_prefix(self.directory.as_path()) {
            Ok(below) if below.as_os_str().is_empty() => ".".to_owned(),
            Ok(below) => below.to_string_lossy().into_owned(),
            Err(_) => path.to_string_lossy().into_owned(),
        }
    }
}
