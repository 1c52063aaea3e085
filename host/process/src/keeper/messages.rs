//! What a server and a keeper tell each other, over a socket that only these hold: first the order, then a word for each thing that happened.

use std::ffi::{CStr, CString};
use std::time::Duration;

use crate::prepared::Prepared;

/// What a keeper is to start, with the descriptors 0 to 2 that it has itself, or with a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) prepared: Prepared,
    /// The path of the terminal's slave side.
    pub(super) terminal: Option<CString>,
    /// When the keeper ends everything of its own accord.
    pub(super) time: Option<Duration>,
}

impl Order {
    /// Each string with its length before it, each list with its count.
    pub(super) fn encode(
        prepared: &Prepared,
        terminal: Option<&CStr>,
        time: Option<Duration>,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let millis = time.and_then(|time| u64::try_from(time.as_millis()).ok());
        bytes.extend(millis.unwrap_or(u64::MAX).to_le_bytes());
        put(&mut bytes, &prepared.program);
        put(&mut bytes, &prepared.cwd);
        // No terminal has an empty path.
        put(&mut bytes, terminal.unwrap_or_default());
        for list in [&prepared.argv, &prepared.env] {
            bytes.extend((list.len() as u64).to_le_bytes());
            for one in list {
                put(&mut bytes, one);
            }
        }
        bytes
    }

    /// `None` for what no server says.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Order> {
        let rest = &mut bytes;
        let time = Some(number(rest)?).filter(|millis| *millis < u64::MAX);
        let program = string(rest)?;
        let cwd = string(rest)?;
        let terminal = Some(string(rest)?).filter(|path| !path.is_empty());
        let argv = list(rest)?;
        let env = list(rest)?;
        rest.is_empty().then_some(Order {
            prepared: Prepared {
                program,
                argv,
                env,
                cwd,
            },
            terminal,
            time: time.map(Duration::from_millis),
        })
    }
}

fn put(bytes: &mut Vec<u8>, string: &CStr) {
    bytes.extend((string.count_bytes() as u64).to_le_bytes());
    bytes.extend(string.to_bytes());
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*number))
}

fn count(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(number(rest)?).ok()
}

fn string(rest: &mut &[u8]) -> Option<CString> {
    let len = count(rest)?;
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    CString::new(bytes).ok()
}

fn list(rest: &mut &[u8]) -> Option<Vec<CString>> {
    (0..count(rest)?).map(|_| string(rest)).collect()
}

/// What a keeper says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// By the holder: the process has this number, and is not reaped before the server has answered.
    Started(i32),
    /// By the holder: it could not be started, for this reason (errno).
    Refused(i32),
    /// By the holder: it exited with this status, or 128 + the signal.
    Exited(i32),
    /// The holder is gone: if it has not said how the process exited, it was killed.
    Alone,
    /// The time is over, and the keeper has begun to end everything because the server did not.
    Late,
    /// Nothing is left below; the keeper ends.
    Empty,
}

impl Word {
    pub(super) const LEN: usize = 5;

    pub(super) fn to_bytes(self) -> [u8; Word::LEN] {
        let (kind, number) = match self {
            Word::Started(pid) => (b's', pid),
            Word::Refused(errno) => (b'r', errno),
            Word::Exited(code) => (b'x', code),
            Word::Alone => (b'a', 0),
            Word::Late => (b'l', 0),
            Word::Empty => (b'e', 0),
        };
        let [a, b, c, d] = number.to_le_bytes();
        [kind, a, b, c, d]
    }

    pub(super) fn of_bytes(bytes: [u8; Word::LEN]) -> Option<Word> {
        let [kind, number @ ..] = bytes;
        let number = i32::from_le_bytes(number);
        match kind {
            b's' => Some(Word::Started(number)),
            b'r' => Some(Word::Refused(number)),
            b'x' => Some(Word::Exited(number)),
            b'a' => Some(Word::Alone),
            b'l' => Some(Word::Late),
            b'e' => Some(Word::Empty),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(terminal: Option<CString>, time: Option<Duration>) -> Order {
        let strings = |strings: &[&str]| {
            strings
                .iter()
                .map(|one| CString::new(*one).expect("no NUL"))
                .collect()
        };
        Order {
            prepared: Prepared {
                program: c"/bin/sh".to_owned(),
                argv: strings(&["sh", "-c", "", "a\nb"]),
                env: strings(&["A=1", "B="]),
                cwd: c"/".to_owned(),
            },
            terminal,
            time,
        }
    }

    #[test]
    fn an_order_arrives_as_it_was_given() {
        for order in [
            order(None, None),
            order(
                Some(c"/dev/pts/3".to_owned()),
                Some(Duration::from_millis(7)),
            ),
        ] {
            let bytes = Order::encode(&order.prepared, order.terminal.as_deref(), order.time);
            assert_eq!(Order::decode(&bytes), Some(order));
        }
    }

    #[test]
    fn what_is_no_order_is_none() {
        let bytes = Order::encode(&order(None, None).prepared, None, None);
        for len in 0..bytes.len() {
            assert_eq!(Order::decode(&bytes[..len]), None, "{len}");
        }
        assert_eq!(Order::decode(&[&bytes[..], b"x"].concat()), None);
        assert_eq!(Order::decode(&u64::MAX.to_le_bytes()), None);
    }

    #[test]
    fn words_arrive_as_they_were_said() {
        for word in [
            Word::Started(7),
            Word::Refused(2),
            Word::Exited(-1),
            Word::Alone,
            Word::Late,
            Word::Empty,
        ] {
            assert_eq!(Word::of_bytes(word.to_bytes()), Some(word));
        }
        assert_eq!(Word::of_bytes(*b"q\0\0\0\0"), None);
    }
}
