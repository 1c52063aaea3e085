//! Hosts that a policy lists.

/// A host, or with `*.` before it, every host below a domain: `*.example.com` is `a.example.com` and `a.b.example.com`, and neither
/// `example.com` nor `badexample.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// In lower case, without a dot at the end.
    name: String,
    below: bool,
}

impl HostPattern {
    /// Reads one: a name or an address (IPv6 without brackets), no scheme, port or path.
    pub fn parse(text: &str) -> Result<HostPattern, String> {
        let lower = text.to_ascii_lowercase();
        let (below, name) = match lower.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, &*lower),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_address = name.parse::<std::net::IpAddr>().is_ok();
        let is_name = name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
        if !is_address && !is_name {
            return Err(format!(
                "{text:?} is no host: write a name, an address or `*.` and a domain, without scheme, port and path"
            ));
        }
        // `*.0.0.1` would be the address 127.0.0.1, and every other one that ends so.
        let ends_in_number = name
            .rsplit('.')
            .next()
            .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
        if below && (is_address || ends_in_number) {
            return Err(format!("{text:?}: there is nothing below an address"));
        }
        Ok(HostPattern {
            name: name.to_owned(),
            below,
        })
    }

    /// A request's host is this one, or one of these.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let Some(split) = host.len().checked_sub(self.name.len()) else {
            return false;
        };
        let (before, name) = host.as_bytes().split_at(split);
        name.eq_ignore_ascii_case(self.name.as_bytes())
            && match self.below {
                false => before.is_empty(),
                true => before.len() > 1 && before.ends_with(b"."),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, host: &str) -> bool {
        HostPattern::parse(pattern)
            .expect("a pattern")
            .matches(host)
    }

    #[test]
    fn a_host_is_matched_whole() {
        for (pattern, host) in [
            ("example.com", "example.com"),
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("example.com", "example.com."),
            ("example.com", "EXAMPLE.com"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("*.example.com", "a.example.com"),
            ("*.example.com", "a.b.example.com"),
        ] {
            assert!(matches(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("example.com", "example.com.evil.org"),
            ("example.com", "badexample.com"),
            ("example.com", "a.example.com"),
            ("example.com", "example.co"),
            ("*.example.com", "example.com"),
            ("*.example.com", ".example.com"),
            ("*.example.com", "badexample.com"),
            ("*.example.com", "a.example.com.evil.org"),
            ("*.example.com", ""),
            ("127.0.0.1", "1127.0.0.1"),
            ("a", "ä"),
        ] {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.*.com",
            "a.*.com",
            "*example.com",
            "https://example.com",
            "example.com/",
            "example.com:443",
            "[::1]",
            "a..b",
            ".example.com",
            "user@example.com",
            "exämple.com",
            "*.0.0.1",
            "*.::1",
            "*.127.0.0.1",
            "a b",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text:?}");
        }
    }
}
