//! The way out, as all connections of a server share it: what was chosen, whom TLS trusts, which proxies there are. Made from it for each
//! connection: the client library's clients, with connections to servers that are that client's alone.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use reqwest::redirect::Policy;
use tokio::sync::Semaphore;

use super::options::HttpOptions;
use super::proxies::Proxies;
use super::resolver::Resolver;
use super::rules::HttpRules;
use super::trust::Trust;
use crate::limits;

/// What requests of all clients go by.
pub(crate) struct Egress {
    options: HttpOptions,
    rules: Arc<HttpRules>,
    proxies: Proxies,
    bundle: Option<(&'static str, PathBuf)>,
    /// Read at the first request: most servers never see one.
    trust: OnceLock<Trust>,
}

/// The client library's clients of one connection.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) direct: reqwest::Client,
    /// For what goes through a proxy.
    pub(super) proxied: Option<reqwest::Client>,
}

/// What an operator wants to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Requests go through proxies that the environment names.
    pub through_proxies: bool,
    /// Variables that name no proxy which can be used, and are passed over.
    pub no_proxies: Vec<String>,
    /// Names are refused that go through a proxy which is told addresses: the rules about these would not hold.
    pub refuses_names: bool,
    /// Why `https` is refused.
    pub trouble: Option<String>,
}

impl Outlook {
    /// What requests would go by here and now.
    pub fn new(options: &HttpOptions) -> Outlook {
        let egress = Egress::new(options.clone());
        Outlook {
            through_proxies: !egress.proxies.is_empty(),
            no_proxies: egress.proxies.unusable().to_vec(),
            refuses_names: egress.rules.look_at_addresses() && egress.proxies.look_names_up_here(),
            trouble: egress.trust().trouble.clone(),
        }
    }
}

impl Egress {
    /// By the environment of this process.
    pub(crate) fn new(options: HttpOptions) -> Egress {
        let proxies = Proxies::of(&options.proxy(), |name| std::env::var(name).ok());
        for variable in proxies.unusable() {
            tracing::warn!(
                variable,
                "it names no proxy that can be used, and http requests pass it over"
            );
        }
        let bundle = Trust::bundle(|name| std::env::var_os(name).map(PathBuf::from));
        Egress::of(options, proxies, bundle)
    }

    pub(super) fn of(
        options: HttpOptions,
        proxies: Proxies,
        bundle: Option<(&'static str, PathBuf)>,
    ) -> Egress {
        Egress {
            rules: Arc::new(options.rules.clone()),
            options,
            proxies,
            bundle,
            trust: OnceLock::new(),
        }
    }

    pub(crate) fn options(&self) -> &HttpOptions {
        &self.options
    }

    pub(super) fn rules(&self) -> &HttpRules {
        &self.rules
    }

    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// May block the first time.
    fn trust(&self) -> &Trust {
        self.trust.get_or_init(|| Trust::load(self.bundle.clone()))
    }

    /// Why `https` is refused. Known once there are clients.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trust.get()?.trouble.as_deref()
    }

    /// Clients for one connection, that have opened no connections yet. May block the first time.
    pub(super) fn clients(&self, lookups: &Arc<Semaphore>) -> Result<Clients, String> {
        let rules = self
            .rules
            .look_at_addresses()
            .then(|| Arc::clone(&self.rules));
        let build = |resolver: Arc<Resolver>, proxies: Vec<reqwest::Proxy>| {
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(self.trust().tls.clone())
                .redirect(Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .dns_resolver(resolver)
                .pool_idle_timeout(limits::HTTP_IDLE)
                .pool_max_idle_per_host(limits::HTTP_IDLE_PER_HOST)
                .http1_max_headers(limits::HTTP_HEADERS)
                .http2_max_header_list_size(limits::HTTP_HEADER_BYTES as u32)
                .http2_initial_stream_window_size(limits::HTTP_STREAM_WINDOW)
                .http2_initial_connection_window_size(limits::HTTP_CONNECTION_WINDOW);
            for proxy in proxies {
                builder = builder.proxy(proxy);
            }
            builder.build().map_err(|error| chain(&error))
        };
        let proxied = match self.proxies.is_empty() {
            true => None,
            false => {
                let proxies = self.proxies.for_client().map_err(|error| {
                    format!(
                        "a proxy of the environment cannot be used: {}",
                        chain(&error)
                    )
                })?;
                Some(build(Resolver::new(None, lookups), proxies)?)
            }
        };
        Ok(Clients {
            direct: build(Resolver::new(rules, lookups), Vec::new())?,
            proxied,
        })
    }
}

/// An error and what is behind it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}
