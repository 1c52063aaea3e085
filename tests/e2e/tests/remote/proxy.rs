//! A TCP proxy that cuts connections whenever a test says so.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are kept of what goes through.
const SEEN: usize = 1 << 20;

/// Forwards connections to one address. Its threads end with the test's process.
pub(crate) struct Proxy {
    address: String,
    open: Arc<Mutex<HashMap<u64, [TcpStream; 2]>>>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    pub(crate) fn to(target: &str) -> Proxy {
        Proxy::to_any(&[target.to_owned()])
    }

    /// Forwards each connection to another one of these addresses, and to the next one where nobody is.
    pub(crate) fn to_any(targets: &[String]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let open: Arc<Mutex<HashMap<u64, [TcpStream; 2]>>> = Arc::default();
        let next = AtomicU64::new(0);
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (targets, known) = (targets.to_vec(), Arc::clone(&open));
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for (turn, client) in listener.incoming().enumerate() {
                let client = client.expect("a connection");
                let (before, from) = targets.split_at(turn % targets.len());
                let mut turns = from.iter().chain(before);
                // Nobody may be there at the moment.
                let Some(server) = turns.find_map(|target| TcpStream::connect(target).ok()) else {
                    continue;
                };
                for socket in [&client, &server] {
                    socket.set_nodelay(true).expect("a socket");
                }
                let copy = |socket: &TcpStream| socket.try_clone().expect("a descriptor");
                let number = next.fetch_add(1, Ordering::Relaxed);
                let pair = [copy(&client), copy(&server)];
                known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(number, pair);
                for (mut from, mut to) in [(copy(&client), copy(&server)), (server, client)] {
                    let (known, all) = (Arc::clone(&known), Arc::clone(&all));
                    std::thread::spawn(move || {
                        let mut buffer = vec![0; 64 << 10];
                        while let Ok(count @ 1..) = from.read(&mut buffer) {
                            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                            if all.len() < SEEN {
                                all.extend_from_slice(&buffer[..count]);
                            }
                            drop(all);
                            if to.write_all(&buffer[..count]).is_err() {
                                break;
                            }
                        }
                        // Either may be closed already.
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                        known
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .remove(&number);
                    });
                }
            }
        });
        Proxy {
            address,
            open,
            seen,
        }
    }

    /// `IP:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The beginning of what went through, in both directions.
    pub(crate) fn seen(&self) -> Vec<u8> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Cuts one connection in both directions, wherever it is in a frame. False: too few are open, and always cutting the only one would
    /// leave no time in which two ends can meet.
    pub(crate) fn cut(&self, chance: u64) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers: Vec<_> = open.keys().copied().collect();
        if numbers.len() < 4 {
            return false;
        }
        let number = numbers[(chance % numbers.len() as u64) as usize];
        let pair = open.remove(&number).expect("it was there");
        for socket in pair {
            // The peer may have closed it in this moment.
            let _ = socket.shutdown(Shutdown::Both);
        }
        true
    }
}
