//! A host that is made up, and short ways to write profiles.

use std::collections::HashMap;

use crate::confinement::{Confined, Confinement, Host, Place};
use crate::grants::Allowed;
use crate::path::AbsPath;
use crate::profile::Sandbox;

/// A host whose whole file system is a list of links and a list of what is missing.
#[derive(Default)]
pub(super) struct Made {
    pub(super) links: HashMap<AbsPath, AbsPath>,
    pub(super) pointers: HashMap<AbsPath, AbsPath>,
    pub(super) missing: Vec<AbsPath>,
    pub(super) unresolvable: Vec<AbsPath>,
    pub(super) own: Vec<AbsPath>,
}

impl Host for Made {
    fn place(&self, path: &AbsPath) -> Result<Place, String> {
        if self.unresolvable.contains(path) {
            return Err("no permission".into());
        }
        let (mut place, mut links) = (AbsPath::root(), Vec::new());
        for name in path.components() {
            place = AbsPath::from_bytes(&[place.as_bytes(), b"/", name].concat()).unwrap();
            while let Some(target) = self.links.get(&place) {
                links.push(place);
                place = target.clone();
            }
        }
        let exists = !self.missing.contains(&place);
        Ok(Place {
            canonical: place,
            links,
            exists,
        })
    }

    fn git_directories(&self, path: &AbsPath) -> Vec<AbsPath> {
        let place = self.place(path).unwrap().canonical;
        self.pointers.get(&place).cloned().into_iter().collect()
    }

    fn temporary_directory(&self) -> Option<AbsPath> {
        Some(path("/var/tmp/me"))
    }

    fn own_directories(&self) -> &[AbsPath] {
        &self.own
    }
}

pub(super) fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

pub(super) fn sandbox(json: &str) -> Sandbox {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

pub(super) fn entries(cwd: Option<&str>, entries: &[(&str, &str)]) -> Sandbox {
    let entries: Vec<_> = entries
        .iter()
        .map(|(path, access)| {
            let path = match path.strip_prefix(':') {
                None if path.contains('*') => {
                    format!(r#"{{"type":"glob_pattern","pattern":"{path}"}}"#)
                }
                None => format!(r#"{{"type":"path","path":"{path}"}}"#),
                Some(special) => {
                    let (kind, subpath) = special.split_once(':').unwrap_or((special, ""));
                    let subpath = if subpath.is_empty() {
                        String::new()
                    } else {
                        format!(r#","subpath":"{subpath}""#)
                    };
                    format!(r#"{{"type":"special","value":{{"kind":"{kind}"{subpath}}}}}"#)
                }
            };
            let (access, skip) = match access.strip_suffix('?') {
                Some(access) => (access, r#","missing_path_behavior":"skip""#),
                None => (*access, ""),
            };
            format!(r#"{{"path":{path},"access":"{access}"{skip}}}"#)
        })
        .collect();
    let cwd = cwd
        .map(|cwd| format!(r#","cwd":"{cwd}""#))
        .unwrap_or_default();
    sandbox(&format!(
        r#"{{"permissions":{{"type":"managed","file_system":{{"type":"restricted","entries":[{}]}},"network":"restricted"}}{cwd},"windowsSandboxLevel":"disabled"}}"#,
        entries.join(",")
    ))
}

pub(super) fn confined(sandbox: &Sandbox, host: &Made) -> Confined {
    match Confinement::of(sandbox, host).unwrap() {
        Confinement::Confined(confined) => confined,
        Confinement::Direct => panic!("not confined"),
    }
}

#[track_caller]
pub(super) fn check(sandbox: &Sandbox, host: &Made, wanted: &[(&str, Allowed)]) {
    let grants = confined(sandbox, host).grants;
    for (text, allowed) in wanted {
        assert_eq!(grants.allowed(&path(text)), *allowed, "{text}");
    }
}
