//! `[http]`: whether clients may have HTTP requests sent from here, and where to.

use lockgate_server::{HttpOptions, HttpRules, ProxyChoice};
use serde::Deserialize;
use toml::Spanned;

use super::document::Place;
use crate::failure::Failure;

/// The table as it stands in the file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    enabled: Option<bool>,
    allow_hosts: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    deny_hosts: Vec<Spanned<String>>,
    ports: Option<Vec<Spanned<u16>>>,
    #[serde(default)]
    loopback: Access,
    #[serde(default)]
    link_local: Access,
    #[serde(default)]
    private: Access,
    #[serde(default)]
    allow_addresses: Vec<Spanned<String>>,
    #[serde(default)]
    deny_addresses: Vec<Spanned<String>>,
    proxy: Option<Proxy>,
    #[serde(default)]
    header_env_vars: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Access {
    #[default]
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Proxy {
    Environment,
    None,
}

/// Checks it.
pub(super) fn options(table: Table, at: &Place<'_>) -> Result<HttpOptions, Failure> {
    let denied = |access: Access| access == Access::Deny;
    let nothing_denied = [&table.loopback, &table.link_local, &table.private]
        .iter()
        .all(|access| **access == Access::Allow);
    // It looks like a list of all that is allowed, and would not be one.
    if let (true, Some(first)) = (nothing_denied, table.allow_addresses.first()) {
        let what = "`allow_addresses` makes exceptions from `loopback`, `link_local` or `private` = \"deny\", and none of these is there";
        return Err(at.mistake(first.span(), what));
    }
    let rules = HttpRules {
        allow_hosts: match table.allow_hosts {
            None => None,
            Some(hosts) => Some(all("allow_hosts", hosts, at)?),
        },
        deny_hosts: all("deny_hosts", table.deny_hosts, at)?,
        ports: match table.ports {
            None => None,
            Some(ports) => Some(self::ports(ports, at)?),
        },
        deny_loopback: denied(table.loopback),
        deny_link_local: denied(table.link_local),
        deny_private: denied(table.private),
        allow_addresses: all("allow_addresses", table.allow_addresses, at)?,
        deny_addresses: all("deny_addresses", table.deny_addresses, at)?,
    };
    Ok(HttpOptions {
        enabled: table.enabled.unwrap_or(true),
        rules,
        proxy: table.proxy.map(|proxy| match proxy {
            Proxy::Environment => ProxyChoice::Environment,
            Proxy::None => ProxyChoice::None,
        }),
        header_env_vars: names(table.header_env_vars, at)?,
    })
}

fn all<T>(key: &str, texts: Vec<Spanned<String>>, at: &Place<'_>) -> Result<Vec<T>, Failure>
where
    T: std::str::FromStr<Err = String>,
{
    let parsed = texts.into_iter().map(|text| {
        let parsed = text.as_ref().parse();
        parsed.map_err(|why| at.mistake(text.span(), &format!("`{key}`: {why}")))
    });
    parsed.collect()
}

fn ports(ports: Vec<Spanned<u16>>, at: &Place<'_>) -> Result<Vec<u16>, Failure> {
    let checked = ports.into_iter().map(|port| match *port.as_ref() {
        0 => Err(at.mistake(port.span(), "`ports`: there is no port 0")),
        port => Ok(port),
    });
    checked.collect()
}

fn names(names: Vec<Spanned<String>>, at: &Place<'_>) -> Result<Vec<String>, Failure> {
    let checked = names.into_iter().map(|name| {
        if name.as_ref().is_empty() || name.as_ref().contains(['=', '\0']) {
            let what =
                "`header_env_vars`: a name of an environment variable is not empty and has no `=`";
            return Err(at.mistake(name.span(), what));
        }
        Ok(name.into_inner())
    });
    checked.collect()
}
