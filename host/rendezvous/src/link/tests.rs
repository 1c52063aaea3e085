use std::sync::Mutex;
use std::task::Waker;

use super::*;
use crate::hub::{Counted, Hub};
use crate::signed::{Pass, Side};

/// A websocket whose other end is a test.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    /// How often it was looked whether something has come.
    looks: usize,
    takes: bool,
    taken: Vec<Bytes>,
}

impl Scripted {
    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().expect("not poisoned")
    }
}

impl Stream for Scripted {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.lock().looks += 1;
        Poll::Pending
    }
}

impl Sink<Message> for Scripted {
    type Error = tungstenite::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.lock().takes {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Self::Error> {
        self.lock().taken.push(message.into_data());
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_ready(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

fn seat() -> Seat {
    let pass = Pass {
        side: Side::Executor,
        environment: "box".parse().expect("a name"),
        token: "token".to_owned(),
        registration: String::new(),
        encrypts: false,
        expires: 0,
    };
    let counted = Counted::Here {
        tenant: "t",
        most: 9,
    };
    Arc::new(Hub::default())
        .join(&pass, counted)
        .expect("a place")
}

fn frames(number: usize) -> Vec<Bytes> {
    let all = 0..number;
    all.map(|number| Bytes::from(number.to_string())).collect()
}

/// Everything that is there is done in one turn, and what a small call costs is mostly turns.
#[tokio::test]
async fn a_turn_that_wrote_all_there_was_is_over() {
    let (socket, seat) = (Scripted::default(), seat());
    socket.lock().takes = true;
    frames(3)
        .into_iter()
        .for_each(|frame| seat.outlet.push(frame));
    let mut serving = Box::pin(serve(socket.clone(), seat, Arc::default()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(serving.as_mut().poll(&mut cx).is_pending());
    assert_eq!(socket.lock().taken, frames(3));
    assert_eq!(socket.lock().looks, 1);
}

#[tokio::test]
async fn what_a_socket_does_not_take_waits_in_order_and_who_brings_it_waits_for_room() {
    let (socket, seat) = (Scripted::default(), seat());
    let outlet = Arc::clone(&seat.outlet);
    // More than are written in one go.
    let number = 3 * limits::FRAMES_A_TURN;
    let all = frames(number);
    all.iter().for_each(|frame| outlet.push(frame.clone()));
    let mut serving = Box::pin(serve(socket.clone(), seat, Arc::default()));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert!(serving.as_mut().poll(&mut cx).is_pending());
    }
    assert!(socket.lock().taken.is_empty());
    assert!(outlet.poll_room(1, &mut cx).is_pending());
    socket.lock().takes = true;
    assert!(serving.as_mut().poll(&mut cx).is_pending());
    assert_eq!(socket.lock().taken, all);
    assert!(outlet.poll_room(1, &mut cx).is_ready());
}
