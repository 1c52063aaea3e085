//! The policy gate as the server needs it.

use std::time::Duration;

use lockgate_policy_gate::{Action, ActionKind, Gate, Ruling, Subject};

/// Who decides. [`lockgate_policy_gate::Gate`] does; a test may have an opinion of its own.
pub trait Judge: Send + Sync + 'static {
    /// Whether anybody has something to say on this kind of action.
    fn wants(&self, kind: ActionKind) -> bool;

    /// Decides. May take as long as all policies' deadlines together, and fails closed.
    fn decide(&self, subject: &Subject, action: &Action) -> Ruling;

    /// [`Judge::decide`] on a thread that has other work to do: none where that takes longer than such work can wait. Then nothing has been decided,
    /// and the same is asked once more elsewhere.
    fn decide_at_once(&self, subject: &Subject, action: &Action) -> Option<Ruling>;

    /// What came of a ruling that said `ask`, for the decision log: whether it was agreed to, and by whom.
    fn answered(
        &self,
        subject: &Subject,
        action: &Action,
        ruling: &Ruling,
        approved: bool,
        by: &str,
    );

    /// Whether a decision on this kind of action is likely to take microseconds.
    fn is_quick(&self, kind: ActionKind) -> bool;

    /// Another number whenever others may decide than before: what somebody agreed to under them is decided once more.
    fn generation(&self) -> u64;

    /// How long somebody may take to agree.
    fn ask_time(&self) -> Duration;

    /// An answer has left, and nobody waits at the moment: what the next decision needs may be made ready. Must not block.
    fn prepare(&self) {}
}

impl Judge for Gate {
    fn wants(&self, kind: ActionKind) -> bool {
        self.wants(kind)
    }

    fn decide(&self, subject: &Subject, action: &Action) -> Ruling {
        self.decide(subject, action)
    }

    fn decide_at_once(&self, subject: &Subject, action: &Action) -> Option<Ruling> {
        self.decide_at_once(subject, action)
    }

    fn answered(
        &self,
        subject: &Subject,
        action: &Action,
        ruling: &Ruling,
        approved: bool,
        by: &str,
    ) {
        self.answered(subject, action, ruling, approved, by);
    }

    fn is_quick(&self, kind: ActionKind) -> bool {
        self.is_quick(kind)
    }

    fn generation(&self) -> u64 {
        self.generation()
    }

    fn ask_time(&self) -> Duration {
        self.ask_time()
    }

    fn prepare(&self) {
        self.prepare();
    }
}
