//! The loopback device of a network namespace, which is down at first, and has the addresses that a test gives it. By netlink, as iproute2 does it, which
//! is not everywhere.

use std::io;
use std::net::Ipv4Addr;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, sendto, socket};

/// The first device of a namespace.
const LOOPBACK: u32 = 1;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
/// Request, and an answer is asked for.
const ASK: u16 = 1 | 4;
const CREATE: u16 = 0x400;
/// The kind of an answer.
const ERROR: u16 = 2;

/// Brings it up, with further addresses.
pub(crate) fn up(addresses: &[Ipv4Addr]) -> io::Result<()> {
    // Of no family and no type, this device, IFF_UP, of the flags that one alone.
    let link = [0, LOOPBACK, 1, 1].map(u32::to_ne_bytes).concat();
    ask(NEW_LINK, ASK, &link)?;
    for address in addresses {
        // AF_INET, all 32 bits of it; the attribute IFA_LOCAL with the address.
        let mut text = vec![2, 32, 0, 0];
        text.extend(LOOPBACK.to_ne_bytes());
        text.extend([8_u16, 2].map(u16::to_ne_bytes).concat());
        text.extend(address.octets());
        ask(NEW_ADDRESS, ASK | CREATE, &text)?;
    }
    Ok(())
}

fn ask(kind: u16, flags: u16, text: &[u8]) -> io::Result<()> {
    // Its protocol 0 is NETLINK_ROUTE.
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    let mut message = u32::try_from(16 + text.len())
        .expect("a short message")
        .to_ne_bytes()
        .to_vec();
    message.extend([kind, flags].map(u16::to_ne_bytes).concat());
    message.extend([0; 8]);
    message.extend(text);
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &message, SendFlags::empty(), &kernel)?;
    let mut answer = [0; 512];
    let (_, length) = recv(&socket, &mut answer, RecvFlags::empty())?;
    let half = |at: usize| u16::from_ne_bytes([answer[at], answer[at + 1]]);
    if length < 20 || half(4) != ERROR {
        return Err(io::Error::other("netlink answered something else"));
    }
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(-code)),
    }
}
