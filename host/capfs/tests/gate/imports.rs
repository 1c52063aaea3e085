//! What each built guest may call is pinned: one that comes to ask for more is looked at by a person first.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wasmtime::component::types::ComponentItem;

const EXTRA: &str = "lockgate:files/extra@0.1.0";
const LOG: &str = "lockgate:files/log@0.1.0";
const PREOPENS: &str = "wasi:filesystem/preopens@0.2.12";
const TYPES: &str = "wasi:filesystem/types@0.2.12";

const CONFIG: &str = "lockgate:policy/config@0.1.1";
const POLICY_LOG: &str = "lockgate:policy/log@0.1.1";
/// How far the walk goes that is asked about: words about the question, and nothing else.
const OPTIONS: &str = "lockgate:policy/options@0.1.1";

/// Every component of guest/dist, and the interfaces in which it calls something.
const PINNED: [(&str, &[&str]); 11] = [
    ("fs", &[EXTRA, PREOPENS, TYPES]),
    ("fs-logging", &[EXTRA, LOG, PREOPENS, TYPES]),
    ("fs-walk", &[EXTRA, PREOPENS, TYPES]),
    ("policy-cedar", &[CONFIG, POLICY_LOG, OPTIONS]),
    ("policy-readonly", &[CONFIG]),
    ("policy-rego", &[CONFIG, POLICY_LOG, OPTIONS]),
    ("policy-rules", &[CONFIG, POLICY_LOG]),
    ("policy-workspace", &[CONFIG]),
    ("test-misbehaving", &[EXTRA, LOG, PREOPENS, TYPES]),
    ("test-oversized", &[EXTRA, PREOPENS, TYPES]),
    ("test-policy-hostile", &[CONFIG, POLICY_LOG, OPTIONS]),
];

/// Interfaces that may be named for their types, with nothing to call in them.
const NAMED_ONLY: [&str; 3] = [
    "wasi:io/",
    "wasi:clocks/wall-clock@",
    "lockgate:policy/types@",
];

fn dist() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest/dist"))
}

/// The functions that a component imports, by interface; interfaces without any have none.
fn imports(component: &str) -> BTreeMap<String, Vec<String>> {
    let engine = lockgate_engine::Engine::new(&lockgate_engine::Options {
        cache: lockgate_capfs::CacheChoice::Off,
        ..Default::default()
    })
    .unwrap();
    let bytes = fs::read(dist().join(format!("{component}.wasm"))).unwrap();
    let guest = engine.load(&bytes, None).unwrap();
    let ty = guest.component().component_type();
    let functions = |item: &ComponentItem| match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine.wasmtime())
            .filter(|(_, export)| {
                !matches!(
                    export.ty,
                    ComponentItem::Type(_) | ComponentItem::Resource(_)
                )
            })
            .map(|(name, _)| name.to_owned())
            .collect(),
        _ => vec!["itself".to_owned()],
    };
    ty.imports(engine.wasmtime())
        .map(|(name, item)| (name.to_owned(), functions(&item.ty)))
        .collect()
}

#[test]
fn every_built_guest_asks_for_what_is_pinned_and_for_nothing_else() {
    let mut built: Vec<_> = fs::read_dir(dist())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "wasm"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    built.sort();
    let pinned = PINNED.map(|(component, _)| component);
    assert_eq!(built, pinned, "each built component is pinned here");
    for (component, interfaces) in PINNED {
        let (called, named): (Vec<_>, Vec<_>) = imports(component)
            .into_iter()
            .partition(|(_, functions)| !functions.is_empty());
        let called: Vec<_> = called.into_iter().map(|(interface, _)| interface).collect();
        assert_eq!(called, interfaces, "{component}");
        for (interface, _) in named {
            assert!(
                NAMED_ONLY.iter().any(|only| interface.starts_with(only))
                    || interfaces.contains(&&*interface),
                "{component}: {interface}"
            );
        }
    }
}

#[test]
fn no_contents_pass_through_the_guests_that_are_for_use() {
    for component in ["fs", "fs-logging", "fs-walk"] {
        for function in &imports(component)[TYPES] {
            let method = function.trim_start_matches("[method]descriptor.");
            let moves_bytes = matches!(method, "read" | "write") || method.ends_with("-via-stream");
            assert!(!moves_bytes, "{component} imports {function}");
        }
    }
}
