//! A server of names that changes its mind, for tests in a network of their own: it is at 127.0.0.1:53, and what runs there asks it alone.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::in_place_of;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// What is said of a name.
#[derive(Clone, Copy, Debug)]
pub enum Said {
    /// It has this address.
    At(&'static str),
    /// It is another name for this one, of which the rest of the answer speaks.
    Alias(&'static str),
}

/// What each name is said to be, at the first question, at the next one, and so on; the last is said from then on.
pub type Script = &'static [(&'static str, &'static [&'static [Said]])];

/// Runs as long as the test's process.
pub struct Names {
    /// How often each name was asked for, by the kind of record.
    asked: Arc<Mutex<HashMap<(String, u16), usize>>>,
}

impl Names {
    /// Answers by the script; of what is not in it, that there is no such name. Within [`crate::with_network`] only.
    pub fn new(directory: &Path, script: Script) -> Names {
        for (there, text) in [
            (
                "/etc/resolv.conf",
                "nameserver 127.0.0.1\noptions timeout:5 attempts:1\n",
            ),
            ("/etc/nsswitch.conf", "hosts: files dns\n"),
            ("/etc/hosts", "127.0.0.1 localhost\n"),
        ] {
            let there = Path::new(there);
            let file = directory.join(there.file_name().expect("a name"));
            std::fs::write(&file, text).expect("written");
            // Where there is no such file, what the system does without it is what is said here.
            if there.exists() || there.ends_with("resolv.conf") {
                in_place_of(there, &file);
            }
        }
        let socket = UdpSocket::bind("127.0.0.1:53").expect("the port of names");
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if let Some(answer) = answer(&packet[..length], script, &counts) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Names { asked }
    }

    /// How often somebody asked for the IPv4 addresses of a name.
    pub fn asked(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&(name.to_owned(), A)).copied().unwrap_or(0)
    }
}

fn answer(
    packet: &[u8],
    script: Script,
    counts: &Mutex<HashMap<(String, u16), usize>>,
) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while *packet.get(at)? != 0 {
        let end = at + 1 + usize::from(packet[at]);
        labels.push(String::from_utf8_lossy(packet.get(at + 1..end)?).to_lowercase());
        at = end;
    }
    let kind = u16::from_be_bytes([*packet.get(at + 1)?, *packet.get(at + 2)?]);
    let question = packet.get(12..at + 5)?;
    let name = labels.join(".");
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry((name.clone(), kind)).or_default();
    let known = script.iter().find(|(known, _)| *known == name);
    let said = known.map(|(_, rounds)| rounds[(*count).min(rounds.len() - 1)]);
    *count += 1;

    let mut records = Vec::new();
    let mut number = 0_u16;
    let mut owner = name.as_str();
    let mut put = |owner: &str, kind: u16, data: &[u8]| {
        records.extend(encoded(owner));
        records.extend(
            [kind, 1, 0, 0, data.len() as u16]
                .map(u16::to_be_bytes)
                .concat(),
        );
        records.extend(data);
        number += 1;
    };
    for said in said.unwrap_or_default() {
        match said {
            Said::Alias(other) => {
                put(owner, CNAME, &encoded(other));
                owner = other;
            }
            Said::At(address) => match address.parse().expect("an address") {
                IpAddr::V4(address) if kind == A => put(owner, A, &address.octets()),
                IpAddr::V6(address) if kind == AAAA => put(owner, AAAA, &address.octets()),
                _ => {}
            },
        }
    }
    // An answer of who knows it, good for no time at all; or, no such name.
    let flags = if said.is_some() { 0x8580 } else { 0x8583 };
    let mut all = packet[..2].to_vec();
    all.extend([flags, 1, number, 0, 0].map(u16::to_be_bytes).concat());
    all.extend(question);
    all.extend(records);
    Some(all)
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
