//! `environments.toml` as it is written, before its rules.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) default: Option<String>,
    #[serde(default = "yes")]
    pub(super) include_local: bool,
    #[serde(default)]
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

fn seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let seconds = f64::deserialize(from)?;
    Duration::try_from_secs_f64(seconds)
        .map(Some)
        .map_err(serde::de::Error::custom)
}
