//! Why something cannot be done, as a system says it.

use lockgate_client::ClientError;
use lockgate_wire::code;

/// Known here before an executor is asked for it.
#[derive(Clone, Copy)]
pub(super) enum No {
    Permitted,
    ReadOnly,
    There,
    Directory,
    File,
    Regular,
    Empty,
    Valid,
}

impl No {
    pub(super) fn error(self) -> ClientError {
        let (code, message) = match self {
            No::Permitted => (code::INVALID_REQUEST, "Permission denied (os error 13)"),
            No::ReadOnly => (code::INVALID_REQUEST, "Read-only file system (os error 30)"),
            No::There => (code::NOT_FOUND, "No such file or directory (os error 2)"),
            No::Directory => (code::INVALID_REQUEST, "Not a directory (os error 20)"),
            No::File => (code::INVALID_REQUEST, "Is a directory (os error 21)"),
            No::Regular => (
                code::INVALID_REQUEST,
                "not a regular file: only regular files can be read or written",
            ),
            No::Empty => (code::INVALID_REQUEST, "Directory not empty (os error 39)"),
            No::Valid => (code::INVALID_REQUEST, "Invalid argument (os error 22)"),
        };
        ClientError::Server {
            code,
            message: message.to_owned(),
        }
    }
}

/// Whether nobody's yes can change that: something in the way is no directory, links lead in a circle, a name is too long.
pub(super) fn is_impossible(error: &ClientError) -> bool {
    let ClientError::Server { message, .. } = error else {
        return false;
    };
    ["(os error 20)", "(os error 40)", "(os error 36)"]
        .iter()
        .any(|known| message.ends_with(known))
}
