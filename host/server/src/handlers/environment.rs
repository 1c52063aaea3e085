//! `environment/info` and `environment/status`.

use lockgate_wire::NoParams;
use lockgate_wire::environment::{Status, StatusResult};

use crate::dispatch::{Answered, Caller, Request};

pub(crate) fn info(caller: &Caller, request: Request<'_>) -> Answered {
    let NoParams = request.params()?;
    request.reply(caller.service().environment())
}

pub(crate) fn status(_: &Caller, request: Request<'_>) -> Answered {
    let NoParams = request.params()?;
    request.reply(&StatusResult {
        status: Status::Ready,
    })
}
