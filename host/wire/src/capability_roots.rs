//! `capabilityRoots/discoverV1`: plugins and skills below some directories, found and read with one request.

use lockgate_grant::profile::Sandbox;
use serde::{Deserialize, Serialize};

use crate::WirePath;

/// Where the manifest of a plugin is looked for in its directory, in this order.
pub const PLUGIN_MANIFESTS: [[&str; 2]; 3] = [
    [".codex-plugin", "plugin.json"],
    [".claude-plugin", "plugin.json"],
    [".cursor-plugin", "plugin.json"],
];

/// The file that a skill is.
pub const SKILL: &str = "SKILL.md";

/// Params of `capabilityRoots/discoverV1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiscoverParams<S = Sandbox> {
    /// Answered in this order.
    pub roots: Vec<Root<S>>,
}

/// A directory to look below.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Root<S = Sandbox> {
    /// Echoed.
    pub id: String,
    /// The directory.
    pub path: WirePath,
    /// Profile to act under. Only with the capability `capabilityDiscoverySandbox`.
    #[serde(
        default = "Option::default",
        alias = "sandboxPolicy",
        skip_serializing_if = "Option::is_none"
    )]
    pub sandbox: Option<S>,
}

/// Result of `capabilityRoots/discoverV1`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoverResult {
    /// As many as were asked for.
    pub roots: Vec<Discovery>,
}

/// What there is below one root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// Of the request.
    pub id: String,
    /// Of the request.
    pub path: WirePath,
    /// The manifest of the plugin that the root itself is: the first of [`PLUGIN_MANIFESTS`].
    #[serde(default)]
    pub plugin: Option<FoundFile>,
    /// The files of that name ([`SKILL`]) in the root and below it, by path.
    #[serde(default)]
    pub skills: Vec<FoundFile>,
    /// Manifests of the directories on the way from the root to these skills, both included: a skill is named after the plugin that it is in.
    #[serde(default)]
    pub namespace_manifests: Vec<FoundFile>,
    /// What could not be looked into or read, and what there was no room for.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why nothing was found out about this root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A file and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Below the root as it was given; as a URI.
    pub path: WirePath,
    /// All of it.
    pub contents: String,
}
