//! `environments.toml` as it is written, before its rules; and what was expected, in words of the file and not of this program's types.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) default: Option<String>,
    #[serde(default = "yes")]
    pub(super) include_local: bool,
    #[serde(default, deserialize_with = "tables")]
    pub(super) environments: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) id: String,
    pub(super) url: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    pub(super) connect_timeout_sec: Option<Duration>,
    #[serde(default, deserialize_with = "seconds")]
    pub(super) initialize_timeout_sec: Option<Duration>,
    pub(super) program: Option<String>,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<BTreeMap<String, String>>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) remote: Option<String>,
    pub(super) environment_id: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) token_command: Option<String>,
    pub(super) remote_transport: Option<String>,
}

fn yes() -> bool {
    true
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    from.deserialize_any(Seconds).map(Some)
}

/// A length of time; whole numbers are taken as well.
struct Seconds;

impl Visitor<'_> for Seconds {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds, a number from 0 to 1.8e19")
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
        let wrong = |_| E::invalid_value(Unexpected::Float(seconds), &self);
        Duration::try_from_secs_f64(seconds).map_err(wrong)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(seconds), &self);
        seconds.try_into().map(Duration::from_secs).map_err(wrong)
    }
}

fn tables<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Raw>, D::Error> {
    from.deserialize_any(Tables)
}

struct Tables;

impl<'de> Visitor<'de> for Tables {
    type Value = Vec<Raw>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[[environments]] in two brackets, once for each of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, all: A) -> Result<Vec<Raw>, A::Error> {
        Deserialize::deserialize(SeqAccessDeserializer::new(all))
    }
}
