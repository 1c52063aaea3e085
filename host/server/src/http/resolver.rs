//! From a name to the addresses that a connection may go to. What the rules refuse is left out here, between the look-up and the connection:
//! the connector gets these addresses and never asks again.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::rules::HttpRules;

/// Asks the system, like any program here.
pub(super) struct Resolver {
    /// None: every address will do, as for a proxy that the operator named.
    rules: Option<Arc<HttpRules>>,
    /// Of one connection.
    lookups: Arc<Semaphore>,
}

impl Resolver {
    pub(super) fn new(rules: Option<Arc<HttpRules>>, lookups: &Arc<Semaphore>) -> Arc<Resolver> {
        Arc::new(Resolver {
            rules,
            lookups: Arc::clone(lookups),
        })
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules.clone();
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let name = name.as_str();
            // The semaphore is never closed.
            let place = lookups.acquire().await;
            // Port 0 stands for the URL's own.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
            drop(place);
            let passed = match &rules {
                None => found,
                Some(rules) => pass(rules, name, found)?,
            };
            Ok(Box::new(passed.into_iter()) as Addrs)
        })
    }
}

/// Those that the rules let through; the first refusal where none is.
fn pass(
    rules: &HttpRules,
    name: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, super::rules::Refused> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut refused = None;
    let mut passed = Vec::with_capacity(found.len());
    for address in found {
        match rules.check_address(name, address.ip()) {
            Ok(()) => passed.push(address),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    match refused {
        Some(why) if passed.is_empty() => Err(why),
        _ => Ok(passed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_32_of_a_name_with_several_addresses_only_those_that_pass_are_used() {
        let rules = HttpRules {
            deny_private: true,
            ..HttpRules::default()
        };
        let all = |texts: &[&str]| -> Vec<SocketAddr> {
            let parsed = texts.iter().map(|text| text.parse().expect("an address"));
            parsed.collect()
        };
        let mixed = all(&["10.0.0.1:0", "8.8.8.8:0", "[fd00::1]:0"]);
        assert_eq!(pass(&rules, "a", mixed), Ok(all(&["8.8.8.8:0"])));
        assert!(pass(&rules, "a", all(&["10.0.0.1:0", "[::ffff:10.0.0.1]:0"])).is_err());
        assert_eq!(pass(&rules, "a", Vec::new()), Ok(Vec::new()));
    }
}
