//! What is done on a new link before anybody else may call: processes are asked for what the old one took along.
//!
//! A process whose output has a hole afterwards is ended and fails. [`Event::Lost`](crate::Event::Lost) is for readers that were too slow, and
//! who is told so can do something about it; a reader that kept up has no part in what was lost with a link, and what it makes of the output
//! (a file, an archive, a decision) must not have a hole that looks like its own doing. The reference ends such processes, too.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use lockgate_wire::process::{ReadParams, ReadResult, TerminateParams, TerminateResult};
use lockgate_wire::{Method, ProcessId};
use tokio::time::timeout;

use crate::calls::{Calls, Wire};
use crate::queue::{Queue, Recovered};
use crate::routes::Word;
use crate::{Awaited, ClientError, gap, limits};

/// An error is one of the link: what a server says of single processes ends those. A link on which nothing gets on for `within` is one, too, so
/// that a silent one does not take the time in which another could do better.
pub(crate) async fn recover(
    calls: &Calls,
    wire: &Wire,
    within: Duration,
) -> Result<(), ClientError> {
    let given_up = calls.routes().owed.all(Word::End);
    let ending = given_up.into_iter().map(|process| async move {
        terminate(calls, wire, &process).await?;
        calls.routes().claim(&process);
        Ok(())
    });
    each(Method::ProcessTerminate, within, stream::iter(ending)).await?;
    let followed = calls.routes().followed();
    let following = followed
        .into_iter()
        .map(|(process, queue)| async move { follow(calls, wire, &process, &queue).await });
    each(Method::ProcessRead, within, stream::iter(following)).await?;
    let left = calls.routes().left_to_themselves();
    let looking = left
        .into_iter()
        .map(|process| async move { look(calls, wire, &process).await });
    each(Method::ProcessRead, within, stream::iter(looking)).await
}

/// Whether one that nobody follows has closed meanwhile, which nobody was told.
async fn look(calls: &Calls, wire: &Wire, process: &ProcessId) -> Result<(), ClientError> {
    let params = ReadParams {
        process_id: process.clone(),
        // From the beginning, so that nothing counts as read, and as little as there can be.
        after_seq: None,
        max_bytes: Some(1),
        wait_ms: Some(0),
    };
    let read = wire.call(calls, Method::ProcessRead.name(), &params).await;
    let has_closed = match read {
        Ok(ReadResult { closed, .. }) => closed,
        // So long ago that the server has forgotten it. Of what else it says nothing follows.
        Err(ClientError::Server { message, .. }) => message.contains("unknown process"),
        Err(ClientError::Protocol(_)) => false,
        Err(error) => return Err(error),
    };
    if has_closed {
        calls.routes().is_over(process);
    }
    Ok(())
}

/// Some at once; of these one comes to its end in that time, again and again.
async fn each<F: Future<Output = Result<(), ClientError>>>(
    method: Method,
    within: Duration,
    all: impl Stream<Item = F>,
) -> Result<(), ClientError> {
    let mut ended = pin!(all.buffer_unordered(limits::RECOVER_AT_ONCE));
    loop {
        match timeout(within, ended.next()).await {
            Ok(Some(outcome)) => outcome?,
            Ok(None) => return Ok(()),
            Err(_) => {
                return Err(ClientError::Timeout {
                    of: Awaited::Handshake {
                        method: method.name().to_owned(),
                    },
                    after: within,
                });
            }
        }
    }
}

async fn follow(
    calls: &Calls,
    wire: &Wire,
    process: &ProcessId,
    queue: &Arc<Queue>,
) -> Result<(), ClientError> {
    while let Some(after) = queue.received() {
        // A process that waits for its readers takes what is asked after for acknowledged, and what has come is not what they have read: some may
        // have had no room, or a reader may begin only now. Acknowledgements that were lost are made up for.
        let read_by_all = calls.routes().read_by_all(process);
        let params = ReadParams {
            process_id: process.clone(),
            after_seq: Some(read_by_all.map_or(after, |all| all.min(after))),
            max_bytes: None,
            wait_ms: Some(0),
        };
        let read = wire.call(calls, Method::ProcessRead.name(), &params).await;
        let read: ReadResult = match read.and_then(gap::checked) {
            Ok(read) => read,
            Err(error @ (ClientError::Server { .. } | ClientError::Protocol(_))) => {
                // If it is still there: nobody follows it any more.
                terminate(calls, wire, process).await?;
                let text = format!("it could not be followed over a lost connection: {error}");
                abandon(calls, process, queue, text);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let missing = match queue.recover(after, read) {
            Recovered::Whole => return Ok(()),
            Recovered::More => continue,
            Recovered::Missing(missing) => missing,
        };
        terminate(calls, wire, process).await?;
        let text = match missing {
            0 => "it was terminated: after the connection was lost, what the server says of its events makes no sense".to_owned(),
            missing => format!(
                "it was terminated: {missing} of its events were lost with the connection, and the server no longer has them"
            ),
        };
        abandon(calls, process, queue, text);
    }
    Ok(())
}

fn abandon(calls: &Calls, process: &ProcessId, queue: &Arc<Queue>, reason: String) {
    tracing::debug!(reason, "a process is lost");
    {
        let mut routes = calls.routes();
        routes.unfollow(process, queue);
        routes.is_over(process);
    }
    queue.abandon(reason);
}

/// Whether it ran or not.
async fn terminate(calls: &Calls, wire: &Wire, process: &ProcessId) -> Result<(), ClientError> {
    let params = TerminateParams {
        process_id: process.clone(),
    };
    let method = Method::ProcessTerminate.name();
    match wire
        .call::<_, TerminateResult>(calls, method, &params)
        .await
    {
        Ok(_) | Err(ClientError::Server { .. } | ClientError::Protocol(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
