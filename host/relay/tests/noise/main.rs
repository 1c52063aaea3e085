//! Encryption from outside: two identities, the messages and records between them, and what becomes of those that were changed on the way.

mod attacks;
mod keys;
mod talk;

use bytes::Bytes;
use lockgate_relay::StreamId;
use lockgate_relay::noise::{Identity, Initiator, Prologue, Responder, Secured};

/// What is not about the stream is the same in every test.
fn prologue(stream: &str) -> Prologue {
    let stream = StreamId::new(stream).expect("a name");
    Prologue::new("environment", "registration", &stream)
}

/// A harness that has sent its first message to an executor.
struct Greeting {
    executor: Identity,
    initiator: Initiator,
    message_1: Bytes,
}

fn greeting(stream: &str) -> Greeting {
    let (harness, executor) = (Identity::generate(), Identity::generate());
    let (initiator, message_1) = Initiator::start(
        &harness,
        executor.public(),
        &prologue(stream),
        "authorization",
    )
    .expect("a beginning");
    Greeting {
        executor,
        initiator,
        message_1,
    }
}

/// Harness and executor after the handshake.
fn connected() -> [Secured; 2] {
    let greeting = greeting("stream");
    let responder = Responder::read(&greeting.executor, &prologue("stream"), &greeting.message_1)
        .expect("the first message");
    let (executor, message_2) = responder.complete().expect("an answer");
    let harness = greeting.initiator.finish(&message_2).expect("the answer");
    [harness, executor]
}

/// Sends a message from one to the other, record by record.
fn carry(from: &mut Secured, to: &mut Secured, message: &[u8]) -> Vec<Bytes> {
    let records = from.seal(message).expect("records");
    records
        .iter()
        .flat_map(|record| to.open(record.clone()).expect("a record"))
        .collect()
}
