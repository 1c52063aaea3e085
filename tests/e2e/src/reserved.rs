//! An address that stays a test's own while nobody listens there.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Mutex, PoisonError};

use rustix::fd::OwnedFd;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// They hold their ports until the test's process ends.
static HELD: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// `127.0.0.1:PORT`, which the system gives to nobody else: a server may be started there, killed, and started again.
/// Who connects while no server is there is refused.
///
/// # Panics
///
/// Where the system has no port left.
pub fn reserved() -> String {
    let kind = (AddressFamily::INET, SocketType::STREAM);
    let socket = socket_with(kind.0, kind.1, SocketFlags::CLOEXEC, None).expect("a socket");
    // A socket that is bound and does not listen keeps its port from all that ask for any port, and not
    // from a server that names it, if both may reuse it, as servers may.
    set_socket_reuseaddr(&socket, true).expect("set");
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = getsockname(&socket).expect("an address");
    let address = SocketAddr::try_from(address).expect("of a network");
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.push(socket);
    address.to_string()
}
