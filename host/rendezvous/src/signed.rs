//! Signed URLs: who holds one may connect in the role that it names, until it expires.

use std::time::Duration;

use hmac::{Hmac, Mac};
use lockgate_relay::registry::EnvironmentId;
use sha2::Sha256;
use url::form_urlencoded;

use crate::hex::{hex, unhex};

/// The path of the websocket.
pub(crate) const PATH: &str = "/rendezvous";

/// Which end connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Executor,
    Harness,
}

/// What a signed URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) side: Side,
    pub(crate) environment: EnvironmentId,
    /// The id of the token that it was given for.
    pub(crate) token: String,
    /// The registration that an executor connects for.
    pub(crate) registration: String,
    /// The registration was with keys, for encrypted streams.
    pub(crate) encrypts: bool,
    /// In seconds since 1970.
    pub(crate) expires: u64,
}

/// Why a query is no pass.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPass {
    #[error("the URL is not one of this rendezvous: ask the registry for one")]
    Malformed,
    #[error("the URL's signature is wrong: ask the registry for another one")]
    Signature,
    #[error("the URL has expired: ask the registry for another one")]
    Expired,
}

impl Side {
    fn role(self) -> &'static str {
        match self {
            Side::Executor => "environment",
            Side::Harness => "harness",
        }
    }
}

impl Pass {
    /// As a query, signed.
    pub(crate) fn query(&self, key: &[u8]) -> String {
        let mut query = self.unsigned();
        let signature = hex(&mac(key, &query).finalize().into_bytes());
        query.push_str("&signature=");
        query.push_str(&signature);
        query
    }

    fn unsigned(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("role", self.side.role())
            .append_pair("environment_id", self.environment.as_str())
            .append_pair("registration", &self.registration)
            .append_pair("encrypts", if self.encrypts { "1" } else { "0" })
            .append_pair("token", &self.token)
            .append_pair("expires", &self.expires.to_string())
            .finish()
    }

    /// Reads one that this key has signed.
    pub(crate) fn read(query: &str, key: &[u8], now: Duration) -> Result<Pass, NoPass> {
        let (mut side, mut environment, mut token) = (None, None, None);
        let (mut registration, mut expires, mut signature) = (None, None, None);
        let mut encrypts = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "role" => {
                    side = match &*value {
                        "environment" => Some(Side::Executor),
                        "harness" => Some(Side::Harness),
                        _ => None,
                    }
                }
                "environment_id" => environment = value.parse().ok(),
                "encrypts" => encrypts = Some(value == "1"),
                "registration" => registration = Some(value.into_owned()),
                "token" => token = Some(value.into_owned()),
                "expires" => expires = value.parse().ok(),
                "signature" => signature = Some(value.into_owned()),
                // Clients may add their own.
                _ => {}
            }
        }
        let pass = (|| {
            Some(Pass {
                side: side?,
                environment: environment?,
                token: token?,
                registration: registration?,
                encrypts: encrypts?,
                expires: expires?,
            })
        })()
        .ok_or(NoPass::Malformed)?;
        let signature = signature
            .as_deref()
            .and_then(unhex)
            .ok_or(NoPass::Malformed)?;
        // In constant time.
        mac(key, &pass.unsigned())
            .verify_slice(&signature)
            .map_err(|_| NoPass::Signature)?;
        if pass.expires <= now.as_secs() {
            return Err(NoPass::Expired);
        }
        Ok(pass)
    }
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    // Nothing else that this key signs may be taken for a URL.
    mac.update(b"lockgate rendezvous url v1\n");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass() -> Pass {
        Pass {
            side: Side::Harness,
            environment: "box".parse().expect("a name"),
            token: "0123".to_owned(),
            registration: "a&b=c".to_owned(),
            encrypts: true,
            expires: 100,
        }
    }

    #[test]
    fn a_signed_query_is_read_again_and_ends() {
        let query = pass().query(b"key");
        let at = Duration::from_secs;
        assert!(
            query.split('&').any(|pair| pair == "role=harness"),
            "{query}"
        );
        assert_eq!(Pass::read(&query, b"key", at(99)), Ok(pass()));
        assert_eq!(Pass::read(&query, b"key", at(100)), Err(NoPass::Expired));
        assert_eq!(Pass::read(&query, b"other", at(99)), Err(NoPass::Signature));
    }

    #[test]
    fn whatever_is_changed_breaks_the_signature() {
        let query = pass().query(b"key");
        for (from, to) in [
            ("harness", "environment"),
            ("box", "cox"),
            ("0123", "0124"),
            ("expires=100", "expires=1000"),
            ("registration=a", "registration=b"),
            ("encrypts=1", "encrypts=0"),
        ] {
            let forged = query.replacen(from, to, 1);
            assert_ne!(forged, query);
            let read = Pass::read(&forged, b"key", Duration::from_secs(99));
            assert_eq!(read, Err(NoPass::Signature), "{forged}");
        }
        let cut = query.replace("&signature=", "&unsigned=");
        assert_eq!(
            Pass::read(&cut, b"key", Duration::ZERO),
            Err(NoPass::Malformed)
        );
    }
}
