//! Which kind of place an address is: what the rules of an operator are about.
//!
//! An IPv6 address may carry an IPv4 address that the system, a tunnel or a translator at the edge of the network will connect to. Such an
//! address is of both kinds; otherwise `::ffff:127.0.0.1` would be a way around every rule about `127.0.0.1`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Anybody's: the Internet.
    Public,
    /// This machine.
    Loopback,
    /// The link, where clouds put their metadata services.
    LinkLocal,
    /// A private network: RFC 1918 and its kin, carriers' networks, benchmark networks.
    Private,
    /// Nothing that answers HTTP: multicast, broadcast, reserved.
    Unusable,
}

impl Place {
    /// What the address itself says, and what the address says that it carries.
    pub(super) fn all_of(address: IpAddr) -> impl Iterator<Item = Place> {
        let (own, carried) = match address {
            IpAddr::V4(address) => (of_v4(address), None),
            IpAddr::V6(address) => (of_v6(address), carried(address)),
        };
        std::iter::once(own).chain(carried.map(of_v4))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Public => "a public address",
            Place::Loopback => "the executor's own machine",
            Place::LinkLocal => "a link-local address",
            Place::Private => "a private network",
            Place::Unusable => "an address that no HTTP server has",
        })
    }
}

/// Azure's platform services (metadata, DNS) on an address that is public by number only.
const AZURE_PLATFORM: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

fn of_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        // To connect to 0.0.0.0 is to connect to oneself.
        [0, ..] | [127, ..] => Place::Loopback,
        [169, 254, ..] => Place::LinkLocal,
        _ if address == AZURE_PLATFORM => Place::LinkLocal,
        [10, ..] | [192, 168, ..] => Place::Private,
        [172, second, ..] if second & 0xf0 == 16 => Place::Private,
        // Carrier-grade NAT, where a cloud has its metadata service at 100.100.100.200.
        [100, second, ..] if second & 0xc0 == 64 => Place::Private,
        // Protocol assignments, where a cloud has its metadata service at 192.0.0.192.
        [192, 0, 0, _] => Place::Private,
        [198, 18 | 19, ..] => Place::Private,
        [224..=255, ..] => Place::Unusable,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Place::Unusable,
        _ => Place::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Place {
    let [first, second, ..] = address.segments();
    match first {
        _ if address.is_unspecified() || address.is_loopback() => Place::Loopback,
        0xfe80..=0xfebf => Place::LinkLocal,
        // Unique local, and site-local, which came before it.
        0xfc00..=0xfdff | 0xfec0..=0xfeff => Place::Private,
        // A translator of one's own network (RFC 8215): what is behind it is written in as many ways as there are prefixes.
        0x0064 if second == 0xff9b && address.segments()[2] != 0 => Place::Private,
        0xff00..=0xffff => Place::Unusable,
        0x2001 if second == 0x0db8 => Place::Unusable,
        0x0100 if address.segments()[1..4] == [0; 3] => Place::Unusable,
        _ => Place::Public,
    }
}

/// The IPv4 address inside, where there is one.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // The unspecified address and loopback are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped (::ffff:a.b.c.d), compatible (::a.b.c.d), translated (::ffff:0:a.b.c.d).
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => v4(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        // NAT64 at its well-known prefix (RFC 6052).
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // 6to4 (RFC 3056): 2002:a.b:c.d::.
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, .., high, low] => v4(!high, !low),
        // ISATAP (RFC 5214): an interface number 0:5efe:a.b.c.d, in any network.
        [.., 0 | 0x0200, 0x5efe, high, low] => v4(high, low),
        _ => None,
    }
}

/// Addresses with the same beginning: `10.1.0.0/16`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address is one of them. An IPv6 address that carries an IPv4 one is in the networks of both.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_beginning(network.octets(), address.octets(), self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_beginning(network.octets(), address.octets(), self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(address)) => {
                carried(address).is_some_and(|carried| self.contains(carried.into()))
            }
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same_beginning<const N: usize>(one: [u8; N], other: [u8; N], bits: u8) -> bool {
    let (whole, rest) = (usize::from(bits / 8), bits % 8);
    let mask = |at: usize| match at {
        at if at < whole => 0xff,
        at if at == whole => !(0xff_u8 >> rest),
        _ => 0,
    };
    one.iter()
        .zip(other)
        .enumerate()
        .all(|(at, (one, other))| (one ^ other) & mask(at) == 0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("`{text}` is no address and no network such as 10.0.0.0/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            Some(prefix) => prefix.parse().map_err(|_| wrong())?,
        };
        if prefix > widest {
            return Err(wrong());
        }
        Ok(Network { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<Place> {
        Place::all_of(text.parse().expect(text)).collect()
    }

    #[test]
    fn attack_32_each_address_is_of_the_kind_of_where_it_leads() {
        let all = [
            (
                Place::Public,
                "93.184.216.34 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 2606:2800:220:1::1 64:ff9b::808:808",
            ),
            (
                Place::Loopback,
                "127.0.0.1 127.255.255.255 0.0.0.0 0.1.2.3 ::1 :: ::ffff:127.0.0.1 ::127.0.0.1 ::ffff:0:127.0.0.1",
            ),
            (
                Place::Loopback,
                "64:ff9b::7f00:1 2002:7f00:1:: 2001:0:1:2:3:4:80ff:fffe fe80::5efe:7f00:1 2606:4700::200:5efe:7f00:1",
            ),
            (
                Place::LinkLocal,
                "169.254.169.254 ::ffff:169.254.169.254 fe80::1 febf::1 168.63.129.16 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1",
            ),
            (
                Place::Private,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.100.100.200 192.0.0.192 198.18.0.1 198.19.255.255",
            ),
            (
                Place::Private,
                "fc00::1 fd00:ec2::254 fec0::1 ::ffff:10.0.0.1 64:ff9b:1::7f00:1 64:ff9b:1:7f00:0:100::",
            ),
            (
                Place::Unusable,
                "224.0.0.1 255.255.255.255 240.0.0.1 192.0.2.1 203.0.113.9 ff02::1 2001:db8::1 100::1",
            ),
        ];
        for (expected, addresses) in all {
            for address in addresses.split(' ') {
                let places = places(address);
                assert!(places.contains(&expected), "{address}: {places:?}");
                // No address that anybody may use is suspected of anything.
                let other = places.iter().find(|place| **place != expected);
                assert!(
                    expected != Place::Public || other.is_none(),
                    "{address}: {places:?}"
                );
            }
        }
    }

    #[test]
    fn a_network_has_the_addresses_with_its_beginning() {
        let has = |network: &str, address: &str| {
            let network: Network = network.parse().expect(network);
            network.contains(address.parse().expect(address))
        };
        assert!(has("10.0.0.0/8", "10.255.1.2") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("10.1.128.0/17", "10.1.128.9") && !has("10.1.128.0/17", "10.1.127.9"));
        assert!(has("10.1.2.3", "10.1.2.3") && !has("10.1.2.3", "10.1.2.4"));
        assert!(has("0.0.0.0/0", "1.2.3.4") && has("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(has("fd00::/8", "fdff::1") && !has("fd00::/8", "fc00::1"));
        assert!(has("::/0", "2000::1") && !has("::/0", "1.2.3.4"));
        for wrong in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "example.com",
            "10.0.0.0/8/8",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
