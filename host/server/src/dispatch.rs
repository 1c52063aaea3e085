//! From a message to a handler: the envelope, the handshake's gates, the method table.

use std::sync::Arc;

use lockgate_policy_gate::ActionKind;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::lifecycle::InitializedParams;
use lockgate_wire::{
    Id, Incoming, Method, Notification, Verbatim, code, decode_params, decode_params_expecting,
    error, notify, response,
};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::handlers::{
    capability_roots, environment, files, http, lifecycle, lockgate, output, processes,
};
use crate::handles::Handles;
use crate::http::{Exchanges, HopGuard};
use crate::lane::FileCalls;
use crate::missing::Missed;
use crate::outbox::Outbox;
use crate::pending::Pending;
use crate::policy::{Approvals, Guard, Peer};
use crate::profiles::Profiles;
use crate::service::Service;
use crate::session::Session;
use crate::watches::Watches;

/// What came of one message.
pub(crate) enum Turn {
    /// An answer, at once.
    Reply(String),
    /// The answer comes through the outbox.
    Later,
    /// A notification: no answer.
    Nothing,
    /// The client broke the protocol; the connection ends.
    Close(&'static str),
}

/// What came of one request.
pub(crate) enum Answer {
    Now(String),
    Later,
}

/// A handler's outcome: a failure is answered at once.
pub(crate) type Answered = Result<Answer, Failure>;

/// One request, its parameters not yet decoded.
pub(crate) struct Request<'a> {
    pub(crate) id: Id,
    params: Option<Verbatim<'a>>,
    /// Of the whole message.
    bytes: usize,
    /// The connection's last profile.
    profile: Option<Arc<str>>,
}

impl<'a> Request<'a> {
    pub(crate) fn params<T: Deserialize<'a>>(&self) -> Result<T, Failure> {
        decode_params_expecting(self.params, self.profile.as_deref())
            .map_err(Failure::invalid_params)
    }

    pub(crate) fn reply<T: Serialize>(&self, result: &T) -> Answered {
        Ok(Answer::Now(response(&self.id, result)))
    }
}

/// One connection as its handlers see it.
pub(crate) struct Caller {
    service: Arc<Service>,
    outbox: Arc<Outbox>,
    connection: u64,
    stage: Stage,
    files: FileCalls,
    handles: Arc<Handles>,
    watches: Arc<Watches>,
    missed: Missed,
    exchanges: Arc<Exchanges>,
    profiles: Profiles,
    guard: Guard,
    approvals: Arc<Approvals>,
}

/// How far the handshake has come.
enum Stage {
    New,
    /// `initialize` was answered, `initialized` has not come.
    Answered(Arc<Session>),
    Ready(Arc<Session>),
}

impl Caller {
    pub(crate) fn new(service: Arc<Service>, outbox: Arc<Outbox>, peer: &Peer) -> Caller {
        let approvals = Approvals::new(Arc::clone(&outbox));
        let threads = (service.workers(), service.patience());
        Caller {
            guard: Guard::new(service.judge(), peer, &approvals, threads),
            approvals,
            connection: service.next_connection(),
            files: FileCalls::new(service.workers().clone(), service.patience()),
            handles: Arc::new(Handles::new(
                service.workers().clone(),
                service.open_files(),
            )),
            watches: Arc::default(),
            missed: Missed::default(),
            exchanges: Exchanges::new(service.egress(), service.open_files()),
            profiles: Profiles::default(),
            stage: Stage::New,
            service,
            outbox,
        }
    }

    pub(crate) fn connection(&self) -> u64 {
        self.connection
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    pub(crate) fn files(&self) -> &FileCalls {
        &self.files
    }

    pub(crate) fn handles(&self) -> &Arc<Handles> {
        &self.handles
    }

    pub(crate) fn missed(&self) -> &Missed {
        &self.missed
    }

    pub(crate) fn exchanges(&self) -> &Arc<Exchanges> {
        &self.exchanges
    }

    /// Who is asked about each hop of an HTTP request, if anybody wants to be.
    pub(crate) fn hop_guard(&self) -> Option<Arc<dyn HopGuard>> {
        match self.guard.wants(ActionKind::Http) {
            true => Some(Arc::new(self.guard.clone())),
            false => None,
        }
    }

    pub(crate) fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

    pub(crate) fn profiles(&mut self) -> &mut Profiles {
        &mut self.profiles
    }

    /// The session, once `initialize` was answered.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        match &self.stage {
            Stage::New => None,
            Stage::Answered(session) | Stage::Ready(session) => Some(session),
        }
    }

    /// The way to the policies.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// `initialize` succeeded. A failed one leaves the stage as it was, so that a client may try again.
    pub(crate) fn initialized(&mut self, session: Arc<Session>, client: &str, approvals: bool) {
        self.guard = self.guard.of_client(client, session.name());
        self.approvals.announced(approvals);
        self.stage = Stage::Answered(session);
    }

    /// An answer that comes later.
    pub(crate) fn pending(&self, request: Request<'_>) -> Pending {
        Pending::new(request.id, request.bytes, Arc::clone(&self.outbox))
    }

    /// The connection is gone: its session waits for another one.
    pub(crate) fn disconnect(&mut self) {
        if let Some(session) = self.session() {
            self.service.sessions().detach(session, self.connection);
        }
        self.stage = Stage::New;
    }

    /// Handles one message. A connection that is full takes no request any more, only what answers questions.
    pub(crate) fn take(&mut self, text: &str, is_full: bool) -> Turn {
        let profile = self.profiles.last();
        match Incoming::parse_expecting(text, profile.as_deref()) {
            Ok(Incoming::Request(request)) if is_full => {
                let message = "too much of this connection waits for its turn behind a question that somebody has to answer: \
                               answer that, or send less at a time";
                Turn::Reply(error(Some(&request.id), code::INVALID_REQUEST, message))
            }
            Ok(Incoming::Request(request)) => {
                let Some(method) = Method::from_name(&request.method) else {
                    // The beginning of a name that a client made up.
                    let name: String = request.method.chars().take(80).collect();
                    let message = format!("lockgate does not implement `{}`", printable(&name));
                    return Turn::Reply(error(Some(&request.id), code::METHOD_NOT_FOUND, &message));
                };
                // The id is needed for the failure's answer only.
                let id = request.id.clone();
                match self.call(
                    method,
                    Request {
                        id: request.id,
                        params: request.params,
                        bytes: text.len(),
                        profile,
                    },
                ) {
                    Ok(Answer::Now(text)) => Turn::Reply(text),
                    Ok(Answer::Later) => Turn::Later,
                    Err(failure) => Turn::Reply(error(Some(&id), failure.code, &failure.message)),
                }
            }
            Ok(Incoming::Notification(notification)) => self.notified(&notification),
            Ok(Incoming::Response(reply)) => self.answered(&reply.id, Ok(reply.result.get())),
            Ok(Incoming::Error(reply)) => self.answered(&reply.id, Err(&reply.error.message)),
            Err(malformed) => self.malformed(malformed),
        }
    }

    /// Answers what is no JSON-RPC message; the connection goes on.
    pub(crate) fn malformed(&self, reason: impl std::fmt::Display) -> Turn {
        let message = format!("failed to parse JSON-RPC message: {reason}");
        Turn::Reply(error(None, code::INVALID_REQUEST, &message))
    }

    /// An answer to a question of ours.
    fn answered(&self, id: &Id, answer: Result<&str, &str>) -> Turn {
        match self.approvals.answered(id, answer) {
            true => Turn::Nothing,
            false => Turn::Close("the client answered a request that was never made"),
        }
    }

    fn notified(&mut self, notification: &Notification<'_>) -> Turn {
        if notification.method != notify::INITIALIZED {
            return Turn::Close("the client sent a notification that this protocol does not have");
        }
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New => Turn::Close("the client sent `initialized` before `initialize`"),
            Stage::Answered(session) | Stage::Ready(session) => {
                // Whatever else stands there was never looked at.
                let said: InitializedParams =
                    decode_params(notification.params).unwrap_or_default();
                if said.lockgate.is_some_and(|ours| ours.output_bytes) {
                    self.outbox.understands_bytes();
                }
                self.stage = Stage::Ready(session);
                Turn::Nothing
            }
        }
    }

    fn call(&mut self, method: Method, request: Request<'_>) -> Answered {
        if method == Method::Initialize {
            return lifecycle::initialize(self, request);
        }
        self.check_handshake(method)?;
        self.guard.is_for(&request.id);
        match method {
            Method::EnvironmentInfo => environment::info(self, request),
            Method::EnvironmentStatus => environment::status(self, request),
            Method::HttpRequest => http::request(self, request),
            Method::CapabilityRootsDiscoverV1 => capability_roots::discover(self, request),
            Method::ProcessStart => processes::start(self, request),
            Method::ProcessRead => output::read(self, request),
            Method::ProcessWrite => processes::write(self, request),
            Method::ProcessSignal => processes::signal(self, request),
            Method::ProcessTerminate => processes::terminate(self, request),
            Method::FsReadFile => files::read_file(self, request),
            Method::FsWriteFile => files::call::<files::WriteFile>(self, request),
            Method::FsCreateDirectory => files::call::<files::CreateDirectory>(self, request),
            Method::FsGetMetadata => files::call::<files::GetMetadata>(self, request),
            Method::FsCanonicalize => files::call::<files::Canonicalize>(self, request),
            Method::FsReadDirectory => files::call::<files::ReadDirectory>(self, request),
            Method::FsWalk => files::call::<files::Walk>(self, request),
            Method::FsRemove => files::call::<files::Remove>(self, request),
            Method::FsCopy => files::call::<files::Copy>(self, request),
            Method::FsOpen => files::open(self, request),
            Method::FsReadBlock => files::read_block(self, request),
            Method::FsWriteBlock => files::write_block(self, request),
            Method::FsClose => files::close(self, request),
            Method::LockgateProcessResize => lockgate::process::resize(self, request),
            Method::LockgateProcessCloseStdin => lockgate::process::close_stdin(self, request),
            Method::LockgateProcessSignal => lockgate::process::signal(self, request),
            Method::LockgateProcessList => lockgate::process::list(self, request),
            Method::LockgateProcessAcknowledge => lockgate::process::acknowledge(self, request),
            Method::LockgateHttpAcknowledge => http::acknowledge(self, request),
            Method::LockgateHttpCancel => http::cancel(self, request),
            Method::LockgateFsBatch => lockgate::batch::batch(self, request),
            Method::LockgateFsReadTree => lockgate::tree::read(self, request),
            Method::LockgateFsListTree => lockgate::tree::list(self, request),
            Method::LockgateFsWriteTree => lockgate::tree::write(self, request),
            Method::LockgateFsWriteTreeBlock => lockgate::tree::write_block(self, request),
            Method::LockgateFsFinishTree => lockgate::tree::finish(self, request),
            Method::FsWatchMissing => files::watch_missing(self, request),
            Method::LockgateFsWatch => lockgate::watch::watch(self, request),
            Method::LockgateFsUnwatch => lockgate::watch::unwatch(self, request),
            Method::LockgateFsRename => files::call::<lockgate::names::Rename>(self, request),
            Method::LockgateFsReadLink => files::call::<lockgate::names::ReadLink>(self, request),
            Method::LockgateFsSymlink => files::call::<lockgate::names::Symlink>(self, request),
            Method::LockgateFsSetMode => files::call::<lockgate::names::SetMode>(self, request),
            Method::LockgateFsSetTimes => files::call::<lockgate::names::SetTimes>(self, request),
            Method::LockgateFsReplaceFile => {
                files::call::<lockgate::writing::ReplaceFile>(self, request)
            }
            Method::LockgateFsAppendFile => {
                files::call::<lockgate::writing::AppendFile>(self, request)
            }
            // Known by name, not offered here: clients fall back on this code.
            Method::Initialize
            | Method::EnvironmentConfigRead
            | Method::CapabilitiesDiscoverV2
            | Method::FsGetMetadataBatch => Err(Failure {
                code: code::METHOD_NOT_FOUND,
                message: format!("lockgate does not implement `{}` yet", method.name()),
            }),
        }
    }

    fn check_handshake(&self, method: Method) -> Result<(), Failure> {
        let step = match self.stage {
            Stage::Ready(_) => return Ok(()),
            Stage::Answered(_) => "send initialized",
            Stage::New => "call initialize",
        };
        let name = method.name();
        let name = name.strip_prefix("lockgate/").unwrap_or(name);
        let family = match name.split('/').next() {
            Some("process") => "exec",
            Some("fs") => "filesystem",
            Some("http") => "http",
            _ => "environment",
        };
        let message = format!("client must {step} before using {family} methods");
        Err(Failure::invalid_request(message))
    }
}
