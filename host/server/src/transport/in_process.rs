//! To a client in the same process: messages are handed over, and no socket and no byte of a frame lies between.
//!
//! Each way is bounded as a socket is, by bytes: who sends waits until the other has taken enough.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Inbound, Transport};
use crate::limits;
use crate::policy::Peer;

/// Where a client puts its messages. Dropped, it ends the connection.
#[derive(Debug)]
pub struct Requests(Arc<Way>);

/// What the server says to a client. Dropped, it ends the connection.
#[derive(Debug)]
pub struct Answers(Arc<Way>);

/// The server's end.
pub(crate) struct InProcess {
    requests: Arc<Way>,
    answers: Arc<Way>,
}

/// A connection: what the client has of it, and what the server has.
pub(crate) fn connection() -> (Requests, Answers, InProcess) {
    let (requests, answers) = (Arc::<Way>::default(), Arc::<Way>::default());
    let server = InProcess {
        requests: Arc::clone(&requests),
        answers: Arc::clone(&answers),
    };
    (Requests(requests), Answers(answers), server)
}

/// Messages in one direction.
#[derive(Debug, Default)]
struct Way(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<String>,
    bytes: usize,
    is_closed: bool,
    /// Who waits for a message, and who for room.
    taker: Option<Waker>,
    giver: Option<Waker>,
}

impl Way {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another message may come. One that is larger than the bound still fits where nothing else waits.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if waiting.bytes < limits::WRITE_BUFFER {
            return Poll::Ready(Ok(()));
        }
        waiting.giver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn give(&self, message: String) -> io::Result<()> {
        let taker = {
            let mut waiting = self.waiting();
            if waiting.is_closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            waiting.bytes += message.len();
            waiting.messages.push_back(message);
            waiting.taker.take()
        };
        wake(taker);
        Ok(())
    }

    /// What was given before the end is still taken.
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        let (message, giver) = {
            let mut waiting = self.waiting();
            let Some(message) = waiting.messages.pop_front() else {
                if waiting.is_closed {
                    return Poll::Ready(None);
                }
                waiting.taker = Some(cx.waker().clone());
                return Poll::Pending;
            };
            waiting.bytes -= message.len();
            let has_room = waiting.bytes < limits::WRITE_BUFFER;
            (message, waiting.giver.take_if(|_| has_room))
        };
        wake(giver);
        Poll::Ready(Some(message))
    }

    fn close(&self) {
        let (taker, giver) = {
            let mut waiting = self.waiting();
            waiting.is_closed = true;
            (waiting.taker.take(), waiting.giver.take())
        };
        wake(taker);
        wake(giver);
    }
}

/// Not under the lock: who is woken may run at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Sink<String> for Requests {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: String) -> io::Result<()> {
        self.0.give(message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Stream for Answers {
    type Item = String;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        self.0.poll_take(cx)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Transport for InProcess {
    const NAME: &'static str = "in-process";

    const PINGS: bool = false;
    const HALF_CLOSES: bool = true;

    fn peer(&self) -> Peer {
        // The words of policies are older than this way. It is as near to that one as can be: one client, which started its server.
        Peer::over(lockgate_policy_gate::Transport::Stdio)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Inbound>>> {
        self.requests.poll_take(cx).map(|message| {
            let message = message?;
            if message.len() > limits::MESSAGE_BYTES {
                let text = format!("a message of more than {} bytes", limits::MESSAGE_BYTES);
                return Some(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
            }
            Some(Ok(Inbound::Message(Utf8Bytes::from(message))))
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answers.poll_ready(cx)
    }

    fn start_send(&mut self, message: String) -> io::Result<()> {
        self.answers.give(message)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_ping(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn heard(&self) -> Option<u64> {
        None
    }

    fn has_hung_up(&self) -> bool {
        self.answers.waiting().is_closed
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answers.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.requests.close();
        self.answers.close();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::{FutureExt, SinkExt, StreamExt};

    use super::*;

    #[tokio::test]
    async fn messages_arrive_in_order_and_those_before_the_end_too() {
        let (mut requests, mut answers, mut server) = connection();
        for text in ["a", "b"] {
            requests.send(text.to_owned()).await.expect("room");
        }
        drop(requests);
        for text in ["a", "b"] {
            let taken = poll_fn(|cx| server.poll_next(cx)).await;
            let Some(Ok(Inbound::Message(taken))) = taken else {
                panic!("{taken:?}");
            };
            assert_eq!(taken.as_str(), text);
        }
        assert!(poll_fn(|cx| server.poll_next(cx)).await.is_none());
        server.start_send("c".to_owned()).expect("they are heard");
        drop(server);
        assert_eq!(answers.next().await.as_deref(), Some("c"));
        assert_eq!(answers.next().await, None);
    }

    #[tokio::test]
    async fn a_message_beyond_the_bound_of_the_wire_ends_the_connection() {
        let (mut requests, _answers, mut server) = connection();
        let most = "x".repeat(limits::MESSAGE_BYTES);
        let more = "x".repeat(limits::MESSAGE_BYTES + 1);
        for (message, is_taken) in [(most, true), (more, false)] {
            requests.feed(message).await.expect("room");
            let taken = poll_fn(|cx| server.poll_next(cx)).await;
            let taken = taken.expect("a message");
            assert_eq!(taken.is_ok(), is_taken);
        }
    }

    #[tokio::test]
    async fn who_sends_waits_for_who_takes_and_is_told_of_the_end() {
        let (requests, mut answers, mut server) = connection();
        let large = "x".repeat(3 * limits::WRITE_BUFFER);
        let ready = async |server: &mut InProcess| poll_fn(|cx| server.poll_ready(cx)).await;
        // One that is larger than all room there is goes where there is nothing else.
        ready(&mut server).await.expect("room");
        server.start_send(large).expect("taken");
        assert!(ready(&mut server).now_or_never().is_none(), "it is full");
        answers.next().await.expect("the message");
        ready(&mut server).await.expect("room again");
        assert!(!server.has_hung_up());
        drop((requests, answers));
        assert!(server.has_hung_up());
        ready(&mut server).await.expect_err("nobody is there");
        server.start_send(String::new()).expect_err("nobody");
    }
}
