//! The file as text: what may stand in it, and where a mistake is.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::files::{Files, Guest};
use super::{Config, LARGEST, http, policy, read_bounded};
use crate::failure::Failure;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    files: FilesTable,
    #[serde(default)]
    http: http::Table,
    policy: Option<policy::Table>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct FilesTable {
    guest: Option<Spanned<PathBuf>>,
    guest_sha256: Option<Spanned<String>>,
    #[serde(default)]
    path_back_end: BackEnd,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum BackEnd {
    #[default]
    Auto,
    Openat2,
    Walk,
}

/// Reads and checks a configuration file. What it names is not opened yet.
pub(crate) fn read(file: &Path) -> Result<Config, Failure> {
    let cannot = |reason: String| {
        Failure::usage(format!(
            "the configuration file {} cannot be read: {reason}",
            file.display()
        ))
    };
    let bytes = read_bounded(file, LARGEST).map_err(cannot)?;
    let text = String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8".to_owned()))?;
    parse(file, &text)
}

/// The same of a text that is, or is to be, the file's.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Config, Failure> {
    let at = Place { file, text };
    let document: Document = toml::from_str(text).map_err(|error| {
        let (span, what) = (error.span().unwrap_or_default(), error.message());
        if at.is_single_module(span.start) {
            let what = "write [[policy.module]], with two brackets: each policy of the chain has one such table";
            return at.mistake(span, what);
        }
        match at.key(span.start) {
            Some(key) if !what.contains(&format!("`{key}`")) => {
                at.mistake(span, &format!("`{key}`: {what}"))
            }
            _ => at.mistake(span, what),
        }
    })?;
    Ok(Config {
        file: Some(file.to_owned()),
        files: files(document.files, &at)?,
        http: http::options(document.http, &at)?,
        policy: document
            .policy
            .map(|table| policy::policy(table, &at))
            .transpose()?,
        rest: rest(text),
    })
}

/// All but what can be loaded again. The text is sound: it was read before.
fn rest(text: &str) -> toml::Table {
    let mut all: toml::Table = toml::from_str(text).unwrap_or_default();
    all.remove("policy");
    all
}

fn files(table: FilesTable, at: &Place<'_>) -> Result<Files, Failure> {
    let guest = match (table.guest, table.guest_sha256) {
        (None, None) => None,
        (Some(guest), Some(pin)) => Some(Guest {
            path: at.beside(guest.as_ref()),
            pin: pin.as_ref().parse().map_err(|error| {
                at.mistake(
                    pin.span(),
                    &format!("`guest_sha256`: {error}, as `sha256sum` prints them"),
                )
            })?,
            pinned_at: at.line(pin.span()),
        }),
        (Some(guest), None) => {
            return Err(at.mistake(
                guest.span(),
                "`guest` needs `guest_sha256` beside it, the digest of the component, as `sha256sum` prints it",
            ));
        }
        (None, Some(pin)) => {
            return Err(at.mistake(
                pin.span(),
                "`guest_sha256` pins a component, and there is no `guest` beside it",
            ));
        }
    };
    Ok(Files {
        guest,
        path_back_end: match table.path_back_end {
            BackEnd::Auto => None,
            BackEnd::Openat2 => Some(lockgate_capfs::PathBackEnd::Openat2),
            BackEnd::Walk => Some(lockgate_capfs::PathBackEnd::Walk),
        },
    })
}

/// Where we are, for messages.
pub(super) struct Place<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    /// A path of the file: a relative one is beside it.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    fn line(&self, span: Range<usize>) -> String {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}", self.file.display())
    }

    /// The key of the line that is at `byte`, if it has one. The value is not shown: it may be nobody's to read in a log.
    fn key(&self, byte: usize) -> Option<&str> {
        let start = self.text.get(..byte)?.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(start..)?.lines().next()?;
        line.split_once('=').map(|(key, _)| key.trim())
    }

    /// Whether the line at `byte` begins a policy with single brackets, which the parser can only say in its own terms.
    fn is_single_module(&self, byte: usize) -> bool {
        let before = self.text.get(..byte).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line..).and_then(|rest| rest.lines().next());
        let plain: String = line.unwrap_or_default().split_whitespace().collect();
        plain.starts_with("[policy.module]")
    }

    pub(super) fn mistake(&self, span: Range<usize>, what: &str) -> Failure {
        // One line, whatever the parser has to say.
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        Failure::usage(format!("{}: {what}", self.line(span)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn said(text: &str) -> String {
        match parse(Path::new("/etc/lockgate.toml"), text) {
            Ok(config) => panic!("accepted: {config:?}"),
            Err(failure) => {
                assert_eq!(failure.code(), crate::failure::USAGE);
                failure.to_string()
            }
        }
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        for text in ["", "[files]\n", "# nothing\n"] {
            let config = parse(Path::new("f.toml"), text).expect("accepted");
            assert!(config.files.guest.is_none() && config.files.path_back_end.is_none());
        }
    }

    #[test]
    fn a_guest_is_found_beside_the_file_and_pinned() {
        let text = format!(
            "[files]\nguest = \"g.wasm\"\nguest_sha256 = \"{DIGEST}\"\npath_back_end = \"walk\"\n"
        );
        let config = parse(Path::new("/etc/lockgate.toml"), &text).expect("accepted");
        let guest = config.files.guest.expect("a guest");
        assert_eq!(guest.path, Path::new("/etc/g.wasm"));
        assert_eq!(guest.pin.to_string(), DIGEST);
        assert_eq!(
            config.files.path_back_end,
            Some(lockgate_capfs::PathBackEnd::Walk)
        );
        let text = text.replace("g.wasm", "/opt/g.wasm");
        let config = parse(Path::new("/etc/lockgate.toml"), &text).expect("accepted");
        assert_eq!(
            config.files.guest.expect("a guest").path,
            Path::new("/opt/g.wasm")
        );
    }

    #[test]
    fn a_policy_in_single_brackets_is_told_how_it_is_written() {
        let words = "write [[policy.module]], with two brackets";
        for text in [
            "[policy]\n[policy.module]\npath = \"a\"\n",
            "# ours\n[ policy.module ] # one\npath = \"a\"\n",
            "[policy]\n[policy.module]\npath = \"a\"\n[policy.module]\npath = \"b\"\n",
        ] {
            let said = said(text);
            assert!(said.contains(words), "{said}");
        }
        let other = said("[policy]\nmodule = 1\n");
        assert!(!other.contains(words), "{other}");
    }

    #[test]
    fn rules_for_http_are_read() {
        let text = r#"
            [http]
            allow_hosts = ["example.com", "*.example.org"]
            deny_hosts = ["bad.example.org"]
            ports = [443]
            loopback = "deny"
            private = "deny"
            allow_addresses = ["10.1.0.0/16"]
            proxy = "environment"
            header_env_vars = ["MCP_TOKEN"]
        "#;
        let http = parse(Path::new("f.toml"), text).expect("accepted").http;
        assert!(http.enabled && http.rules.deny_loopback && http.rules.deny_private);
        assert!(!http.rules.deny_link_local);
        assert_eq!(http.rules.allow_hosts.map(|hosts| hosts.len()), Some(2));
        assert_eq!(http.rules.ports, Some(vec![443]));
        assert_eq!(http.proxy, Some(lockgate_server::ProxyChoice::Environment));
        assert_eq!(http.header_env_vars, ["MCP_TOKEN"]);
        let off = parse(Path::new("f.toml"), "[http]\nenabled = false\n").expect("accepted");
        assert!(!off.http.enabled && !off.http.rules.refuse_something());
    }

    #[test]
    fn a_chain_of_policies_is_read() {
        use lockgate_policy_gate::{
            ActionKind, Default as Fallback, Fail, Instances, LogTarget, Wasi,
        };
        let folder = tempfile::tempdir().expect("a directory");
        std::fs::write(folder.path().join("team.rules"), "rules").expect("written");
        let file = folder.path().join("lockgate.toml");
        let key = "ed25519:WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY=";
        let text = format!(
            r#"
            [policy]
            default = "ask"
            log = "decisions.jsonl"
            ask_seconds = 60

            [[policy.module]]
            path = "readonly.wasm"
            sha256 = "{DIGEST}"
            config = "hosts = []"

            [[policy.module]]
            path = "/opt/rules.wasm"
            signed_by = "{key}"
            min_version = "1.2.0"
            name = "team"
            config_file = "team.rules"
            actions = ["process-start", "http"]
            fail = "abstain"
            instances = "reused"
            wasi = "empty"
            time_ms = 5
            memory_mib = 16
            "#
        );
        let config = parse(&file, &text).expect("accepted");
        let policy = config.policy.expect("a policy");
        let settings = &policy.settings;
        assert_eq!(settings.default, Fallback::Ask);
        let log = folder.path().join("decisions.jsonl");
        assert_eq!(settings.log, Some(LogTarget::File(log.clone())));
        assert_eq!(settings.ask_time.as_secs(), 60);
        let [readonly, team] = &settings.modules[..] else {
            panic!("two: {settings:?}");
        };
        assert_eq!(readonly.path, folder.path().join("readonly.wasm"));
        assert_eq!(
            (readonly.fail, readonly.instances),
            (Fail::Deny, Instances::Fresh)
        );
        assert_eq!(
            (readonly.config.as_str(), team.config.as_str()),
            ("hosts = []", "rules")
        );
        assert_eq!(team.name.as_deref(), Some("team"));
        let kinds = [ActionKind::ProcessStart, ActionKind::Http];
        assert_eq!(team.actions.as_deref(), Some(&kinds[..]));
        assert_eq!(
            (team.fail, team.instances),
            (Fail::Abstain, Instances::Reused)
        );
        assert_eq!((readonly.wasi, team.wasi), (Wasi::None, Wasi::Empty));
        assert_eq!((team.time.as_millis(), team.memory_bytes), (5, 16 << 20));
        for own in [
            log,
            folder.path().join("team.rules"),
            "/opt/rules.wasm".into(),
        ] {
            assert!(policy.own().any(|path| *path == own), "{}", own.display());
        }
        let nobody = parse(Path::new("f.toml"), "[policy]\n").expect("accepted");
        assert_eq!(
            nobody.policy.expect("a policy").settings.default,
            Fallback::Deny
        );
    }

    #[test]
    fn every_mistake_is_told_with_file_line_and_key() {
        let all = [
            "[files]\ngest = \"g.wasm\"\n",
            "[fils]\n",
            "top = 1\n",
            "[files]\n\nguest = \"g.wasm\"\n",
            "[files]\nguest_sha256 = \"00\"\n",
            "[files]\nguest = \"g.wasm\"\nguest_sha256 = \"00\"\n",
            "[files]\nguest = 7\n",
            "[files]\npath_back_end = \"fast\"\n",
            "[files]\nguest = \n",
            "[files]\n[files]\n",
            "[http]\nenable = true\n",
            "[http]\nprivate = \"no\"\n",
            "[http]\nallow_hosts = [\n  \"example.com\",\n  \"https://example.org\",\n]\n",
            "[http]\ndeny_addresses = [\"10.0.0.0/33\"]\n",
            "[http]\nallow_addresses = [\"10.0.0.0/8\"]\n",
            "[http]\nports = [80, 0]\n",
            "[http]\nports = [80, 65536]\n",
            "[http]\nproxy = \"http://proxy\"\n",
            "[http]\nheader_env_vars = [\"A=B\"]\n",
            "[policy]\ndefault = \"maybe\"\n",
            "[policy]\nmodules = []\n",
            "[policy]\nask_seconds = 0\n",
            "[policy]\nlog_required = true\n",
            "[[policy.module]]\nsha256 = \"00\"\n",
            "[[policy.module]]\npath = \"gone.wasm\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"00\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsigned_by = \"rsa:AAAA\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\nmin_version = \"1\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\nconfig = \"a\"\nconfig_file = \"b\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\nconfig_file = \"gone.rules\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\nactions = [\"files\"]\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\nactions = []\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\nfail = \"allow\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\ninstances = \"many\"\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\ntime_ms = 60000\n",
            "[[policy.module]]\npath = \"p.wasm\"\nsha256 = \"DIGEST\"\nmemory_mib = 1000\n",
        ]
        .map(|text| {
            let text = text.replace("DIGEST", DIGEST);
            format!("{text:?}\n  {}\n", said(&text))
        });
        insta::assert_snapshot!(all.concat());
    }
}
