//! Proxies, as the environment names them: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, in capitals or not.
//!
//! What is loopback by its address goes through none, as the reference has it: it would be the proxy's own.
//!
//! A proxy resolves names itself, so rules about addresses cannot hold for what goes through one. That is why we decide here, for each hop,
//! whether it goes through a proxy, and do not leave it to the client library.

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{NoProxy, Url};

/// Which no proxy is asked for. Names that lead there, such as localhost, are for `NO_PROXY` to say.
const LOOPBACK: &str = "127.0.0.0/8,::1";

/// Which proxies requests go through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// Those of the environment.
    #[default]
    Environment,
    /// None, whatever the environment says.
    None,
}

/// The proxies that there are.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    http: Option<String>,
    https: Option<String>,
    none_for: Option<String>,
    /// Variables whose value is no proxy that can be used. Requests for which they count go through none.
    unusable: Vec<String>,
}

impl Proxies {
    pub(super) fn of(choice: &ProxyChoice, variable: impl Fn(&str) -> Option<String>) -> Proxies {
        let either = |name: &str| {
            let spelled = [name.to_lowercase(), name.to_owned()];
            let mut values = spelled
                .into_iter()
                .filter_map(|name| Some((variable(&name)?, name)));
            values.find(|(value, _)| !value.trim().is_empty())
        };
        // Under CGI a request's `Proxy` header is in HTTP_PROXY (CVE-2016-5385).
        if *choice == ProxyChoice::None || variable("REQUEST_METHOD").is_some() {
            return Proxies::default();
        }
        let all = either("ALL_PROXY");
        let mut unusable = Vec::new();
        let mut usable = |(value, name): (String, String)| {
            if is_usable(&value) {
                return Some(value);
            }
            if !unusable.contains(&name) {
                unusable.push(name);
            }
            None
        };
        Proxies {
            http: either("HTTP_PROXY")
                .or_else(|| all.clone())
                .and_then(&mut usable),
            https: either("HTTPS_PROXY").or(all).and_then(&mut usable),
            none_for: Some(match either("NO_PROXY") {
                Some((hosts, _)) => format!("{hosts},{LOOPBACK}"),
                None => LOOPBACK.to_owned(),
            }),
            unusable,
        }
    }

    /// Variables that name no proxy that can be used: where one counts, there is none.
    pub(super) fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// One of them is told addresses, for names that are looked up here.
    pub(super) fn look_names_up_here(&self) -> bool {
        let mut all = self.http.iter().chain(&self.https);
        all.any(|value| {
            let alone = Matcher::builder().all(value.clone()).build();
            Route(alone).looks_its_name_up_here(&nowhere())
        })
    }

    /// There is none.
    pub(super) fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// Tells which URLs go through one.
    pub(super) fn route(&self) -> Route {
        let matcher = Matcher::builder()
            .http(self.http.clone().unwrap_or_default())
            .https(self.https.clone().unwrap_or_default())
            .no(self.none_for.clone().unwrap_or_default())
            .build();
        Route(matcher)
    }

    /// The same for the client library.
    pub(super) fn for_client(&self) -> reqwest::Result<Vec<reqwest::Proxy>> {
        let none_for = self.none_for.as_deref().and_then(NoProxy::from_string);
        let http = self.http.as_deref().map(reqwest::Proxy::http);
        let https = self.https.as_deref().map(reqwest::Proxy::https);
        let all = http.into_iter().chain(https);
        all.map(|proxy| Ok(proxy?.no_proxy(none_for.clone())))
            .collect()
    }
}

/// Which URLs go through a proxy.
pub(super) struct Route(Matcher);

impl Route {
    pub(super) fn is_through_a_proxy(&self, url: &Url) -> bool {
        let uri = url.as_str().parse();
        uri.is_ok_and(|uri| self.0.intercept(&uri).is_some())
    }

    /// Whether a proxy is told an address where the URL has a name: then nobody but the client library has seen that address.
    pub(super) fn looks_its_name_up_here(&self, url: &Url) -> bool {
        let Ok(uri) = url.as_str().parse() else {
            return false;
        };
        let is_name = url.domain().is_some();
        let told_addresses =
            |found: Intercept| matches!(found.uri().scheme_str(), Some("socks4" | "socks5"));
        is_name && self.0.intercept(&uri).is_some_and(told_addresses)
    }
}

/// A URL that no proxy is spared.
fn nowhere() -> Url {
    Url::parse("http://name.invalid/").expect("a URL")
}

fn is_usable(value: &str) -> bool {
    let alone = Matcher::builder().all(value.to_owned()).build();
    Route(alone).is_through_a_proxy(&nowhere()) && reqwest::Proxy::all(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(set: &'static [(&str, &str)]) -> Proxies {
        Proxies::of(&ProxyChoice::Environment, move |name| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn goes_through(proxies: &Proxies, url: &str) -> bool {
        let url = Url::parse(url).expect(url);
        proxies.route().is_through_a_proxy(&url)
    }

    #[test]
    fn the_environment_says_what_goes_through_a_proxy() {
        let all = proxies(&[
            ("ALL_PROXY", "socks5h://p:1080"),
            ("no_proxy", "a.corp,10.0.0.0/8"),
        ]);
        assert!(goes_through(&all, "http://b/") && goes_through(&all, "https://b/"));
        assert!(
            !goes_through(&all, "http://x.a.corp/") && !goes_through(&all, "https://10.1.1.1/")
        );
        for url in [
            "http://127.0.0.1:1/",
            "https://127.9.9.9/",
            "http://[::1]:1/",
            "http://0x7f.1/",
        ] {
            assert!(!goes_through(&all, url), "{url}");
        }
        assert!(goes_through(&all, "http://localhost/"));
        let none = proxies(&[("ALL_PROXY", "http://p"), ("NO_PROXY", "*")]);
        assert!(!goes_through(&none, "http://b/"));
        let one = proxies(&[("http_proxy", "p:3128"), ("HTTPS_PROXY", " ")]);
        assert!(goes_through(&one, "http://b/") && !goes_through(&one, "https://b/"));
        assert_eq!(one.for_client().expect("proxies").len(), 1);
    }

    #[test]
    fn what_is_no_proxy_is_passed_over_by_name_and_takes_no_other_ones_place() {
        let some = proxies(&[("http_proxy", "ftp://p"), ("ALL_PROXY", "socks5h://p:1080")]);
        assert_eq!(some.unusable(), ["http_proxy"]);
        assert!(!goes_through(&some, "http://b/") && goes_through(&some, "https://b/"));
        let none = proxies(&[("ALL_PROXY", "htpp://p:3128")]);
        assert!(none.is_empty());
        assert_eq!(none.unusable(), ["ALL_PROXY"]);
        for good in [
            "p:3128",
            "http://u:w@p",
            "https://p",
            "socks4://p",
            "socks4a://p",
            "socks5://p",
            "socks5h://p",
        ] {
            assert!(is_usable(good), "{good}");
        }
        for bad in ["ftp://p", "htpp://p:1", "socks://p", "http://", "not a URL"] {
            assert!(!is_usable(bad), "{bad}");
        }
    }

    #[test]
    fn attack_32_only_names_for_proxies_that_are_told_addresses_are_looked_up_here() {
        for (proxy, here) in [
            ("socks5://p", true),
            ("socks4://p", true),
            ("socks5h://p", false),
            ("socks4a://p", false),
            ("http://p", false),
        ] {
            let all = Proxies::of(&ProxyChoice::Environment, |name| {
                (name == "ALL_PROXY").then(|| proxy.to_owned())
            });
            assert_eq!(all.look_names_up_here(), here, "{proxy}");
            let route = all.route();
            let is_here = |url| route.looks_its_name_up_here(&Url::parse(url).expect("a URL"));
            assert_eq!(is_here("http://localhost/"), here, "{proxy}");
            assert_eq!(is_here("https://b:1/"), here, "{proxy}");
            // An address is looked at as it is written, and what goes through none is looked up with the rules.
            assert!(!is_here("http://8.8.8.8/") && !is_here("http://[2001:db8::1]/"));
            assert!(!is_here("http://127.0.0.1/"));
        }
    }

    #[test]
    fn attack_32_a_request_header_of_a_gateway_makes_no_proxy() {
        assert!(proxies(&[("HTTP_PROXY", "http://evil"), ("REQUEST_METHOD", "GET")]).is_empty());
        let none = Proxies::of(&ProxyChoice::None, |_| Some("http://p".to_owned()));
        assert!(none.is_empty() && !goes_through(&none, "http://b/"));
    }
}
