//! Whoever sits at an MCP client: what they are asked, what they say, and what progress they see.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rmcp::model::{
    CancelledNotificationParam, ClientCapabilities, ClientConfig, ElicitRequestParams,
    ElicitResult, ElicitationAction, ErrorData, Implementation, ProgressNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, RoleClient};
use serde_json::json;
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Person(Arc<Inner>);

struct Inner {
    can_be_asked: bool,
    answers: Mutex<VecDeque<Says>>,
    /// What happens while a question is open, and which one.
    meanwhile: Mutex<Option<(usize, Happens)>>,
    asked: Mutex<Vec<String>>,
    progress: Mutex<Vec<ProgressNotificationParam>>,
    withdrawn: Mutex<usize>,
    changed: Notify,
}

type Happens = Box<dyn FnOnce() + Send>;

/// What somebody says to a question.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    Allow,
    Deny,
    Declines,
    Dismisses,
    /// Something that is no answer to the question.
    Nonsense,
    /// Nothing, ever.
    Nothing,
    /// Not the person but the client fails.
    Fails,
}

impl Person {
    pub(crate) fn nobody() -> Person {
        Person::new(false, [])
    }

    /// Gives these answers in this order, and then none.
    pub(crate) fn saying(answers: impl IntoIterator<Item = Says>) -> Person {
        Person::new(true, answers)
    }

    /// The same, and while the first question is open that happens.
    pub(crate) fn meanwhile(
        answers: impl IntoIterator<Item = Says>,
        happens: impl FnOnce() + Send + 'static,
    ) -> Person {
        Person::while_asked(1, answers, happens)
    }

    /// The same while that question is open: the first one is 1.
    pub(crate) fn while_asked(
        question: usize,
        answers: impl IntoIterator<Item = Says>,
        happens: impl FnOnce() + Send + 'static,
    ) -> Person {
        let person = Person::saying(answers);
        let meanwhile = (question, Box::new(happens) as Happens);
        *person.0.meanwhile.lock().expect("not poisoned") = Some(meanwhile);
        person
    }

    fn new(can_be_asked: bool, answers: impl IntoIterator<Item = Says>) -> Person {
        Person(Arc::new(Inner {
            can_be_asked,
            answers: Mutex::new(answers.into_iter().collect()),
            meanwhile: Mutex::default(),
            asked: Mutex::default(),
            progress: Mutex::default(),
            withdrawn: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The questions so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.lock().expect("not poisoned").clone()
    }

    /// Waits until that many questions were put.
    pub(crate) async fn is_asked(&self, times: usize) {
        self.until(|| self.asked().len() >= times).await;
    }

    /// Waits until a question was withdrawn.
    pub(crate) async fn is_told_that_it_is_withdrawn(&self) {
        self.until(|| *self.0.withdrawn.lock().expect("not poisoned") > 0)
            .await;
    }

    /// Waits until progress was told that many times.
    pub(crate) async fn sees_progress(&self, times: usize) -> Vec<ProgressNotificationParam> {
        let progress = || self.0.progress.lock().expect("not poisoned").clone();
        self.until(|| progress().len() >= times).await;
        progress()
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        crate::soon(async {
            while !holds() {
                self.0.changed.notified().await;
            }
        })
        .await;
    }
}

impl ClientHandler for Person {
    fn get_info(&self) -> ClientConfig {
        let capabilities = match self.0.can_be_asked {
            true => ClientCapabilities::builder().enable_elicitation().build(),
            false => ClientCapabilities::default(),
        };
        ClientConfig::new(capabilities, Implementation::new("a-test", "1"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            panic!("a form is asked for");
        };
        let question = {
            let mut asked = self.0.asked.lock().expect("not poisoned");
            asked.push(message);
            asked.len()
        };
        self.0.changed.notify_one();
        let happens = {
            let mut meanwhile = self.0.meanwhile.lock().expect("not poisoned");
            meanwhile.take_if(|(at, _)| *at == question)
        };
        if let Some((_, happens)) = happens {
            happens();
        }
        let says = self.0.answers.lock().expect("not poisoned").pop_front();
        let accept =
            |content| Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content));
        match says.unwrap_or(Says::Nothing) {
            Says::Allow => accept(json!({"decision": "allow"})),
            Says::Deny => accept(json!({"decision": "deny"})),
            Says::Declines => Ok(ElicitResult::new(ElicitationAction::Decline)),
            Says::Dismisses => Ok(ElicitResult::new(ElicitationAction::Cancel)),
            Says::Nonsense => accept(json!({"allow": true, "decision": ["allow"]})),
            Says::Nothing => std::future::pending().await,
            Says::Fails => Err(ErrorData::internal_error("nobody is here", None)),
        }
    }

    async fn on_cancelled(
        &self,
        _params: CancelledNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        *self.0.withdrawn.lock().expect("not poisoned") += 1;
        self.0.changed.notify_one();
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.0.progress.lock().expect("not poisoned").push(params);
        self.0.changed.notify_one();
    }
}
