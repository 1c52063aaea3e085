//! A network that is far away: every byte comes through, half a round trip later, and never more slowly than it was sent.

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

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

impl Far {
    /// `one_way` is added in each direction. Of several addresses each connection gets the first where somebody is.
    pub(crate) fn start(to: &[&str], one_way: Duration) -> Result<Far, Failure> {
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
                carry(near_reader, far, one_way);
                carry(far_reader, near, one_way);
            }
        });
        Ok(Far { address })
    }
}

/// Everything is kept that is on its way: the harness's own window is the bound.
fn carry(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let due = Instant::now() + one_way;
            if sender.send((due, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
