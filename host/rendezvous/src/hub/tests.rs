use bytes::Bytes;
use lockgate_relay::{Acks, Address, Body, Frame, StreamId};

use super::*;
use lockgate_relay::noise::Identity;

fn here(tenant: &str, most: usize) -> Counted<'_> {
    Counted::Here { tenant, most }
}

fn pass(side: Side, registration: &str, encrypts: bool) -> Pass {
    Pass {
        side,
        environment: "box".parse().expect("a name"),
        token: "token".to_owned(),
        registration: registration.to_owned(),
        encrypts,
        expires: 0,
    }
}

fn address(name: &str, begins: bool) -> Address {
    Address {
        stream: StreamId::new(name).expect("a name"),
        acks: Acks { ack: 1, bits: 0 },
        begins,
        is_reset: false,
    }
}

#[test]
fn attack_33_a_registration_that_is_not_known_is_not_taken_for_one_without_keys() {
    let hub = Arc::new(Hub::default());
    let keys = Identity::generate().public().clone();
    let registered = Registered {
        id: "one".to_owned(),
        keys,
    };
    let box_id = "box".parse().expect("a name");
    hub.register(&box_id, registered);
    let executor = hub
        .join(&pass(Side::Executor, "one", true), here("t", 9))
        .expect("a place");
    assert!(matches!(hub.who(&box_id), There::Encrypted(_)));
    // The same URL again, and one of a process that is gone: the executor that is there stays.
    for registration in ["one", "two"] {
        let again = hub.join(&pass(Side::Executor, registration, true), here("t", 9));
        assert_eq!(again.err(), Some(NoPlace::NotRegistered));
        assert!(matches!(hub.who(&box_id), There::Encrypted(_)));
    }
    drop(executor);
    assert!(matches!(hub.who(&box_id), There::Nobody));
    assert_eq!(hub.connected(), 0);
}

#[test]
fn attack_33_one_harness_does_not_fill_the_table_of_streams() {
    let hub = Arc::new(Hub::default());
    let _executor = hub
        .join(&pass(Side::Executor, "", false), here("t", 9))
        .expect("a place");
    let hog = hub
        .join(&pass(Side::Harness, "", false), here("t", 9))
        .expect("a place");
    let other = hub
        .join(&pass(Side::Harness, "", false), here("t", 9))
        .expect("a place");
    for number in 0..10_000 {
        assert!(matches!(
            hog.route(&address(&format!("h{number}"), false)),
            Way::Nowhere
        ));
    }
    let taken = (0..10_000)
        .filter(|number| {
            matches!(
                hog.route(&address(&format!("s{number}"), true)),
                Way::Wait(..)
            )
        })
        .count();
    assert_eq!(taken, limits::LINK_STREAMS);
    assert!(matches!(other.route(&address("mine", true)), Way::Wait(..)));
}

/// What waits for a link.
fn told(seat: &Seat) -> Vec<Body> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::iter::from_fn(|| match seat.outlet.poll_take(&mut cx) {
        std::task::Poll::Ready(Ok(parcel)) => {
            Some(Frame::decode(parcel.frame).expect("a frame").body)
        }
        _ => None,
    })
    .collect()
}

#[test]
fn harnesses_of_an_executor_that_comes_again_are_asked_and_those_of_a_plain_one_told() {
    for acks in [Acks { ack: 3, bits: 0 }, Acks::PLAIN] {
        let hub = Arc::new(Hub::default());
        let join = |side| {
            hub.join(&pass(side, "", false), here("t", 9))
                .expect("a place")
        };
        let executor = join(Side::Executor);
        let harness = join(Side::Harness);
        assert!(matches!(harness.route(&address("s", true)), Way::Wait(..)));
        let answer = Address {
            acks,
            ..address("s", true)
        };
        assert!(matches!(executor.route(&answer), Way::Drop(..)));
        drop(executor);
        match acks {
            Acks::PLAIN => assert!(matches!(told(&harness)[..], [Body::Reset(_)])),
            _ => assert!(told(&harness).is_empty()),
        }
        let _again = join(Side::Executor);
        match acks {
            Acks::PLAIN => assert!(told(&harness).is_empty()),
            _ => assert_eq!(told(&harness), [Body::Heartbeat]),
        }
    }
}

#[test]
fn harnesses_of_an_executor_with_other_keys_are_told_that_it_was_started_again() {
    let hub = Arc::new(Hub::default());
    let [mine, others] = [(); 2].map(|()| Identity::generate().public().clone());
    let executor = |id: &str, keys: &PublicKeys| {
        let keys = keys.clone();
        let registered = Registered {
            id: id.to_owned(),
            keys,
        };
        hub.register(&"box".parse().expect("a name"), registered);
        hub.join(&pass(Side::Executor, id, true), Counted::Elsewhere)
            .expect("a place")
    };
    let first = executor("one", &mine);
    let harness = hub
        .join(&pass(Side::Harness, "", false), Counted::Elsewhere)
        .expect("a place");
    assert!(matches!(harness.route(&address("s", true)), Way::Wait(..)));
    assert!(matches!(first.route(&address("s", true)), Way::Drop(..)));
    // The same one, over another connection.
    let second = executor("two", &mine);
    assert_eq!(told(&harness), [Body::Heartbeat]);
    drop(second);
    let _third = executor("three", &others);
    assert!(matches!(told(&harness)[..], [Body::Reset(_)]));
}

#[test]
fn who_waits_for_room_at_an_executor_waits_no_longer_than_that_is_there() {
    let hub = Arc::new(Hub::default());
    let join = |side| {
        hub.join(&pass(side, "", false), here("t", 9))
            .expect("a place")
    };
    let (executor, harness) = (join(Side::Executor), join(Side::Harness));
    let Way::Wait(outlet, limit) = harness.route(&address("s", true)) else {
        panic!("it goes to the executor");
    };
    outlet.push(Bytes::from(vec![0; limit]));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(outlet.poll_room(limit, &mut cx).is_pending());
    drop(executor);
    assert!(outlet.poll_room(limit, &mut cx).is_ready());
}

#[test]
fn a_tenant_has_its_places_and_no_more() {
    let hub = Arc::new(Hub::default());
    let one = hub
        .join(&pass(Side::Harness, "", false), here("t", 1))
        .expect("a place");
    let two = hub.join(&pass(Side::Harness, "", false), here("t", 1));
    assert_eq!(two.err(), Some(NoPlace::Tenant));
    assert!(
        hub.join(&pass(Side::Harness, "", false), here("other", 1))
            .is_ok()
    );
    drop(one);
    assert!(
        hub.join(&pass(Side::Harness, "", false), here("t", 1))
            .is_ok()
    );
}

#[test]
fn an_environment_takes_so_many_harnesses_and_others_have_theirs() {
    let hub = Arc::new(Hub::default());
    let join = |pass: &Pass| hub.join(pass, here("t", usize::MAX));
    let harness = pass(Side::Harness, "", false);
    let mut seats: Vec<_> = (0..limits::HARNESSES)
        .map(|_| join(&harness).expect("a place"))
        .collect();
    assert_eq!(join(&harness).err(), Some(NoPlace::Harnesses));
    let other = Pass {
        environment: "other".parse().expect("a name"),
        ..harness.clone()
    };
    assert!(join(&other).is_ok());
    // Its executor has a place of its own.
    assert!(join(&pass(Side::Executor, "", false)).is_ok());
    seats.pop();
    assert!(join(&harness).is_ok());
    drop(seats);
    assert_eq!(hub.connected(), 0, "also the refused ones gave theirs back");
}

#[test]
fn an_environment_has_so_many_streams_of_however_many_harnesses() {
    let hub = Arc::new(Hub::default());
    let executor = hub
        .join(&pass(Side::Executor, "", false), here("t", usize::MAX))
        .expect("a place");
    let harnesses: Vec<_> = (0..=limits::STREAMS / limits::LINK_STREAMS)
        .map(|_| {
            hub.join(&pass(Side::Harness, "", false), here("t", usize::MAX))
                .expect("a place")
        })
        .collect();
    for number in 0..limits::STREAMS {
        let way =
            harnesses[number / limits::LINK_STREAMS].route(&address(&format!("s{number}"), true));
        assert!(matches!(way, Way::Wait(..)), "{number}");
    }
    let last = harnesses.last().expect("one with none yet");
    assert!(matches!(last.route(&address("more", true)), Way::Back(_)));
    // What is there goes on, and one that ends makes room.
    assert!(matches!(
        harnesses[0].route(&address("s0", false)),
        Way::Wait(..)
    ));
    let ends = Address {
        is_reset: true,
        ..address("s0", false)
    };
    assert!(matches!(harnesses[0].route(&ends), Way::Wait(..)));
    assert!(matches!(last.route(&address("more", true)), Way::Wait(..)));
    drop(executor);
}

#[test]
fn of_registrations_that_never_connected_the_oldest_are_forgotten() {
    let hub = Arc::new(Hub::default());
    let keys = Identity::generate().public().clone();
    for number in 0..=limits::REGISTRATIONS {
        let registered = Registered {
            id: number.to_string(),
            keys: keys.clone(),
        };
        hub.register(&"box".parse().expect("a name"), registered);
    }
    let join = |number: usize| {
        hub.join(
            &pass(Side::Executor, &number.to_string(), true),
            here("t", 9),
        )
        .map(drop)
    };
    assert_eq!(join(0), Err(NoPlace::NotRegistered));
    assert_eq!(join(1), Ok(()));
    assert_eq!(join(limits::REGISTRATIONS), Ok(()));
}
