//! What an operator chooses. How it is written in a configuration file is not this crate's concern, but the words are.

use std::path::PathBuf;
use std::time::Duration;

use lockgate_engine::{CacheChoice, Digest};
use serde::{Deserialize, Serialize};

use crate::action::ActionKind;
use crate::chain::Default as Fallback;
use crate::decision_log::LogTarget;
use crate::limits;
use crate::signature::PublicKey;
use crate::version::Version;

/// What an operator chooses about policies.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What holds where no policy has an opinion.
    pub default: Fallback,
    /// Where decisions are logged; none: nowhere.
    pub log: Option<LogTarget>,
    /// What cannot be logged is denied.
    pub log_required: bool,
    /// How long somebody has to agree to what a policy wants agreed to.
    pub ask_time: Duration,
    /// The chain, in order. Of equally strict answers the first gives the reason.
    pub modules: Vec<ModuleSettings>,
    /// Where compiled code is kept.
    pub cache: CacheChoice,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            default: Fallback::Deny,
            log: None,
            log_required: false,
            ask_time: limits::ASK_TIME,
            modules: Vec::new(),
            cache: CacheChoice::Standard,
        }
    }
}

/// One policy of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleSettings {
    /// The component. Its signature, if one is asked for, is the file of that name with `.sig` after it.
    pub path: PathBuf,
    /// What it must be.
    pub trust: Trust,
    /// Its name in messages and in the log; none: what it calls itself.
    pub name: Option<String>,
    /// The text that it reads as its configuration; at most [`limits::CONFIG_BYTES`].
    pub config: String,
    /// The kinds of actions that it is asked, of those that it wants to see; none: all of those.
    pub actions: Option<Vec<ActionKind>>,
    /// What it counts as when it fails.
    pub fail: Fail,
    /// What a decision runs in.
    pub instances: Instances,
    /// What it is given beside its configuration and its log.
    pub wasi: Wasi,
    /// Time for one decision.
    pub time: Duration,
    /// How large its memory may grow.
    pub memory_bytes: usize,
}

impl ModuleSettings {
    /// A policy with nothing said about it but where it is.
    pub fn new(path: impl Into<PathBuf>) -> ModuleSettings {
        ModuleSettings {
            path: path.into(),
            trust: Trust::default(),
            name: None,
            config: String::new(),
            actions: None,
            fail: Fail::default(),
            instances: Instances::default(),
            wasi: Wasi::default(),
            time: limits::DECISION_TIME,
            memory_bytes: limits::MEMORY_BYTES,
        }
    }
}

/// What a component must be before it is run. All that is given must hold; a gate wants a digest or a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The digest of its bytes.
    pub sha256: Option<Digest>,
    /// Whose signature it must carry.
    pub signed_by: Option<PublicKey>,
    /// Its version must be this or a later one, so that an older one with a valid signature cannot come back after a restart.
    pub min_version: Option<Version>,
    /// What it must call itself: one key signs many policies, and none of the others may take this one's place.
    pub component_name: Option<String>,
}

impl Trust {
    /// Whether it says which component it means.
    pub fn is_pinned(&self) -> bool {
        self.sha256.is_some() || self.signed_by.is_some()
    }
}

/// What a policy counts as when it fails: when it traps, runs out of time or memory, or answers nonsense. One that answers an error has decided
/// that it cannot decide: that is a deny, whatever is chosen here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fail {
    /// As one that denies.
    #[default]
    Deny,
    /// As one that has no opinion. For policies that give advice; never for one that guards something.
    Abstain,
}

/// What a decision runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instances {
    /// An instance of its own: nothing of one decision reaches the next.
    #[default]
    Fresh,
    /// An instance that made other decisions before. Faster, and as good only as the policy is at forgetting.
    Reused,
}

/// What a policy is given beside its configuration and its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wasi {
    /// Nothing.
    #[default]
    None,
    /// WASI 0.2 with nothing in it, for languages that cannot help importing it: no files, arguments, variables or sockets, clocks that
    /// stand still, fixed random numbers; what it writes goes to its log.
    Empty,
}
