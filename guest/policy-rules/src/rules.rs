//! The rules as plain data, and how a command or a host is looked up in them.
//!
//! Nothing of Starlark is left here: this is what the snapshot of the component carries into every decision.

use std::collections::BTreeMap;

use lockgate_policy::path;
use serde::Serialize;

/// What a rule says. Ordered: the strictest of all that match holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decision {
    Allow,
    Prompt,
    Forbidden,
}

/// A word of a pattern: it is one of these, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternatives(pub(crate) Vec<String>);

/// A rule for commands that begin with certain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrefixRule {
    pub(crate) program: String,
    /// After the program.
    pub(crate) words: Vec<Alternatives>,
    pub(crate) decision: Decision,
    pub(crate) justification: Option<String>,
}

impl PrefixRule {
    /// `program` is what stands for the first word.
    fn matches(&self, program: &str, words: &[String]) -> bool {
        program == self.program
            && words.len() >= self.words.len()
            && std::iter::zip(&self.words, words).all(|(pattern, word)| pattern.0.contains(word))
    }
}

/// A rule for a host under one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkRule {
    pub(crate) host: String,
    pub(crate) protocol: Protocol,
    pub(crate) decision: Decision,
    pub(crate) justification: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protocol {
    Http,
    Https,
    Socks5Tcp,
    Socks5Udp,
}

/// A rule that a command or a request matched: the form of the decision log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Match {
    #[serde(rename_all = "camelCase")]
    PrefixRuleMatch {
        matched_prefix: Vec<String>,
        decision: Decision,
        /// The command's program, where it was by its last name that the rule was found.
        #[serde(skip_serializing_if = "Option::is_none")]
        resolved_program: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        justification: Option<String>,
    },
    NetworkRuleMatch {
        host: String,
        protocol: Protocol,
        decision: Decision,
        #[serde(skip_serializing_if = "Option::is_none")]
        justification: Option<String>,
    },
}

impl Match {
    pub(crate) fn decision(&self) -> Decision {
        match self {
            Match::PrefixRuleMatch { decision, .. } | Match::NetworkRuleMatch { decision, .. } => {
                *decision
            }
        }
    }

    pub(crate) fn justification(&self) -> Option<&str> {
        match self {
            Match::PrefixRuleMatch { justification, .. }
            | Match::NetworkRuleMatch { justification, .. } => justification.as_deref(),
        }
    }

    /// The rule as its author would look for it: the words of the pattern that matched, or host and protocol.
    pub(crate) fn name(&self) -> String {
        match self {
            Match::PrefixRuleMatch { matched_prefix, .. } => matched_prefix.join(" "),
            Match::NetworkRuleMatch { host, protocol, .. } => match protocol {
                Protocol::Http => format!("http {host}"),
                Protocol::Https => format!("https {host}"),
                Protocol::Socks5Tcp => format!("socks5_tcp {host}"),
                Protocol::Socks5Udp => format!("socks5_udp {host}"),
            },
        }
    }
}

/// The rules of all files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// By their program, in the order of the files.
    prefixes: BTreeMap<String, Vec<PrefixRule>>,
    executables: Executables,
    network: Vec<NetworkRule>,
}

impl Rules {
    pub(crate) fn add_prefix(&mut self, rule: PrefixRule) {
        let of_program = self.prefixes.entry(rule.program.clone()).or_default();
        of_program.push(rule);
    }

    pub(crate) fn add_network(&mut self, rule: NetworkRule) {
        self.network.push(rule);
    }

    pub(crate) fn executables(&self) -> &Executables {
        &self.executables
    }

    pub(crate) fn executables_mut(&mut self) -> &mut Executables {
        &mut self.executables
    }

    /// The rules that a command matches: those for its first word as it is written, else, if that is an absolute path, those for its last name.
    pub(crate) fn matches(&self, command: &[String]) -> Vec<Match> {
        let of = |program: &str| self.prefixes.get(program).map_or(&[][..], Vec::as_slice);
        let Some((first, words)) = command.split_first() else {
            return Vec::new();
        };
        let exact = matches_among(of(first), first, words, None);
        match exact.is_empty() {
            false => exact,
            true => match self.executables.name_of(first) {
                Some(name) => matches_among(of(name), name, words, Some(first)),
                None => exact,
            },
        }
    }

    /// The rules for a host under a protocol.
    pub(crate) fn network_matches(&self, host: &str, protocol: Protocol) -> Vec<Match> {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.network
            .iter()
            .filter(|rule| rule.protocol == protocol && rule.host.eq_ignore_ascii_case(host))
            .map(|rule| Match::NetworkRuleMatch {
                host: rule.host.clone(),
                protocol,
                decision: rule.decision,
                justification: rule.justification.clone(),
            })
            .collect()
    }
}

/// An example of a rule matches one of the rules that its alternatives made, as it would if there were no others.
pub(crate) fn example_matches(
    rules: &[PrefixRule],
    executables: &Executables,
    example: &[String],
) -> bool {
    let Some((first, words)) = example.split_first() else {
        return false;
    };
    let name = executables.name_of(first);
    rules.iter().any(|rule| {
        rule.matches(first, words) || name.is_some_and(|name| rule.matches(name, words))
    })
}

fn matches_among(
    rules: &[PrefixRule],
    program: &str,
    words: &[String],
    resolved: Option<&str>,
) -> Vec<Match> {
    rules
        .iter()
        .filter(|rule| rule.matches(program, words))
        .map(|rule| Match::PrefixRuleMatch {
            matched_prefix: std::iter::once(program)
                .chain(words[..rule.words.len()].iter().map(String::as_str))
                .map(str::to_owned)
                .collect(),
            decision: rule.decision,
            resolved_program: resolved.map(str::to_owned),
            justification: rule.justification.clone(),
        })
        .collect()
}

/// Which files a program's bare name may stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Executables(BTreeMap<String, Vec<String>>);

impl Executables {
    /// In the place of what was said of the name before.
    pub(crate) fn set(&mut self, name: String, paths: Vec<String>) {
        self.0.insert(name, paths);
    }

    /// The files of a name, if any were listed.
    pub(crate) fn listed(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// The name by which the rules for a program's absolute path are looked up: its last one, unless other files are listed for that.
    fn name_of<'a>(&self, program: &'a str) -> Option<&'a str> {
        let name = path::name(program);
        (program.starts_with('/') && !name.is_empty() && self.may_be(name, program)).then_some(name)
    }

    /// The file is listed for the name, or none is.
    pub(crate) fn may_be(&self, name: &str, program: &str) -> bool {
        match self.listed(name) {
            Some(paths) => paths.iter().any(|path| path == program),
            None => true,
        }
    }
}
