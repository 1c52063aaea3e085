//! Where the files of a request come from: its `sandbox`, what policies leave of that, and what the session may do under both.

use std::sync::Arc;

use lockgate_capfs::Files;
use lockgate_grant::Sandbox;
use lockgate_grant::profile::Permissions;
use lockgate_policy_gate::ActionKind;
use lockgate_wire::Verbatim;

use crate::dispatch::Caller;
use crate::failure::Failure;
use crate::handlers::processes::session;
use crate::lane::Order;
use crate::policy::{FileAction, Permit, Question};
use crate::service::Service;

/// A request's `sandbox`, not yet decoded.
pub(crate) type Raw<'a> = Verbatim<'a>;

/// The gate that a request goes through, still to be made where that may block.
pub(crate) struct Gate {
    service: Arc<Service>,
    sandbox: Option<Arc<Sandbox>>,
    session: u64,
}

impl Gate {
    pub(crate) fn new(caller: &mut Caller, sandbox: Option<Raw<'_>>) -> Result<Gate, Failure> {
        Ok(Gate {
            sandbox: caller.profiles().decode(sandbox)?,
            service: Arc::clone(caller.service()),
            session: session(caller)?.key(),
        })
    }

    /// The question whether this may be done, for whoever wants to be asked.
    pub(crate) fn question(
        &self,
        caller: &Caller,
        action: impl FnOnce() -> FileAction,
    ) -> Question {
        self.questions(caller, || vec![action()])
    }

    /// The same for several that are done together.
    pub(crate) fn questions(
        &self,
        caller: &Caller,
        actions: impl FnOnce() -> Vec<FileAction>,
    ) -> Question {
        let mut untellable = None;
        let question = caller.guard().question(ActionKind::File, || {
            let held_to = self.is_held_to_a_profile();
            let actions = actions();
            untellable = actions.iter().find_map(FileAction::untellable);
            let actions = actions.into_iter();
            actions.map(|action| action.into_action(held_to)).collect()
        });
        match untellable {
            None => question,
            Some(why) => question.untellable(Failure::invalid_request(why)),
        }
    }

    /// The request's profile restricts something, or may.
    pub(crate) fn is_held_to_a_profile(&self) -> bool {
        self.sandbox
            .as_ref()
            .is_some_and(|sandbox| matches!(sandbox.permissions, Permissions::Managed { .. }))
    }

    /// The files that the request's profile and its permit leave to an operation of this order: one that looks, or one that may change something.
    pub(crate) fn files(&self, order: Order, permit: &Permit) -> Result<Files, Failure> {
        let files = self.files_to_look_at(permit)?;
        match (order, files) {
            (Order::Alone, Files::Direct) => self.service.around_own(self.session),
            (_, files) => Ok(files),
        }
    }

    /// The same for what never changes anything, whatever its order is.
    pub(crate) fn files_to_look_at(&self, permit: &Permit) -> Result<Files, Failure> {
        match (&self.sandbox, &permit.grants[..]) {
            (None, []) => Ok(Files::Direct),
            (sandbox, grants) => self.service.confine(sandbox.as_ref(), grants, self.session),
        }
    }

    /// Does something with [`Gate::files`]; a refusal says what it may come from.
    pub(crate) fn with_files<T>(
        &self,
        order: Order,
        permit: &Permit,
        operation: impl FnOnce(&Files) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let files = self
            .files(order, permit)
            .map_err(|failure| permit.explained(failure))?;
        operation(&files).map_err(|failure| permit.explained_under(&files, failure))
    }

    /// The files for what only looks, where they are at hand without blocking.
    pub(crate) fn files_at_hand(&self, permit: &Permit) -> Option<Files> {
        match (&self.sandbox, &permit.grants[..]) {
            (None, []) => Some(Files::Direct),
            (sandbox, grants) => self.service.at_hand(sandbox.as_ref(), grants, self.session),
        }
    }
}
