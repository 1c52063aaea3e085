//! Encryption over the streams, over networks that lose, double, reorder and cut: the records come in order and once, or the cipher would end.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use lockgate_relay::noise::{Identity, Initiator, Prologue, Responder, Secured};
use lockgate_relay::{Reason, Role, StreamId};

use crate::end::End;
use crate::network::{Faults, Network};
use crate::random::Random;
use crate::seeds::run_seeds;

const MS: Duration = Duration::from_millis(1);

/// One end's encryption of its streams, between the connection and who speaks.
#[derive(Default)]
struct Layer {
    secured: BTreeMap<StreamId, Secured>,
    /// Records that were opened so far.
    opened: BTreeMap<StreamId, usize>,
    /// Messages that wait for the handshake.
    to_send: BTreeMap<StreamId, Vec<Vec<u8>>>,
    got: BTreeMap<StreamId, Vec<Bytes>>,
}

impl Layer {
    /// What came since the last time, and what may be said now.
    fn work(&mut self, end: &mut End) {
        for (id, secured) in &mut self.secured {
            let records = end.received.get(id).map_or(&[][..], |records| records);
            let opened = self.opened.entry(id.clone()).or_default();
            for record in &records[*opened..] {
                let messages = secured.open(record.clone()).expect("the next record");
                self.got.entry(id.clone()).or_default().extend(messages);
            }
            *opened = records.len();
            for message in std::mem::take(self.to_send.entry(id.clone()).or_default()) {
                end.will_send(id, secured.seal(&message).expect("records"));
            }
        }
    }
}

fn prologue(id: &StreamId) -> Prologue {
    Prologue::new("environment", "registration", id)
}

/// Gives the story of the network.
fn run(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut network = Network::new([End::of(Role::Harness), End::of(Role::Executor)], seed);
    network.delay = random.below(40) as u32 * MS;
    network.faults = Faults {
        lost: random.below(15),
        doubled: random.below(20),
        late: random.below(50),
        jitter: 100 * MS,
    };
    let executor = Identity::generate();
    let mut initiators = BTreeMap::new();
    let mut layers = [Layer::default(), Layer::default()];
    for number in 0..1 + random.below(3) {
        let id = StreamId::new(&format!("stream-{number}")).expect("a name");
        let start = Initiator::start(
            &Identity::generate(),
            executor.public(),
            &prologue(&id),
            "yes",
        );
        let (initiator, message_1) = start.expect("a beginning");
        network.ends[0]
            .connection
            .open(&id, network.now)
            .expect("opened");
        network.ends[0].greet(&id, message_1);
        initiators.insert(id.clone(), initiator);
        for layer in &mut layers {
            let messages = (0..1 + random.below(8)).map(|_| random.message(150_000));
            layer.to_send.insert(id.clone(), messages.collect());
        }
    }
    let sent = [0, 1].map(|side: usize| layers[side].to_send.clone());
    let mut cuts = random.below(4);
    let deadline = network.now + Duration::from_secs(600);
    while (0..2).any(|side| !all_came(&layers[1 - side], &sent[side])) {
        assert!(network.now < deadline, "not all of it came");
        if cuts > 0 && random.percent(2) {
            let side = random.below(2) as usize;
            network.cut(side, true);
            network.run(random.below(1_000) as u32 * MS);
            network.mend(side, true);
            cuts -= 1;
        }
        network.run(20 * MS);
        let [harness, responding] = &mut network.ends;
        for (id, message_1) in &responding.handshakes {
            if !layers[1].secured.contains_key(id) {
                let read = Responder::read(&executor, &prologue(id), message_1);
                let (secured, message_2) = read.expect("a message").complete().expect("an answer");
                let answered = responding.connection.send_handshake(id, message_2);
                answered.expect("the first");
                layers[1].secured.insert(id.clone(), secured);
            }
        }
        for (id, message_2) in &harness.handshakes {
            if let Some(initiator) = initiators.remove(id) {
                let secured = initiator.finish(message_2).expect("the answer");
                layers[0].secured.insert(id.clone(), secured);
            }
        }
        for (layer, end) in layers.iter_mut().zip(&mut network.ends) {
            layer.work(end);
            assert!(end.closed.is_empty(), "{:?}", end.closed);
        }
    }
    for side in 0..2 {
        for (id, sent) in &sent[side] {
            assert!(layers[1 - side].got[id] == *sent, "{id} of end {side}");
        }
    }
    network.story()
}

fn all_came(layer: &Layer, sent: &BTreeMap<StreamId, Vec<Vec<u8>>>) -> bool {
    let came = |id| layer.got.get(id).map_or(0, Vec::len);
    sent.iter().all(|(id, sent)| came(id) >= sent.len())
}

#[test]
fn every_message_arrives_once_and_in_order_through_encryption_over_everything_at_once() {
    run_seeds(150, |seed| {
        run(seed);
    });
}

#[test]
fn an_encrypted_seed_runs_again_exactly_as_it_ran_before() {
    run_seeds(25, |seed| assert_eq!(run(seed), run(seed)));
    assert_ne!(run(0), run(1), "and others run otherwise");
}

#[test]
fn attack_33_who_does_not_know_the_keys_in_the_middle_reads_and_changes_nothing() {
    let mut network = Network::new([End::of(Role::Harness), End::of(Role::Executor)], 1);
    let id = StreamId::new("stream").expect("a name");
    // The rendezvous answers by itself, as if it were the executor.
    let (executor, rendezvous) = (Identity::generate(), Identity::generate());
    let start = Initiator::start(
        &Identity::generate(),
        executor.public(),
        &prologue(&id),
        "secret",
    );
    let (initiator, message_1) = start.expect("a beginning");
    assert!(!message_1.windows(6).any(|part| part == b"secret"));
    network.ends[0]
        .connection
        .open(&id, network.now)
        .expect("opened");
    network.ends[0].greet(&id, message_1);
    network.run(50 * MS);
    let message_1 = &network.ends[1].handshakes[&id];
    assert!(Responder::read(&rendezvous, &prologue(&id), message_1).is_err());
    let own = Initiator::start(&rendezvous, rendezvous.public(), &prologue(&id), "own");
    let (_, own) = own.expect("a beginning");
    let own = Responder::read(&rendezvous, &prologue(&id), &own).expect("its own");
    let (_, message_2) = own.complete().expect("an answer");
    let sent = network.ends[1].connection.send_handshake(&id, message_2);
    sent.expect("the first");
    network.run(50 * MS);
    let message_2 = &network.ends[0].handshakes[&id];
    assert!(initiator.finish(message_2).is_err());
    let reason = Reason::secure_relay_protocol_error();
    network.ends[0]
        .connection
        .reset(&id, reason.clone())
        .expect("open");
    network.run(50 * MS);
    let why = &network.ends[1].closed[&id];
    assert_eq!(*why, lockgate_relay::Ended::ByPeer(reason));
}
