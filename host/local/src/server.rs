//! The server as the connection holds it: it ends with that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Sink;
use lockgate_server::{Embedded, Requests};
use tokio::task::JoinHandle;

/// Takes a client's messages. Closed, it ends the server and waits for that, on a thread where it may block; dropped before, it ends it at once.
pub(crate) struct Server {
    requests: Requests,
    embedded: Arc<Embedded>,
    ending: Ending,
}

enum Ending {
    NotYet,
    Begun(JoinHandle<()>),
    Done,
}

impl Server {
    pub(crate) fn new(requests: Requests, embedded: Arc<Embedded>) -> Server {
        Server {
            requests,
            embedded,
            ending: Ending::NotYet,
        }
    }
}

impl Sink<String> for Server {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.requests).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: String) -> io::Result<()> {
        Pin::new(&mut self.requests).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.requests).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.requests).poll_close(cx))?;
        loop {
            self.ending = match &mut self.ending {
                Ending::NotYet => {
                    let embedded = Arc::clone(&self.embedded);
                    Ending::Begun(tokio::task::spawn_blocking(move || embedded.end()))
                }
                Ending::Begun(ending) => {
                    // Fails only where the runtime ends, which drops this, too.
                    let _ = ready!(Pin::new(ending).poll(cx));
                    Ending::Done
                }
                Ending::Done => return Poll::Ready(Ok(())),
            };
        }
    }
}
