//! The capability filesystem of a server: which profile needs the gate, and the scope that it gets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_engine::{Engine, EngineError};
use lockgate_grant::narrowing::GrantEntry;
use lockgate_grant::{AbsPath, Confinement, ProfileError, Sandbox};

use crate::admission::GuestError;
use crate::builder::ScopeBuilder;
use crate::facts::{self, Facts};
use crate::files::Files;
use crate::gate::Gate;
use crate::kernel::root::{PathBackEnd, Root};
use crate::options::{GuestSource, Options};
use crate::own::OwnError;
use crate::scope::Scope;
use crate::scopes::{Request, Scopes};
use crate::{ledger, report};

/// Why there is no capability filesystem.
#[derive(Debug, thiserror::Error)]
pub enum CapFsError {
    /// The engine cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The guest is none that can be run here.
    #[error("the file guest cannot be used: {0}")]
    Guest(#[from] GuestError),
    /// The back end that was asked for does not work here.
    #[error(
        "paths cannot be resolved by {back_end} on this system ({error}): leave the choice to it (`auto`)"
    )]
    BackEnd {
        /// The one that was asked for.
        back_end: PathBackEnd,
        /// What it said.
        error: std::io::Error,
    },
    /// `/` cannot be opened.
    #[error("the root directory cannot be opened: {0}")]
    Root(std::io::Error),
    /// The folder of compiled guests or that of the ledger cannot be kept from clients.
    #[error(transparent)]
    Own(#[from] OwnError),
}

/// Why a request's profile is refused: it cannot be enforced as it stands. The server answers -32600.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ConfineError(#[from] pub ProfileError);

/// One for each server.
pub struct CapFs {
    gate: Arc<Gate>,
    temporary_directory: Option<AbsPath>,
    stock: bool,
    scopes: Mutex<Scopes>,
}

impl CapFs {
    /// Loads the guest and takes hold of the root directory.
    pub fn new(options: Options) -> Result<CapFs, CapFsError> {
        let mut engine = lockgate_engine::Options {
            cache: options.cache,
            ..lockgate_engine::Options::default()
        };
        engine.instances = options.instances.unwrap_or(engine.instances);
        let engine = Engine::new(&engine)?;
        let root =
            Root::open(options.path_back_end).map_err(|errno| CapFsError::Root(errno.into()))?;
        root.check().map_err(|errno| CapFsError::BackEnd {
            back_end: root.back_end(),
            error: errno.into(),
        })?;
        let cache = engine.cache_directory().map(ToOwned::to_owned);
        options
            .own
            .always(cache.into_iter().chain(ledger::directory()))?;
        let gate = Gate::new(engine, &options.guest, root, options.own, options.times)?;
        Ok(CapFs {
            gate: Arc::new(gate),
            temporary_directory: std::env::var_os("TMPDIR")
                .and_then(|path| AbsPath::parse(path).ok()),
            stock: matches!(options.guest, GuestSource::Stock),
            scopes: Mutex::default(),
        })
    }

    /// The files that a request may use under `sandbox`: directly where the profile leaves nothing to enforce, else through the
    /// session's scope for this profile. Fast for a profile that the session has used before. Blocks for the look-ups of a new one.
    pub fn confine(&self, sandbox: &Arc<Sandbox>, session: u64) -> Result<Files, ConfineError> {
        self.confine_within(Some(sandbox), &[], session)
    }

    /// The same within each of these lists, which an operator's policies narrow the request to. No profile restricts nothing, and where
    /// no list does either, access is direct. Fast, too, for lists that come again.
    pub fn confine_within(
        &self,
        sandbox: Option<&Arc<Sandbox>>,
        within: &[Vec<GrantEntry>],
        session: u64,
    ) -> Result<Files, ConfineError> {
        let request = Request { sandbox, within };
        if request.is_unrestricted() {
            return Ok(Files::Direct);
        }
        if let Some(files) = self.known_within(request, session) {
            return Ok(files);
        }
        let files = self.open_within(sandbox.map(|sandbox| &**sandbox), within)?;
        let _evicted = self.scopes().keep(request, session, files.clone());
        Ok(files)
    }

    /// All files, but what is the embedder's own cannot be changed ([`Options::own`]): for a request that nothing else restricts. One scope for
    /// a session. May block.
    pub fn around_own(&self, session: u64) -> Files {
        // A request that says nothing is direct wherever else it comes from, so its place among the remembered ones is free for this.
        let request = Request {
            sandbox: None,
            within: &[],
        };
        if let Some(files) = self.scopes().find(request, session) {
            return files;
        }
        let (facts, generation) = self.facts();
        let files = match Confinement::around_own(&facts) {
            Confinement::Direct => Files::Direct,
            Confinement::Confined(confined) => {
                Files::Scoped(Scope::around_own(self.gate.clone(), confined, generation))
            }
        };
        let _evicted = self.scopes().keep(request, session, files.clone());
        files
    }

    /// A scope from plain grants: say what it grants, then [`open`](ScopeBuilder::open) it.
    pub fn scope(&self) -> ScopeBuilder<'_> {
        ScopeBuilder::new(self)
    }

    /// The files under a profile, in a scope of their own that nothing remembers: it is gone with its last clone.
    pub fn open(&self, sandbox: &Sandbox) -> Result<Files, ConfineError> {
        self.open_within(Some(sandbox), &[])
    }

    /// [`CapFs::open`] within lists as those of [`CapFs::confine_within`].
    pub fn open_within(
        &self,
        sandbox: Option<&Sandbox>,
        within: &[Vec<GrantEntry>],
    ) -> Result<Files, ConfineError> {
        let (facts, generation) = self.facts();
        let confinement = match sandbox {
            Some(sandbox) => Confinement::of(sandbox, &facts)?,
            None => Confinement::Direct,
        };
        Ok(match confinement.within(within, &facts)? {
            Confinement::Direct => Files::Direct,
            Confinement::Confined(confined) => {
                Files::Scoped(Scope::new(self.gate.clone(), confined, generation))
            }
        })
    }

    /// The facts, and the generation of the own places that are among them.
    fn facts(&self) -> (Facts<'_>, u64) {
        let (generation, own_directories) = self.gate.own().places();
        let facts = Facts {
            root: self.gate.root(),
            temporary_directory: self.temporary_directory.clone(),
            own_directories,
        };
        (facts, generation)
    }

    /// The files of a profile that the session has used before and that still means the same.
    pub fn known(&self, sandbox: &Arc<Sandbox>, session: u64) -> Option<Files> {
        let sandbox = Some(sandbox);
        self.known_within(
            Request {
                sandbox,
                within: &[],
            },
            session,
        )
    }

    fn known_within(&self, request: Request<'_>, session: u64) -> Option<Files> {
        let files = self.scopes().find(request, session)?;
        match &files {
            // Something has come to be where the profile said to skip what is missing.
            Files::Scoped(scope)
                if scope
                    .absent()
                    .iter()
                    .any(|path| facts::is_there(self.gate.root(), path)) =>
            {
                None
            }
            _ => Some(files),
        }
    }

    /// [`CapFs::confine`] if it can be told without asking a disk: for threads that must not block.
    pub fn at_hand(&self, sandbox: &Arc<Sandbox>, session: u64) -> Option<Files> {
        self.at_hand_within(Some(sandbox), &[], session)
    }

    /// [`CapFs::confine_within`] if it can be told without asking a disk.
    pub fn at_hand_within(
        &self,
        sandbox: Option<&Arc<Sandbox>>,
        within: &[Vec<GrantEntry>],
        session: u64,
    ) -> Option<Files> {
        let request = Request { sandbox, within };
        if request.is_unrestricted() {
            return Some(Files::Direct);
        }
        let files = self.scopes().find(request, session)?;
        let still_absent =
            |path: &AbsPath| facts::is_known_there(self.gate.root(), path) == Some(false);
        match &files {
            Files::Scoped(scope) if !scope.absent().iter().all(still_absent) => None,
            _ => Some(files),
        }
    }

    /// Forgets a session that has ended. Its requests that are still running are not disturbed.
    pub fn forget(&self, session: u64) {
        let _scopes = self.scopes().forget(session);
    }

    /// Drops instances that nobody used for this long. A server calls it from time to time.
    pub fn give_up_unused(&self, time: Duration) {
        self.gate.give_up_unused(time);
    }

    /// What is enforced here, and how; for `doctor`.
    pub fn report(&self) -> report::Report {
        report::Report {
            path_back_end: self.gate.root().back_end(),
            guest: self.gate.digest(),
            stock_guest: self.stock,
            guest_logs: self.gate.guest_logs(),
            engine: self.gate.engine().report().clone(),
            scopes: self.scopes().count(),
            warm_instances: self.gate.warm_instances(),
        }
    }

    fn scopes(&self) -> MutexGuard<'_, Scopes> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for CapFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapFs")
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}
