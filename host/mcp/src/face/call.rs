//! One tool call on its way: what does the work, who is asked meanwhile, and what the client gets.
//!
//! The work is a task of its own, so that it goes on while somebody is asked, whichever way the client's protocol has for that. It ends with
//! the call: what it has begun and nobody will hear of is undone where that is possible (a process is killed).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_client::{Client, ProcessHandle};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientResult, ElicitRequest, ElicitRequestParams,
    ElicitResult, ErrorData, InputRequest, InputRequests, InputRequiredResult, InputResponses,
    JsonObject, ProtocolVersion, ServerRequest,
};
use rmcp::service::{PeerRequestOptions, RequestContext};
use rmcp::{Peer, RoleServer};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::answer::{self, Outcome, Refusal};
use super::asking;
use super::deed::Brought;
use super::limits;
use super::processes::Job;
use super::progress::Progress;
use super::questions::{Asker, Question, Said};
use super::session::{Place, Session};
use super::sight;
use super::tools::Tool;

/// What a tool has to do with: the session, and the call it works for.
pub(super) struct Call {
    pub(super) session: Arc<Session>,
    pub(super) progress: Progress,
    asker: Asker,
    /// The executor may have had a request that changes something.
    changes: AtomicBool,
}

impl Call {
    /// Where it works. What is asked about what it does there comes to this call.
    pub(super) async fn place(&self) -> Result<Place, Refusal> {
        let place = self.session.place().await?;
        let client = place.client.with_approver(self.asker.approver());
        Ok(Place { client, ..place })
    }

    /// A request that changes something is made next. Where there is no connection any more it is not sent.
    pub(super) fn begins_a_change(&self, client: &Client) {
        self.changes
            .fetch_or(!client.is_closed(), Ordering::Relaxed);
    }

    pub(super) fn changes(&self) -> bool {
        self.changes.load(Ordering::Relaxed)
    }

    /// The same as [`Call::place`] for one request, which changes something and brings that along: whoever is asked sees it.
    pub(super) fn bringing(&self, place: &Place, brought: Brought) -> Place {
        self.begins_a_change(&place.client);
        let approver = self.asker.with(brought).approver();
        Place {
            client: place.client.with_approver(approver),
            ..place.clone()
        }
    }

    /// A process, which another call may have started, for writing that to it. What is asked about it comes to this call.
    pub(super) fn writes(&self, text: &str, process: &Job) -> ProcessHandle {
        self.begins_a_change(process.handle.client());
        let brought = Brought::written(text, &process.command);
        process
            .handle
            .with_approver(self.asker.with(brought).approver())
    }
}

/// A call whose work goes on.
pub(super) struct Running {
    name: String,
    arguments: Option<JsonObject>,
    work: JoinHandle<Outcome>,
    questions: mpsc::Receiver<Question>,
    progress: Progress,
    /// What its client was asked, and has not answered yet.
    asked: Option<Question>,
    _permit: OwnedSemaphorePermit,
}

/// The one thing that an incomplete result asks for.
const APPROVAL: &str = "approval";

/// How a client can be asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By a request of ours, within the call.
    Elicitation,
    /// By an incomplete result; the client calls again.
    InputRequired,
    /// It has not said that it can be.
    None,
}

impl Running {
    /// Starts the work.
    pub(super) fn start(
        session: &Arc<Session>,
        tool: Tool,
        request: CallToolRequestParams,
    ) -> Result<Running, Refusal> {
        let Ok(permit) = Arc::clone(&session.seats).try_acquire_owned() else {
            return Err(Refusal::new(format!(
                "{} calls of this session are running already; wait for one of them",
                limits::CALLS
            )));
        };
        session.touch();
        let (asker, questions) = Asker::of_call();
        let progress = Progress::default();
        let call = Call {
            session: Arc::clone(session),
            progress: progress.clone(),
            asker,
            changes: AtomicBool::new(false),
        };
        let arguments = request.arguments.clone().unwrap_or_default();
        let work = tokio::spawn(async move { tool.call(&call, arguments).await });
        Ok(Running {
            name: request.name.into_owned(),
            arguments: request.arguments,
            work,
            questions,
            progress,
            asked: None,
            _permit: permit,
        })
    }

    /// Whether it was begun by the same request.
    pub(super) fn is_of(&self, request: &CallToolRequestParams) -> bool {
        self.name == request.name && self.arguments == request.arguments
    }

    /// Whether there is nothing to wait for any more.
    pub(super) fn is_done(&self) -> bool {
        self.work.is_finished()
    }

    /// Takes the answer to what was asked.
    pub(super) fn answered(&mut self, responses: Option<&InputResponses>) {
        let Some(question) = self.asked.take() else {
            return;
        };
        let answer = responses.and_then(|responses| responses.get(APPROVAL));
        let answer = answer.map(|answer| serde_json::from_value::<ElicitResult>(answer.clone()));
        question.answer(match answer {
            Some(Ok(answer)) => asking::said(&answer),
            Some(Err(_)) => {
                Said::Deny("the answer of the MCP client was not understood".to_owned())
            }
            None => Said::Deny("the MCP client brought no answer".to_owned()),
        });
    }

    /// Until it is done, or the client has to be asked, or nobody wants it any more.
    pub(super) async fn follow(
        mut self,
        session: &Session,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let way = Way::of(&context);
        self.progress
            .is_for(&context.peer, context.meta.get_progress_token());
        loop {
            let question = tokio::select! {
                biased;
                () = context.ct.cancelled() => return Err(cancelled()),
                outcome = &mut self.work => return Ok(done(outcome)),
                Some(question) = self.questions.recv() => question,
            };
            let seen = tokio::select! {
                biased;
                () = context.ct.cancelled() => return Err(cancelled()),
                seen = seen(way, session, &question) => seen,
            };
            match way {
                Way::Elicitation => {
                    let form = asking::form(&question, &seen);
                    if let Some(outcome) = elicit(&context, question, form, &mut self.work).await {
                        return Ok(done(outcome));
                    }
                }
                Way::InputRequired => match self.park(session, question, &seen) {
                    Ok(result) => return Ok(result.into()),
                    Err(again) => self = *again,
                },
                Way::None => question.answer(Said::Deny(
                    "the MCP client cannot ask a person: it has not announced elicitation; the operator can allow this by a policy, or use a \
                     client that asks"
                        .to_owned(),
                )),
            }
        }
    }

    fn park(
        mut self,
        session: &Session,
        question: Question,
        seen: &[String],
    ) -> Result<InputRequiredResult, Box<Running>> {
        let form = ElicitRequest::new(asking::form(&question, seen));
        self.asked = Some(question);
        match session.parked.put(self) {
            Ok(name) => {
                let requests =
                    InputRequests::from([(APPROVAL.to_owned(), InputRequest::Elicitation(form))]);
                Ok(InputRequiredResult::new(Some(requests), Some(name)))
            }
            Err(mut again) => {
                if let Some(question) = again.asked.take() {
                    let reason = "too many questions of this client wait for an answer already";
                    question.answer(Said::Deny(reason.to_owned()));
                }
                Err(again)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Way {
    fn of(context: &RequestContext<RoleServer>) -> Way {
        let capabilities = context.client_capabilities();
        let Some(elicitation) = capabilities.and_then(|all| all.elicitation) else {
            return Way::None;
        };
        // One that names no kind of it means forms: there was nothing else once.
        if elicitation.form.is_none() && elicitation.url.is_some() {
            return Way::None;
        }
        match context.protocol_version() {
            Some(version) if version.as_str() >= ProtocolVersion::V_2026_07_28.as_str() => {
                Way::InputRequired
            }
            _ => Way::Elicitation,
        }
    }
}

/// What is seen where it is to be done, for whoever is asked.
async fn seen(way: Way, session: &Session, question: &Question) -> Vec<String> {
    if way == Way::None {
        return Vec::new();
    }
    let looking = async {
        match session.connected().await {
            Some(place) => sight::lines(&place, &question.asked.action).await,
            None => Vec::new(),
        }
    };
    let seen = timeout(limits::SIGHT, looking).await;
    seen.unwrap_or_else(|_| vec![sight::not_in_time()])
}

/// Asks within the call. Whoever is asked is told when that is not needed any more, also because the call has come to its end without: then this is what
/// came of it.
async fn elicit(
    context: &RequestContext<RoleServer>,
    mut question: Question,
    form: ElicitRequestParams,
    work: &mut JoinHandle<Outcome>,
) -> Option<Result<Outcome, tokio::task::JoinError>> {
    let asking = send(&context.peer, ElicitRequest::new(form)).await;
    let mut handle = match asking {
        Ok(handle) => handle,
        Err(error) => {
            question.answer(Said::Deny(format!("the MCP client was not asked: {error}")));
            return None;
        }
    };
    let patience = question.patience();
    let (outcome, given_up) = tokio::select! {
        answer = &mut handle.rx => {
            question.answer(match answer {
                Ok(Ok(ClientResult::ElicitResult(answer))) => asking::said(&answer),
                Ok(Ok(_)) => Said::Deny("the answer of the MCP client was not understood".to_owned()),
                Ok(Err(error)) => Said::Deny(format!("the MCP client did not ask: {error}")),
                Err(_) => Said::Deny("the MCP client is gone".to_owned()),
            });
            return None;
        }
        outcome = work => (Some(outcome), "the call has ended without an answer"),
        () = question.withdrawn() => (None, "the question was withdrawn"),
        () = sleep(patience) => (None, "nobody answered in time"),
        () = context.ct.cancelled() => (None, "the call was cancelled"),
    };
    question.answer(Said::Deny(given_up.to_owned()));
    // Fails where the client is gone.
    let _ = handle.cancel(Some(given_up.to_owned())).await;
    outcome
}

async fn send(
    peer: &Peer<RoleServer>,
    form: ElicitRequest,
) -> Result<rmcp::service::RequestHandle<RoleServer>, rmcp::ServiceError> {
    let request = ServerRequest::ElicitRequest(form);
    peer.send_cancellable_request(request, PeerRequestOptions::no_options())
        .await
}

fn done(outcome: Result<Outcome, tokio::task::JoinError>) -> CallToolResponse {
    let outcome = outcome.unwrap_or_else(|error| {
        // Its text may quote what it was about.
        tracing::error!(
            panicked = error.is_panic(),
            "a tool did not come to its end"
        );
        Err(Refusal::new(
            "the tool failed within itself; this is a mistake of lockgate, not of the call",
        ))
    });
    answer::result(outcome).into()
}

/// Nobody reads it: the client has given up.
fn cancelled() -> ErrorData {
    ErrorData::internal_error("the call was cancelled", None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::parked::Parked;
    use std::time::Duration;
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn a_call_that_nobody_comes_back_for_ends_though_nothing_else_happens() {
        let places = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&places).try_acquire_owned();
        let (_questions, questions) = mpsc::channel(1);
        let running = Running {
            name: "run".to_owned(),
            arguments: None,
            work: tokio::spawn(std::future::pending()),
            questions,
            progress: Progress::default(),
            asked: None,
            _permit: permit.expect("the one place"),
        };
        let parked = Parked::default();
        let put = parked.put_for(running, Duration::from_millis(1));
        assert!(put.is_ok());
        // Its place is free again: the session counts as idle.
        let free = tokio::time::timeout(Duration::from_secs(60), places.acquire()).await;
        assert!(free.is_ok_and(|free| free.is_ok()));
    }
}
