//! Where sockets come from that have not said who they are: one address must not take all places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// How many sockets each address has.
#[derive(Debug)]
pub(crate) struct Sources {
    share: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// One socket's place. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    /// None: it is not counted.
    of: Option<(Arc<Sources>, IpAddr)>,
}

impl Sources {
    /// Each address may have so many.
    pub(crate) fn sharing(share: usize) -> Arc<Sources> {
        Arc::new(Sources {
            share,
            counts: Mutex::default(),
        })
    }

    /// A place for a socket from there, if there is one.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        // A proxy on this machine: everybody comes from there.
        if address.is_loopback() {
            return Some(Place { of: None });
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.share {
            return None;
        }
        *count += 1;
        Some(Place {
            of: Some((Arc::clone(self), address)),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((sources, address)) = &self.of else {
            return;
        };
        let mut counts = sources
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(*address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What one machine has: an IPv4 address however it is written, or the network of an IPv6 one, all of whose addresses it may use.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn attack_30_one_address_takes_its_share_of_sockets_and_no_more() {
        let sources = Sources::sharing(2);
        let enter = |text| sources.enter(address(text));
        let held = [enter("192.0.2.1"), enter("::ffff:192.0.2.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(enter("192.0.2.1").is_none());
        // Others have theirs.
        assert!(enter("192.0.2.2").is_some());
        let network = [enter("2001:db8::1"), enter("2001:db8::ffff:1")];
        assert!(network.iter().all(Option::is_some) && enter("2001:db8::2").is_none());
        assert!(enter("2001:db8:0:1::2").is_some());
        // Behind a proxy on this machine everybody has the same.
        let near: Vec<_> = (0..9).map(|_| enter("127.0.0.1")).collect();
        assert!(near.iter().all(Option::is_some) && enter("::1").is_some());
        drop((held, network));
        assert!(enter("192.0.2.1").is_some() && enter("2001:db8::2").is_some());
        assert!(sources.counts.lock().expect("unlocked").is_empty());
    }
}
