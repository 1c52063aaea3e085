//! Networks: one that is far away, and one that is as fast as a cable. Every byte comes through, later.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// Stands in front of an address. Its threads end with the connections.
pub(crate) struct Far {
    /// Where to connect instead.
    pub(crate) address: SocketAddr,
}

/// What a network does to what it carries, in each direction of a connection.
#[derive(Clone, Copy)]
pub(crate) enum Network {
    /// It takes so long, and as much as comes: the harness's own window is the bound.
    Long(Duration),
    /// It carries so many bytes in a second, and holds little of what is sent faster.
    Narrow(f64),
}

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Pieces that a narrow network holds, as a switch does.
const HELD: usize = 16;

impl Far {
    /// Of several addresses each connection gets the first where somebody is.
    pub(crate) fn start(to: &[&str], network: Network) -> Result<Far, Failure> {
        let mut addresses = Vec::new();
        for to in to {
            addresses.extend(to.to_socket_addrs()?);
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for near in listener.incoming() {
                // A connection that cannot be made is one that the harness finds closed.
                let Ok(near) = near else { return };
                let mut all = addresses.iter();
                let Some(far) = all.find_map(|to| TcpStream::connect(to).ok()) else {
                    continue;
                };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (Ok(near_reader), Ok(far_reader)) = (near.try_clone(), far.try_clone()) else {
                    continue;
                };
                carry(near_reader, far, network);
                carry(far_reader, near, network);
            }
        });
        Ok(Far { address })
    }
}

fn carry(from: TcpStream, to: TcpStream, network: Network) {
    match network {
        Network::Long(one_way) => delay(from, to, one_way),
        Network::Narrow(rate) => pace(from, to, rate),
    }
}

/// Everything is kept that is on its way.
fn delay(from: TcpStream, to: TcpStream, one_way: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        read(from, |piece| {
            sender.send((Instant::now() + one_way, piece)).is_ok()
        });
    });
    thread::spawn(move || {
        write(
            to,
            receiver.into_iter().map(|(due, piece)| {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                piece
            }),
        );
    });
}

/// A piece is there when its last bit is.
fn pace(from: TcpStream, to: TcpStream, rate: f64) {
    let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(HELD);
    thread::spawn(move || read(from, |piece| sender.send(piece).is_ok()));
    thread::spawn(move || {
        let mut free = Instant::now();
        let paced = receiver.into_iter().inspect(|piece| {
            free = free.max(Instant::now()) + Duration::from_secs_f64(piece.len() as f64 / rate);
            thread::sleep(free.saturating_duration_since(Instant::now()));
        });
        write(to, paced);
    });
}

fn read(mut from: TcpStream, mut hand_on: impl FnMut(Vec<u8>) -> bool) {
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !hand_on(buffer[..length].to_vec()) {
            return;
        }
    }
}

fn write(mut to: TcpStream, pieces: impl Iterator<Item = Vec<u8>>) {
    for piece in pieces {
        if to.write_all(&piece).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
