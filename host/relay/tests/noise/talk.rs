//! What works.

use lockgate_relay::limits;
use lockgate_relay::noise::{Identity, Initiator, Responder};
use proptest::prelude::*;

use crate::{carry, connected, prologue};

#[test]
fn the_executor_learns_who_asks_and_with_what_authorization() {
    let (harness, executor) = (Identity::generate(), Identity::generate());
    for bytes in [1, 300, limits::AUTHORIZATION_BYTES] {
        let authorization = "ä".repeat(bytes / 2) + &"x".repeat(bytes % 2);
        let (initiator, message_1) =
            Initiator::start(&harness, executor.public(), &prologue("s"), &authorization)
                .expect("a beginning");
        assert!(message_1.len() <= limits::HANDSHAKE_BYTES);
        let responder =
            Responder::read(&executor, &prologue("s"), &message_1).expect("the message");
        assert_eq!(responder.authorization(), authorization);
        assert_eq!(responder.harness(), harness.public());
        let (mut to_harness, message_2) = responder.complete().expect("an answer");
        let mut to_executor = initiator.finish(&message_2).expect("the answer");
        assert_eq!(carry(&mut to_executor, &mut to_harness, b"{}"), ["{}"]);
        assert_eq!(carry(&mut to_harness, &mut to_executor, b"[1]"), ["[1]"]);
    }
}

#[test]
fn a_message_is_cut_where_the_reference_cuts_it() {
    let [mut harness, mut executor] = connected();
    // With the four bytes of the length before it.
    let fits = limits::RECORD_PLAINTEXT_BYTES - 4;
    for (bytes, sizes) in [
        (1, vec![21]),
        (fits, vec![limits::RECORD_PLAINTEXT_BYTES + 16]),
        (fits + 1, vec![limits::RECORD_PLAINTEXT_BYTES + 16, 17]),
    ] {
        let message = vec![b' '; bytes];
        let records = harness.seal(&message).expect("records");
        let got: Vec<_> = records.iter().map(|record| record.len()).collect();
        assert_eq!(got, sizes);
        assert!(got.iter().all(|bytes| *bytes <= limits::RECORD_BYTES));
        let opened: Vec<_> = records
            .iter()
            .flat_map(|record| executor.open(record.clone()).expect("a record"))
            .collect();
        assert_eq!(opened, [message]);
        assert_eq!(executor.held(), 0);
    }
}

#[test]
fn what_is_sent_twice_looks_different_and_does_not_show_the_plain_text() {
    let [mut harness, _] = connected();
    let message = b"the same words, which are long enough to be found";
    let first = harness.seal(message).expect("records").concat();
    let second = harness.seal(message).expect("records").concat();
    assert_ne!(first, second);
    assert!(
        !first
            .windows(16)
            .any(|part| message.windows(16).any(|plain| plain == part))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn messages_of_any_size_come_out_as_they_went_in(
        sizes in prop::collection::vec(
            prop_oneof![4 => 1..500usize, 2 => 61_000..62_000usize, 1 => 1..400_000usize],
            1..12,
        ),
        ways in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut ends = connected();
        for (number, (size, way)) in sizes.into_iter().zip(ways).enumerate() {
            let message: Vec<u8> = (0..size).map(|at| (at % 251 + number) as u8).collect();
            let [harness, executor] = &mut ends;
            let (from, to) = if way { (harness, executor) } else { (executor, harness) };
            prop_assert_eq!(carry(from, to, &message), [message]);
        }
    }
}
