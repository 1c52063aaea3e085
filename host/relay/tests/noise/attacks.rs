//! What must not work.

use lockgate_relay::StreamId;
use lockgate_relay::limits;
use lockgate_relay::noise::{Identity, Initiator, NoiseError, Prologue, Responder};

use crate::{Greeting, connected, greeting, prologue};

#[test]
fn attack_33_a_handshake_of_another_conversation_fails() {
    let Greeting {
        executor,
        initiator,
        message_1,
    } = greeting("stream");
    let read = |identity: &Identity, prologue: &Prologue| {
        Responder::read(identity, prologue, &message_1).map(|_| ())
    };
    let stream = StreamId::new("stream").expect("a name");
    // Copied to another stream, registration or environment, or cut elsewhere; and to another executor.
    for prologue in [
        prologue("another"),
        Prologue::new("environment", "another", &stream),
        Prologue::new("another", "registration", &stream),
        Prologue::new("environmentr", "egistration", &stream),
    ] {
        assert_eq!(read(&executor, &prologue), Err(NoiseError::Handshake));
    }
    assert_eq!(
        read(&Identity::generate(), &prologue("stream")),
        Err(NoiseError::Handshake)
    );
    // The answer of another executor, to another message of the same harness.
    let other = greeting("stream");
    let responder = Responder::read(&other.executor, &prologue("stream"), &other.message_1);
    let (_, message_2) = responder.expect("a message").complete().expect("an answer");
    assert_eq!(
        initiator.finish(&message_2).map(|_| ()),
        Err(NoiseError::Handshake)
    );
}

#[test]
fn attack_33_a_handshake_message_that_was_changed_anywhere_fails() {
    let Greeting {
        executor,
        message_1,
        ..
    } = greeting("stream");
    for at in (0..message_1.len())
        .step_by(61)
        .chain([message_1.len() - 1])
    {
        let mut changed = message_1.to_vec();
        changed[at] ^= 1;
        let read = Responder::read(&executor, &prologue("stream"), &changed);
        assert!(read.is_err(), "changed at {at}");
    }
    for (name, bytes) in [
        ("empty", vec![]),
        ("cut", message_1[..message_1.len() - 1].to_vec()),
        ("cut in the keys", message_1[..2_000].to_vec()),
        ("longer", [&message_1[..], &[0]].concat()),
        ("too long", vec![0; limits::HANDSHAKE_BYTES]),
        ("longer than any of Noise", vec![0; 70_000]),
    ] {
        let read = Responder::read(&executor, &prologue("stream"), &bytes);
        assert!(read.is_err(), "{name}");
    }
    for bytes in [0, 1, 2_000, 2_352, 4_000, 70_000] {
        let Greeting { initiator, .. } = greeting("stream");
        assert!(initiator.finish(&vec![0; bytes]).is_err(), "{bytes}");
    }
}

#[test]
fn attack_33_an_authorization_that_is_none_is_refused() {
    let identity = Identity::generate();
    let long = "x".repeat(limits::AUTHORIZATION_BYTES + 1);
    for authorization in ["", &long] {
        let started = Initiator::start(&identity, identity.public(), &prologue("s"), authorization);
        let bytes = authorization.len();
        assert_eq!(
            started.map(|_| ()),
            Err(NoiseError::Authorization { bytes })
        );
    }
}

#[test]
fn attack_33_a_replayed_first_message_gives_its_sender_nothing_to_read() {
    let Greeting {
        executor,
        initiator,
        message_1,
    } = greeting("stream");
    let answer = || {
        Responder::read(&executor, &prologue("stream"), &message_1)
            .and_then(Responder::complete)
            .expect("an answer")
    };
    let (mut meant, message_2) = answer();
    let (mut replayed, other) = answer();
    assert_ne!(message_2, other);
    let mut harness = initiator.finish(&message_2).expect("the answer");
    let record = harness.seal(b"a call").expect("records").remove(0);
    // The keys of the second are others, so what was recorded of the first is no call there.
    assert_eq!(replayed.open(record.clone()), Err(NoiseError::Record));
    assert_eq!(meant.open(record.clone()), Ok(vec!["a call".into()]));
}

#[test]
fn attack_33_records_that_are_not_the_next_one_end_the_stream() {
    let message = [7; 100_000];
    let check = |name: &str, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let [mut harness, mut executor] = connected();
        let mut records: Vec<_> = (0..2)
            .flat_map(|_| harness.seal(&message).expect("records"))
            .map(|record| record.to_vec())
            .collect();
        change(&mut records);
        let failed = records
            .iter()
            .any(|record| executor.open(record.clone()).is_err());
        assert!(failed, "{name}");
        // And nothing after it is read, also not what would be right.
        assert_eq!(
            executor.open(records[0].clone()),
            Err(NoiseError::Failed),
            "{name}"
        );
        assert_eq!(executor.seal(b"{}"), Err(NoiseError::Failed), "{name}");
        assert_eq!(executor.held(), 0);
    };
    check("changed", &|records| records[1][100] ^= 0x80);
    check("the tag changed", &|records| {
        *records[1].last_mut().expect("a byte") ^= 1
    });
    check("cut", &|records| records[1].truncate(100));
    check("longer", &|records| records[1].push(0));
    check("doubled", &|records| records.insert(1, records[0].clone()));
    check("left out", &|records| drop(records.remove(1)));
    check("exchanged", &|records| records.swap(0, 1));
    check("too short", &|records| records[0].truncate(16));
    check("empty", &|records| records[0].clear());
    check("too long", &|records| {
        records[0].resize(limits::RECORD_BYTES + 1, 0)
    });
}

#[test]
fn attack_33_a_record_does_not_come_back_to_who_made_it() {
    let [mut harness, _] = connected();
    let record = harness.seal(b"{}").expect("records").remove(0);
    assert_eq!(harness.open(record.clone()), Err(NoiseError::Record));
}

#[test]
fn messages_that_no_frame_holds_are_refused_and_the_stream_goes_on() {
    let [mut harness, mut executor] = connected();
    for bytes in [0, limits::MESSAGE_BYTES + 1] {
        assert_eq!(
            harness.seal(&vec![0; bytes]),
            Err(NoiseError::Message { bytes })
        );
    }
    let record = harness.seal(b"{}").expect("records").remove(0);
    assert_eq!(executor.open(record.clone()), Ok(vec!["{}".into()]));
}
