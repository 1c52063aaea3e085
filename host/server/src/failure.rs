//! Why a request was refused, as the client sees it. Every error of the crates below is mapped to a
//! code of the protocol here and nowhere else.

use lockgate_capfs::workers::NotDone;
use lockgate_capfs::{ConfineError, ErrorKind, FsError};
use lockgate_process::SpawnError;
use lockgate_wire::code;

/// A JSON-RPC error: code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn invalid_request(message: impl Into<String>) -> Failure {
        Failure {
            code: code::INVALID_REQUEST,
            message: message.into(),
        }
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> Failure {
        Failure {
            code: code::INVALID_PARAMS,
            message: message.into(),
        }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Failure {
        Failure {
            code: code::INTERNAL,
            message: message.into(),
        }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Failure {
        Failure {
            code: code::NOT_FOUND,
            message: message.into(),
        }
    }
}

impl From<FsError> for Failure {
    fn from(error: FsError) -> Failure {
        let message = error.to_string();
        match error.kind() {
            ErrorKind::NotFound => Failure::not_found(message),
            ErrorKind::PermissionDenied | ErrorKind::InvalidInput => {
                Failure::invalid_request(message)
            }
            ErrorKind::Other => Failure::internal(message),
        }
    }
}

/// A file call that hangs, or that could not begin.
impl From<NotDone> for Failure {
    fn from(not_done: NotDone) -> Failure {
        Failure::internal(not_done.to_string())
    }
}

/// A sandbox that cannot be made: the request is refused, never run without it.
impl From<ConfineError> for Failure {
    fn from(error: ConfineError) -> Failure {
        Failure::invalid_request(format!("failed to prepare fs sandbox: {error}"))
    }
}

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Failure {
        let message = error.to_string();
        if error.is_bad_request() {
            Failure::invalid_params(message)
        } else {
            Failure::internal(message)
        }
    }
}
