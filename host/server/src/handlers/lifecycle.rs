//! `initialize`.

use lockgate_wire::code;
use lockgate_wire::lifecycle::{InitializeParams, InitializeResult};

use crate::dispatch::{Answered, Caller, Request};
use crate::failure::Failure;
use crate::session::AttachError;

pub(crate) fn initialize(caller: &mut Caller, request: Request<'_>) -> Answered {
    if caller.session().is_some() {
        return Err(Failure::invalid_request(
            "initialize may only be sent once per connection",
        ));
    }
    let params: InitializeParams = request.params()?;
    let sessions = caller.service().sessions();
    let session = match &params.resume_session_id {
        None => sessions.create(caller.connection(), caller.outbox()),
        Some(id) => sessions
            .resume(id, caller.connection(), caller.outbox())
            .map_err(|error| match error {
                AttachError::Unknown => {
                    Failure::invalid_request(format!("unknown session id {id}"))
                }
                AttachError::AlreadyAttached => Failure {
                    code: code::ALREADY_ATTACHED,
                    message: format!("session {id} is already attached to another connection"),
                },
            })?,
    };
    let result = InitializeResult {
        session_id: session.id().to_owned(),
        environment_info: Some(caller.service().environment().clone()),
    };
    let ours = params.lockgate.unwrap_or_default();
    caller.initialized(session, &params.client_name, ours.approvals);
    request.reply(&result)
}
