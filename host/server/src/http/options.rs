//! What an operator may choose about `http/request`.

use super::proxies::ProxyChoice;
use super::rules::HttpRules;

/// How `http/request` is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// False: clients are told that this executor does not have the method.
    pub enabled: bool,
    /// What requests may reach.
    pub rules: HttpRules,
    /// Where nothing is chosen: the proxies of the environment, or none where there are rules about addresses, which only hold for
    /// connections of our own.
    pub proxy: Option<ProxyChoice>,
    /// The environment variables whose values clients may have put into headers (`valueEnvVar`).
    pub header_env_vars: Vec<String>,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            enabled: true,
            rules: HttpRules::default(),
            proxy: None,
            header_env_vars: Vec::new(),
        }
    }
}

impl HttpOptions {
    /// Which proxies hold.
    pub fn proxy(&self) -> ProxyChoice {
        match &self.proxy {
            Some(choice) => choice.clone(),
            None if self.rules.look_at_addresses() => ProxyChoice::None,
            None => ProxyChoice::Environment,
        }
    }
}
