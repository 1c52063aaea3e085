//! A TCP proxy that cuts connections whenever a test says so, or lets them go silent, and takes no new ones while it is to.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are kept of what goes through.
const SEEN: usize = 1 << 20;

/// Forwards connections to one address. Its threads end with the test's process.
pub struct Proxy {
    address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    targets: Vec<String>,
    /// New connections are closed at once.
    is_shut: bool,
    taken: u64,
    open: HashMap<u64, [TcpStream; 2]>,
    /// Those of them that carry nothing any more.
    silent: HashSet<u64>,
    seen: Vec<u8>,
    carried: u64,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// To this address.
    pub fn to(target: &str) -> Proxy {
        Proxy::to_any(&[target.to_owned()])
    }

    /// Forwards each connection to another one of these addresses, and to the next one where nobody is.
    pub fn to_any(targets: &[String]) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(Mutex::new(State {
            targets: targets.to_vec(),
            is_shut: false,
            taken: 0,
            open: HashMap::new(),
            silent: HashSet::new(),
            seen: Vec::new(),
            carried: 0,
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // Nobody may be there at the moment.
                forward(client.expect("a connection"), &shared);
            }
        });
        Proxy { address, state }
    }

    /// `IP:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where new connections go from now on.
    pub fn lead_to(&self, target: &str) {
        lock(&self.state).targets = vec![target.to_owned()];
    }

    /// The beginning of what went through, in both directions.
    pub fn seen(&self) -> Vec<u8> {
        lock(&self.state).seen.clone()
    }

    /// Bytes that came to it so far, in both directions.
    pub fn carried(&self) -> u64 {
        lock(&self.state).carried
    }

    /// Cuts one connection in both directions, wherever it is in a frame. False: too few are open, and always cutting the only one would
    /// leave no time in which two ends can meet.
    pub fn cut(&self, chance: u64) -> bool {
        lock(&self.state).open.len() >= 4 && self.cut_any(chance)
    }

    /// The same, also where there is only one. False if there is none.
    pub fn cut_any(&self, chance: u64) -> bool {
        let mut state = lock(&self.state);
        let numbers: Vec<_> = state.open.keys().copied().collect();
        let Some(place) = chance.checked_rem(numbers.len() as u64) else {
            return false;
        };
        let pair = state.open.remove(&numbers[place as usize]);
        close(pair.expect("it was there"));
        true
    }

    /// Cuts all connections, and takes no new ones until [`Proxy::reopen`].
    pub fn shut(&self) {
        let mut state = lock(&self.state);
        state.is_shut = true;
        for (_, pair) in state.open.drain() {
            close(pair);
        }
    }

    /// From now on nothing comes through the connections that are open, and neither end hears of it, as where a cable is pulled. New ones are as ever.
    pub fn silence(&self) {
        let mut state = lock(&self.state);
        let open: Vec<_> = state.open.keys().copied().collect();
        state.silent.extend(open);
    }

    /// Tells the clients of silent connections that these are gone, and nobody else.
    pub fn hang_up_silent_clients(&self) {
        let state = lock(&self.state);
        for turn in &state.silent {
            if let Some([client, _]) = state.open.get(turn) {
                // It may have gone by itself.
                let _ = client.shutdown(Shutdown::Both);
            }
        }
    }

    /// Takes connections again.
    pub fn reopen(&self) {
        lock(&self.state).is_shut = false;
    }
}

fn close(pair: [TcpStream; 2]) {
    for socket in pair {
        // The peer may have closed it in this moment.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

fn forward(client: TcpStream, state: &Arc<Mutex<State>>) -> Option<()> {
    let copy = |socket: &TcpStream| socket.try_clone().expect("a descriptor");
    let (turn, targets) = {
        let mut state = lock(state);
        if state.is_shut {
            return None;
        }
        let turn = state.taken;
        state.taken += 1;
        (turn, state.targets.clone())
    };
    let (before, from) = targets.split_at((turn % targets.len() as u64) as usize);
    let mut turns = from.iter().chain(before);
    let server = turns.find_map(|target| TcpStream::connect(target).ok())?;
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket");
    }
    {
        let mut state = lock(state);
        if state.is_shut {
            return None;
        }
        state.open.insert(turn, [copy(&client), copy(&server)]);
    }
    for (mut from, mut to) in [(copy(&client), copy(&server)), (server, client)] {
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let mut state = lock(&state);
                if state.silent.contains(&turn) {
                    continue;
                }
                state.carried += count as u64;
                if state.seen.len() < SEEN {
                    state.seen.extend_from_slice(&buffer[..count]);
                }
                drop(state);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            if lock(&state).silent.contains(&turn) {
                // `open` still holds both.
                return;
            }
            // Either may be closed already.
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
            lock(&state).open.remove(&turn);
        });
    }
    Some(())
}
