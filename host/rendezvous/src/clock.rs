//! The clock on the wall. It says until when tokens, signed URLs and words for harnesses are good, since these outlive processes and pass between machines; nothing else
//! does: how long something waits is measured by a clock that only goes on ([`std::time::Instant`]).
//!
//! Clocks of walls are set. One that jumps ahead ends what is good only for a time, also the connections that were opened with it; URLs of a minute are asked for again.
//! One that jumps back makes good again what had expired after the time that it shows. What is revoked stays so, and what is connected, sent or waited for notices neither.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockgate_relay::noise::Identity;

    use crate::authorization::{self, About};
    use crate::known::Known;
    use crate::signed::{NoPass, Pass, Side};
    use crate::token::{Token, TokenRole};

    const MADE: u64 = 1_800_000_000;
    const EXPIRES: u64 = MADE + 60;

    /// Where a clock may be set, and whether what was made for a minute is good then.
    const JUMPS: [(u64, bool); 7] = [
        (MADE, true),
        (EXPIRES - 1, true),
        (EXPIRES, false),
        (u64::MAX, false),
        // Back to before it was made, and on again.
        (0, true),
        (MADE + 1, true),
        (EXPIRES + 1, false),
    ];

    fn token() -> (String, Token) {
        let token = Token {
            id: String::new(),
            sha256: String::new(),
            environment: "box".to_owned(),
            role: TokenRole::Both,
            tenant: "t".to_owned(),
            created: MADE,
            expires: Some(EXPIRES),
        };
        token.issue(b"secret")
    }

    #[test]
    fn a_clock_that_jumps_moves_when_tokens_urls_and_words_expire() {
        let environment = "box".parse().expect("a name");
        let keys = Identity::generate();
        let about = About {
            environment: &environment,
            registration: "one",
            harness: keys.public(),
        };
        let (_, token) = token();
        let word = authorization::write(b"key", &about, &token.id, EXPIRES);
        let pass = Pass {
            side: Side::Executor,
            environment: environment.clone(),
            token: token.id.clone(),
            registration: "one".to_owned(),
            encrypts: true,
            expires: EXPIRES,
        };
        let url = pass.query(b"key");
        for (now, is_good) in JUMPS {
            assert_eq!(!token.is_expired(now), is_good, "{now}");
            let read = Pass::read(&url, b"key", Duration::from_secs(now));
            let expected = if is_good {
                Ok(pass.clone())
            } else {
                Err(NoPass::Expired)
            };
            assert_eq!(read, expected, "{now}");
            let word = authorization::read(&word, b"key", &about, now);
            assert_eq!(word.is_some(), is_good, "{now}");
        }
    }

    #[test]
    fn what_was_revoked_is_not_made_good_by_any_clock() {
        let (secret, token) = token();
        let mut known = Known::default();
        known.insert(token.clone());
        assert!(known.find(&secret).is_some() && known.named(&token.id).is_some());
        known.remove(&token.id);
        // Nobody is asked what time it is.
        assert!(known.find(&secret).is_none() && known.named(&token.id).is_none());
    }

    #[test]
    fn a_token_without_an_end_is_good_at_any_time() {
        let (_, token) = token();
        let token = Token {
            expires: None,
            ..token
        };
        assert!(JUMPS.iter().all(|(now, _)| !token.is_expired(*now)));
    }
}
