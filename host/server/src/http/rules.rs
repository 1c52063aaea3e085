//! What an operator lets clients ask of the network: hosts and ports by their names, addresses by where they lead.
//!
//! Rules about names are looked at in the URL of each hop. Rules about addresses are looked at where a name has just been resolved, and the
//! connection goes to exactly the addresses that passed ([`super::resolver`]): a name that leads elsewhere a moment later changes nothing.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use super::address::{Network, Place};

/// What requests may reach. The default is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRules {
    /// Where it is set: only these hosts.
    pub allow_hosts: Option<Vec<HostPattern>>,
    /// Not these, whatever else is said.
    pub deny_hosts: Vec<HostPattern>,
    /// Where it is set: only these ports.
    pub ports: Option<Vec<u16>>,
    /// Not the executor's own machine.
    pub deny_loopback: bool,
    /// Nothing link-local, such as the metadata services of clouds.
    pub deny_link_local: bool,
    /// No private networks.
    pub deny_private: bool,
    /// Exceptions from the three before.
    pub allow_addresses: Vec<Network>,
    /// Not these, whatever else is said.
    pub deny_addresses: Vec<Network>,
}

/// A host by its name or, with `*.` in front, all names below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// As a URL would have it: in lower case, in ASCII, without a dot at the end.
    name: String,
    below: bool,
}

/// Why the rules refuse something, for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the operator's [http] rules refuse {what}: {reason}; ask the operator, or use another host"
)]
pub(crate) struct Refused {
    what: String,
    reason: String,
}

impl HttpRules {
    /// Whether addresses matter.
    pub fn look_at_addresses(&self) -> bool {
        self.deny_loopback
            || self.deny_link_local
            || self.deny_private
            || !self.deny_addresses.is_empty()
    }

    /// Whether anything is refused at all.
    pub fn refuse_something(&self) -> bool {
        self.look_at_addresses()
            || self.allow_hosts.is_some()
            || !self.deny_hosts.is_empty()
            || self.ports.is_some()
    }

    /// Looks at a URL; a host that is an address is looked at as one. Names are resolved later.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), Refused> {
        let host = host(url);
        let refused = |reason: &str| Refused {
            what: format!("`{host}`"),
            reason: reason.to_owned(),
        };
        if self.deny_hosts.iter().any(|pattern| pattern.matches(host)) {
            return Err(refused("the host is denied"));
        }
        if let Some(allowed) = &self.allow_hosts
            && !allowed.iter().any(|pattern| pattern.matches(host))
        {
            return Err(refused("the host is none of those allowed"));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if let Some(ports) = &self.ports
            && !ports.contains(&port)
        {
            return Err(refused(&format!("port {port} is none of those allowed")));
        }
        match host.parse() {
            Ok(address) => self.check_address(host, address),
            Err(_) => Ok(()),
        }
    }

    /// Looks at an address of `host`. The address is not told: it may be inside a network that the client should learn nothing of.
    pub(super) fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let among = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        let refused = |reason: String| Refused {
            what: format!("`{host}`"),
            reason,
        };
        if among(&self.deny_addresses) {
            return Err(refused("it leads to an address that is denied".to_owned()));
        }
        if !self.look_at_addresses() || among(&self.allow_addresses) {
            return Ok(());
        }
        let denied = |place: &Place| match place {
            Place::Public => false,
            Place::Loopback => self.deny_loopback,
            Place::LinkLocal => self.deny_link_local,
            Place::Private => self.deny_private,
            // No server is lost with them, and some systems send them to themselves.
            Place::Unusable => self.deny_loopback || self.deny_link_local || self.deny_private,
        };
        match Place::all_of(address).find(denied) {
            Some(place) => Err(refused(format!("it leads to {place}"))),
            None => Ok(()),
        }
    }
}

/// The host of an http URL: in lower case, an IPv6 address without its brackets, a name without the dot that may end it.
pub(super) fn host(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or_else(|| host.strip_suffix('.').unwrap_or(host))
}

impl HostPattern {
    fn matches(&self, host: &str) -> bool {
        match self.below {
            false => host == self.name,
            true => host
                .strip_suffix(&self.name)
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<HostPattern, String> {
        let wrong = || format!("`{text}` is no host such as example.com or *.example.com");
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        // As in a URL, too.
        let address = |name: &str| name.parse::<std::net::Ipv6Addr>().is_ok();
        let inside = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .filter(|name| address(name));
        let name = inside.unwrap_or(name);
        // As the URLs that it will be compared with.
        let bare: Option<IpAddr> = name.parse().ok();
        let written = match bare {
            Some(IpAddr::V6(address)) => format!("http://[{address}]/"),
            _ => format!("http://{name}/"),
        };
        let url = Url::parse(&written).map_err(|_| wrong())?;
        let only_a_host = url.path() == "/"
            && url.port().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !name.contains(['/', ':', '@', '?', '#', '*', '\\']);
        let name = host(&url);
        let named = !name.is_empty() && (only_a_host || bare.is_some());
        if !named || below && name.parse::<IpAddr>().is_ok() {
            return Err(wrong());
        }
        Ok(HostPattern {
            name: name.to_owned(),
            below,
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(all: &[&str]) -> Vec<HostPattern> {
        all.iter().map(|one| one.parse().expect(one)).collect()
    }

    fn passes(rules: &HttpRules, url: &str) -> bool {
        rules.check_url(&Url::parse(url).expect(url)).is_ok()
    }

    #[test]
    fn attack_02_a_host_that_only_begins_or_ends_like_an_allowed_one_is_another() {
        let rules = HttpRules {
            allow_hosts: Some(patterns(&[
                "example.com",
                "*.example.org",
                "10.0.0.1",
                "[2001:db8::1]",
            ])),
            ..HttpRules::default()
        };
        for url in [
            "http://example.com",
            "https://EXAMPLE.com:8443/a",
            "http://example.com./",
            "http://a.example.org",
            "http://a.b.example.org.",
            "http://10.0.0.1/",
            "http://0xa.1/",
            "http://[2001:db8:0::1]:1/",
        ] {
            assert!(passes(&rules, url), "{url}");
        }
        for url in [
            "http://example.com.evil.net",
            "http://evilexample.com",
            "http://evil-example.org",
            "http://example.org",
            "http://a.example.com",
            "http://example.com@evil.net/",
            "http://evil.net/?example.com",
            "http://evil.net#@example.com",
            "http://10.0.0.11",
            "http://.example.org/",
        ] {
            assert!(!passes(&rules, url), "{url}");
        }
    }

    #[test]
    fn attack_32_addresses_in_every_spelling_are_looked_at() {
        let rules = HttpRules {
            deny_loopback: true,
            deny_link_local: true,
            deny_private: true,
            allow_addresses: vec!["10.7.0.0/16".parse().expect("a network")],
            deny_addresses: vec![
                "10.7.7.7".parse().expect("an address"),
                "8.8.4.4".parse().expect("an address"),
            ],
            ..HttpRules::default()
        };
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[0:0:0:0:0:ffff:7f00:1]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://169.254.43518/",
            "http://１２７.0.0.1/",
            "http://127.0.0.1./",
            "http://192.168.0.1/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::5efe:8.8.8.8]/",
            "http://10.7.7.7/",
            "http://[::ffff:10.7.7.7]/",
            "http://8.8.4.4/",
            "http://255.255.255.255/",
        ] {
            assert!(!passes(&rules, url), "{url}");
        }
        for url in [
            "http://10.7.1.1/",
            "http://8.8.8.8/",
            "http://[2606:4700::1111]/",
            "http://name/",
        ] {
            assert!(passes(&rules, url), "{url}");
        }
    }

    #[test]
    fn each_rule_is_about_its_own() {
        let only = |rules: HttpRules| {
            [
                "http://127.0.0.1",
                "http://169.254.1.1",
                "http://10.0.0.1",
                "http://8.8.8.8",
            ]
            .map(|url| passes(&rules, url))
        };
        let all = HttpRules::default();
        assert_eq!(only(all.clone()), [true; 4]);
        assert!(!all.refuse_something());
        assert_eq!(
            only(HttpRules {
                deny_loopback: true,
                ..all.clone()
            }),
            [false, true, true, true]
        );
        assert_eq!(
            only(HttpRules {
                deny_link_local: true,
                ..all.clone()
            }),
            [true, false, true, true]
        );
        assert_eq!(
            only(HttpRules {
                deny_private: true,
                ..all.clone()
            }),
            [true, true, false, true]
        );
        let ports = HttpRules {
            ports: Some(vec![443]),
            ..all.clone()
        };
        assert!(
            passes(&ports, "https://a/")
                && passes(&ports, "http://a:443/")
                && !passes(&ports, "http://a/")
        );
        let denied = HttpRules {
            deny_hosts: patterns(&["*.corp"]),
            ..all
        };
        assert!(!passes(&denied, "http://a.corp") && passes(&denied, "http://corp"));
    }

    #[test]
    fn a_pattern_is_a_host_and_nothing_else() {
        for wrong in [
            "",
            "*",
            "*.",
            "a/b",
            "a:80",
            "http://a",
            "u@a",
            "a?b",
            "a#b",
            "a b",
            "*.*.a",
            "a.*",
            "*.10.0.0.1",
            "[::1",
            "[a]",
            "*.[::1]",
        ] {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
        for (text, shown) in [
            ("Example.COM.", "example.com"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("bücher.de", "xn--bcher-kva.de"),
        ] {
            assert_eq!(text.parse::<HostPattern>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn a_refusal_says_what_and_why_and_no_address() {
        let rules = HttpRules {
            deny_private: true,
            ..HttpRules::default()
        };
        let refused = rules.check_address("db.corp", "10.1.2.3".parse().expect("an address"));
        assert_eq!(
            refused.expect_err("refused").to_string(),
            "the operator's [http] rules refuse `db.corp`: it leads to a private network; ask the operator, or use another host"
        );
    }
}
