//! Profiles: from JSON over the fake host of `Odd` to grants, with what must hold for each of them, whatever it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_grant::profile::{Access, Entry, EntryPath, FileSystem, Permissions, Sandbox};
use lockgate_grant::{AbsPath, Allowed, Confined, Confinement, Host, Place};

fuzz_target!(|bytes: &[u8]| {
    let Ok(sandbox) = serde_json::from_slice::<Sandbox>(bytes) else {
        return;
    };
    let written = serde_json::to_string(&sandbox).expect("a profile can be written");
    let again: Sandbox = serde_json::from_str(&written).expect("what is written can be read");
    assert_eq!(again, sandbox);

    let Ok(confinement) = Confinement::of(&sandbox, &Odd) else {
        return;
    };
    let entries: &[Entry] = match &sandbox.permissions {
        Permissions::Managed {
            file_system: FileSystem::Restricted { entries, .. },
            ..
        } => entries,
        _ => &[],
    };
    let Confinement::Confined(Confined { grants, .. }) = confinement else {
        assert!(
            entries.iter().all(|entry| entry.access != Access::Deny),
            "a denial without a gate"
        );
        return;
    };
    let plain = |access: Access| {
        entries.iter().filter_map(move |entry| match &entry.path {
            EntryPath::Path(path) if entry.access == access && !entry.skip_missing => Some(path),
            _ => None,
        })
    };
    for denied in plain(Access::Deny) {
        assert!(grants.allowed(denied) <= Allowed::Seen, "{denied}");
    }
    for root in plain(Access::Write) {
        for name in [".git", ".agents", ".codex", ".GIT"] {
            let Ok(protected) = root.join(name) else {
                continue;
            };
            let opened = |path: &AbsPath| plain(Access::Write).any(|entry| entry == path);
            // `/alias` leads elsewhere, where an entry of another name may open it; special places are not looked at here.
            let special = entries
                .iter()
                .any(|entry| matches!(entry.path, EntryPath::Special(_)));
            if !special && !opened(&protected) && !through_alias(entries) {
                assert!(grants.allowed(&protected) < Allowed::Write, "{protected}");
            }
        }
    }
    assert!(grants.allowed(&own()) < Allowed::Write);
});

fn through_alias(entries: &[Entry]) -> bool {
    entries
        .iter()
        .any(|entry| matches!(&entry.path, EntryPath::Path(path) if path.starts_with(&alias())))
}

fn own() -> AbsPath {
    AbsPath::parse("/own").expect("a path")
}

fn alias() -> AbsPath {
    AbsPath::parse("/alias").expect("a path")
}

/// A host with one link, `/alias` to `/w`, one pointer, one loop, and nothing at all below `/none`.
struct Odd;

impl Host for Odd {
    fn place(&self, path: &AbsPath) -> Result<Place, String> {
        let mut names = path.components();
        let first = names.next();
        let rest: Vec<_> = names.collect();
        if first == Some(b"loop") {
            return Err("a loop".into());
        }
        let canonical = match first {
            Some(b"alias") => AbsPath::from_bytes(&[b"/w/", &*rest.join(&b'/')].concat())
                .map_err(|error| error.to_string())?,
            _ => path.clone(),
        };
        let links = if canonical == *path {
            Vec::new()
        } else {
            vec![alias()]
        };
        Ok(Place {
            canonical,
            links,
            exists: first != Some(b"none"),
        })
    }

    fn git_directories(&self, path: &AbsPath) -> Vec<AbsPath> {
        let pointer = path.as_bytes() == b"/w/.git";
        pointer
            .then(|| AbsPath::parse("/store/git"))
            .and_then(Result::ok)
            .into_iter()
            .collect()
    }

    fn temporary_directory(&self) -> Option<AbsPath> {
        AbsPath::parse("/var/tmp").ok()
    }

    fn own_directories(&self) -> &[AbsPath] {
        static OWN: std::sync::OnceLock<[AbsPath; 1]> = std::sync::OnceLock::new();
        OWN.get_or_init(|| [own()])
    }
}
