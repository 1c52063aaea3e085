use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::Waker;

use lockgate_relay::{Acks, Body, Frame, Segment, StreamId};

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
    /// What comes, and then nothing more does where the other end has closed it.
    comes: VecDeque<Bytes>,
    closed: bool,
}

impl Scripted {
    fn lock(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().expect("not poisoned")
    }
}

impl Stream for Scripted {
    type Item = Result<Message, tungstenite::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut script = self.lock();
        script.looks += 1;
        match script.comes.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(Message::Binary(frame)))),
            None if script.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Sink<Message> for Scripted {
    type Error = tungstenite::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let script = self.lock();
        match script.takes {
            // As a pipe from another node: nothing more is to be read there.
            _ if script.closed && script.comes.is_empty() => {
                Poll::Ready(Err(tungstenite::Error::ConnectionClosed))
            }
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
    join(&Arc::default(), Side::Executor)
}

fn join(hub: &Arc<Hub>, side: Side) -> Seat {
    let pass = Pass {
        side,
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
    hub.join(&pass, counted).expect("a place")
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

#[tokio::test]
async fn what_a_harness_sent_before_it_closed_waits_for_room_at_the_executor_all_the_same() {
    let hub = Arc::default();
    let (executor, harness) = (join(&hub, Side::Executor), join(&hub, Side::Harness));
    executor
        .outlet
        .push(Bytes::from(vec![0; limits::EXECUTOR_QUEUE]));
    let segment = Segment::new(0, 0, 1, Bytes::from_static(b"the last")).expect("a segment");
    let stream = StreamId::new("s").expect("a name");
    let (acks, body) = (Acks::PLAIN, Body::Data(segment));
    let frame = Frame { stream, acks, body }.encode();
    let socket = Scripted::default();
    socket.lock().comes.push_back(frame.clone());
    socket.lock().closed = true;
    let mut serving = Box::pin(serve(socket, harness, Arc::default()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(serving.as_mut().poll(&mut cx).is_pending());
    let take = |cx: &mut Context<'_>| match executor.outlet.poll_take(cx) {
        Poll::Ready(Ok(parcel)) => Some(parcel.frame),
        _ => None,
    };
    take(&mut cx).expect("what was there");
    assert!(serving.as_mut().poll(&mut cx).is_ready());
    assert_eq!(take(&mut cx), Some(frame));
}
