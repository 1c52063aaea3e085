//! Methods of one request and one answer, whoever runs them.

use lockgate_capfs::Files;
use lockgate_wire::response;
use serde::{Deserialize, Serialize};

use super::gate::{Gate, Raw};
use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::lane::{Asked, Order, Work};
use crate::policy::{FileAction, Permit};

/// A request that was decoded. Past here only the files can say no.
pub(crate) trait OneShot: Sized + Send + 'static {
    /// The parameters as they come over the wire.
    type Params<'a>: Deserialize<'a>;
    /// What is answered.
    type Result: Serialize;
    /// Whether it may run beside others.
    const ORDER: Order;

    /// Takes the parameters apart: what is to be done, and the sandbox to do it in.
    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure>;

    /// What it is to a policy.
    fn action(&self) -> FileAction;

    /// Does it; may block.
    fn run(self, files: &Files) -> Result<Self::Result, Failure>;

    /// Does it if that is possible without blocking.
    fn try_run(&self, _files: &Files) -> Option<Result<Self::Result, Failure>> {
        None
    }
}

/// A request of its own: runs in its turn, or at once where everything is at hand.
pub(crate) fn call<T: OneShot>(caller: &mut Caller, request: Request<'_>) -> Answered {
    let (operation, sandbox) = T::decode(request.params()?)?;
    let gate = Gate::new(caller, sandbox)?;
    let mut question = gate.question(caller, || operation.action());
    if T::ORDER == Order::Shared
        && let Some(_place) = caller.files().try_shared()
    {
        question = question.at_once()?;
        if let Some(permit) = question.permit()
            && let Some(files) = gate.files_at_hand(permit)
            && let Some(outcome) = operation.try_run(&files)
        {
            return request.reply(&outcome.map_err(|failure| permit.explained(failure))?);
        }
    }
    let job = move |asked: &Asked, permit: Permit| {
        let result = gate.with_files(T::ORDER, &permit, |files| operation.run(files))?;
        Ok((response(asked.id(), &result), None))
    };
    let pending = caller.pending(request);
    let decide = move |_: &Asked| question.decide();
    caller
        .files()
        .guarded(T::ORDER, pending, decide, job, Work::deliver);
    Ok(Answer::Later)
}
