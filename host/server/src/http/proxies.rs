//! Proxies, as the environment names them: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, in capitals or not.
//!
//! What is loopback by its address goes through none, as the reference has it: it would be the proxy's own.
//!
//! A proxy resolves names itself, so rules about addresses cannot hold for what goes through one. That is why we decide here, for each hop,
//! whether it goes through a proxy, and do not leave it to the client library.

use hyper_util::client::proxy::matcher::Matcher;
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
}

impl Proxies {
    pub(super) fn of(choice: &ProxyChoice, variable: impl Fn(&str) -> Option<String>) -> Proxies {
        let either = |name: &str| {
            let spelled = [name.to_lowercase(), name.to_owned()];
            let mut values = spelled.iter().filter_map(|name| variable(name));
            values.find(|value| !value.trim().is_empty())
        };
        // Under CGI a request's `Proxy` header is in HTTP_PROXY (CVE-2016-5385).
        if *choice == ProxyChoice::None || variable("REQUEST_METHOD").is_some() {
            return Proxies::default();
        }
        let all = either("ALL_PROXY");
        Proxies {
            http: either("HTTP_PROXY").or_else(|| all.clone()),
            https: either("HTTPS_PROXY").or(all),
            none_for: Some(match either("NO_PROXY") {
                Some(hosts) => format!("{hosts},{LOOPBACK}"),
                None => LOOPBACK.to_owned(),
            }),
        }
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
    fn attack_32_a_request_header_of_a_gateway_makes_no_proxy() {
        assert!(proxies(&[("HTTP_PROXY", "http://evil"), ("REQUEST_METHOD", "GET")]).is_empty());
        let none = Proxies::of(&ProxyChoice::None, |_| Some("http://p".to_owned()));
        assert!(none.is_empty() && !goes_through(&none, "http://b/"));
    }
}
