//! What shows an executor that a harness was let in: the registry's word for one harness's keys and one registration, for a short time.
//!
//! It is a signature of ours over all of it, so nothing has to be remembered, and any process with the store's key can say whether it holds.

use hmac::{Hmac, Mac};
use lockgate_relay::noise::PublicKeys;
use lockgate_relay::registry::EnvironmentId;
use sha2::Sha256;

use crate::hex::{hex, unhex};

/// What it is about.
pub(crate) struct About<'a> {
    pub(crate) environment: &'a EnvironmentId,
    pub(crate) registration: &'a str,
    pub(crate) harness: &'a PublicKeys,
}

/// Lets the bearer of a token in, until a time in seconds since 1970.
pub(crate) fn write(key: &[u8], about: &About<'_>, token: &str, expires: u64) -> String {
    let signature = hex(&mac(key, about, token, expires).finalize().into_bytes());
    format!("{token}.{expires}.{signature}")
}

/// The id of the token that it was written for, if we wrote it about this and it has not expired.
pub(crate) fn read<'a>(text: &'a str, key: &[u8], about: &About<'_>, now: u64) -> Option<&'a str> {
    let mut parts = text.split('.');
    let (token, expires, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let expires = expires.parse().ok()?;
    // In constant time.
    mac(key, about, token, expires)
        .verify_slice(&unhex(signature)?)
        .ok()?;
    (now < expires).then_some(token)
}

fn mac(key: &[u8], about: &About<'_>, token: &str, expires: u64) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    // Nothing else that this key signs may be taken for an authorization.
    mac.update(b"lockgate harness key authorization v1\n");
    // Our own type can be written, always in the same way.
    let keys = serde_json::to_vec(about.harness).unwrap_or_default();
    let expires = expires.to_string();
    let parts = [
        about.environment.as_str().as_bytes(),
        about.registration.as_bytes(),
        &keys,
        token.as_bytes(),
        expires.as_bytes(),
    ];
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_relay::noise::Identity;

    #[test]
    fn it_holds_for_these_keys_this_registration_and_this_time_only() {
        let environment: EnvironmentId = "box".parse().expect("a name");
        let other: EnvironmentId = "other".parse().expect("a name");
        let (mine, yours) = (Identity::generate(), Identity::generate());
        let about = About {
            environment: &environment,
            registration: "one",
            harness: mine.public(),
        };
        let text = write(b"key", &about, "token", 100);
        assert!(text.len() < 4_096);
        assert_eq!(read(&text, b"key", &about, 99), Some("token"));
        assert_eq!(read(&text, b"key", &about, 100), None);
        assert_eq!(read(&text, b"other", &about, 99), None);
        for wrong in [
            About {
                environment: &other,
                ..about
            },
            About {
                registration: "two",
                ..about
            },
            About {
                harness: yours.public(),
                ..about
            },
        ] {
            assert_eq!(read(&text, b"key", &wrong, 99), None);
        }
        for forged in [
            text.replace("token", "taken"),
            text.replace(".100.", ".999."),
            text.replace('.', ""),
            format!("{text}.x"),
        ] {
            assert_eq!(read(&forged, b"key", &about, 99), None, "{forged}");
        }
    }
}
