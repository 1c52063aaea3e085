//! Pipes between two nodes, without the nodes.

use proptest::prelude::*;

use super::*;

/// Everything that one side wants to send comes to the other. Gives how much that held at most.
fn deliver(from: &mut Flow, to: &mut Flow) -> Result<usize, Broken> {
    let mut held = 0;
    loop {
        let mut moved = false;
        while let Some(packet) = from.next_packet() {
            moved = true;
            match packet {
                Packet::Data {
                    number,
                    last,
                    bytes,
                } => to.data(number, last, bytes)?,
                Packet::Credit(bytes) => to.credit(bytes)?,
                Packet::Ping { sent, taken } => to.ping(sent, taken)?,
                Packet::Close(_) => {}
            }
            if to.wants_turn() {
                to.has_turn(turn());
            }
            held = held.max(to.frames.iter().map(|(parcel, _)| parcel.frame.len()).sum());
        }
        while let Some(Packet::Credit(bytes)) = to.next_packet() {
            moved = true;
            from.credit(bytes)?;
        }
        if !moved {
            return Ok(held);
        }
    }
}

proptest! {
    #[test]
    fn frames_of_any_size_come_through_in_order(sizes in prop::collection::vec(0_usize..3 * limits::PIPE_WINDOW, 1..12), [greedy, gated] in any::<[bool; 2]>()) {
        let (mut from, mut to) = (Flow::default(), Flow::default());
        if gated {
            to.gate();
        }
        let frames: Vec<Bytes> = sizes
            .iter()
            .enumerate()
            .map(|(number, size)| Bytes::from(vec![number as u8; *size]))
            .collect();
        let mut waiting = frames.iter().cloned();
        let mut came = Vec::new();
        loop {
            while from.has_room() {
                match waiting.next() {
                    Some(frame) => from.push(frame, true),
                    None => break,
                }
            }
            deliver(&mut from, &mut to).expect("no rule is broken");
            let Some(parcel) = to.take() else { break };
            came.push(parcel.frame);
            while greedy && let Some(parcel) = to.take() {
                came.push(parcel.frame);
            }
            deliver(&mut from, &mut to).expect("no rule is broken");
            let Packet::Ping { sent, taken } = from.pings() else { unreachable!() };
            to.ping(sent, taken).expect("nothing is missing");
        }
        prop_assert_eq!(came, frames);
        prop_assert_eq!(to.held(), 0);
    }
}

fn turn() -> Turn {
    let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
    turns.try_acquire_owned().expect("the only one")
}

#[test]
fn a_large_frame_waits_for_its_turn_and_a_small_pipe_takes_none() {
    let (mut from, mut to) = (Flow::default(), Flow::default());
    to.gate();
    let size = 4 * limits::PIPE_WINDOW;
    from.push(Bytes::from(vec![0; size]), true);
    let mut deliver = |to: &mut Flow| -> Result<usize, Broken> {
        let mut packets = 0;
        loop {
            let Some(Packet::Data {
                number,
                last,
                bytes,
            }) = from.next_packet()
            else {
                let Some(Packet::Credit(bytes)) = to.next_packet() else {
                    return Ok(packets);
                };
                from.credit(bytes)?;
                continue;
            };
            packets += 1;
            to.data(number, last, bytes)?;
        }
    };
    let before = deliver(&mut to).expect("no rule is broken");
    assert!(to.wants_turn() && before * limits::PACKET <= 2 * limits::PIPE_WINDOW);
    to.has_turn(turn());
    deliver(&mut to).expect("no rule is broken");
    assert_eq!(to.take().expect("the frame").frame.len(), size);
    let mut small = Flow::default();
    small.limit(limits::SMALL_FRAME);
    let large = Bytes::from(vec![0; limits::SMALL_FRAME + 1]);
    assert_eq!(small.data(0, false, large), Err(Broken::TooMuch));
}

#[test]
fn a_ping_shows_what_was_lost_and_repairs_a_credit() {
    let (mut from, mut to) = (Flow::default(), Flow::default());
    from.push(Bytes::from_static(b"lost"), true);
    from.next_packet().expect("a packet");
    let Packet::Ping { sent, taken } = from.pings() else {
        unreachable!()
    };
    assert_eq!(to.ping(sent, taken), Err(Broken::Missing));
    to.data(0, true, Bytes::from_static(b"lost"))
        .expect("the first");
    to.take().expect("a frame");
    let Packet::Ping { sent, taken } = to.pings() else {
        unreachable!()
    };
    from.ping(sent, taken).expect("nothing is missing");
    assert_eq!(from.taken_there, 4);
}

#[test]
fn what_is_not_taken_holds_the_sender_up() {
    let (mut from, mut to) = (Flow::default(), Flow::default());
    for _ in 0..100 {
        from.push(Bytes::from(vec![0; limits::PACKET]), true);
    }
    let held = deliver(&mut from, &mut to).expect("no rule is broken");
    assert_eq!(held, limits::PIPE_WINDOW);
    assert!(!from.has_room());
    to.take().expect("a frame");
    assert!(from.next_packet().is_none());
}

#[test]
fn a_large_frame_keeps_its_turn_until_the_other_node_has_taken_it() {
    let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
    let (mut from, mut to) = (Flow::default(), Flow::default());
    for size in [3, 5 * limits::PIPE_WINDOW + 7, 3] {
        let turn = std::sync::Arc::clone(&turns).try_acquire_owned().ok();
        let frame = Bytes::from(vec![0; size]);
        from.push(Parcel::new(frame, turn.filter(|_| size > 3)), true);
    }
    deliver(&mut from, &mut to).expect("no rule is broken");
    assert_eq!(to.next_size(), Some(3));
    assert_eq!(turns.available_permits(), 0);
    to.take().expect("the small one");
    deliver(&mut from, &mut to).expect("no rule is broken");
    assert_eq!(to.next_size(), Some(5 * limits::PIPE_WINDOW + 7));
    assert_eq!(turns.available_permits(), 0);
    to.take().expect("the large one");
    deliver(&mut from, &mut to).expect("no rule is broken");
    assert_eq!(turns.available_permits(), 1);
    assert_eq!(to.next_size(), Some(3));
}

#[test]
fn a_missing_packet_and_one_too_many_are_noticed() {
    let part = || Bytes::from_static(b"part");
    assert_eq!(Flow::default().data(1, true, part()), Err(Broken::Missing));
    let mut twice = Flow::default();
    twice.data(0, true, part()).expect("the first");
    assert_eq!(twice.data(0, true, part()), Err(Broken::Missing));
    assert_eq!(Flow::default().credit(1), Err(Broken::TooMuch));
    let mut full = Flow::default();
    let large = Bytes::from(vec![0; limits::PIPE_WINDOW]);
    full.data(0, true, large).expect("a window");
    assert_eq!(full.data(1, true, part()), Err(Broken::TooMuch));
}

#[test]
fn attack_33_frames_of_nothing_cost_and_are_counted() {
    let mut flow = Flow::default();
    for number in 0..limits::PIPE_FRAMES as u64 {
        flow.data(number, true, Bytes::new()).expect("some");
    }
    assert_eq!(flow.held(), limits::PIPE_FRAMES * limits::FRAME_COST);
    let more = flow.data(limits::PIPE_FRAMES as u64, true, Bytes::new());
    assert_eq!(more, Err(Broken::TooMuch));
    while flow.take().is_some() {}
    assert_eq!(flow.held(), 0);
}
