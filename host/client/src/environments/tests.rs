use std::path::{Path, PathBuf};

use super::*;

/// Says what a text says.
struct Text(&'static str);

impl Provider for Text {
    fn snapshot(&self) -> Result<Config, EnvironmentError> {
        config::parse(self.0, Path::new("environments.toml"), None)
    }
}

const TWO: &str =
    "default='b'\n[[environments]]\nid='a'\nurl='ws://a'\n[[environments]]\nid='b'\nprogram='b'";

fn of(text: &'static str) -> Environments {
    Environments::new(&Text(text), Setup::default()).expect(text)
}

fn variable(value: &str) -> provider::Source {
    provider::Source::Variable {
        name: "LOCKGATE_URL",
        value: value.to_owned(),
    }
}

fn config(text: &'static str) -> Config {
    Text(text).snapshot().expect(text)
}

fn named(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn ids(chosen: &[Place]) -> Vec<&str> {
    chosen.iter().map(|place| place.environment.id()).collect()
}

#[test]
fn the_default_comes_first_and_with_a_file_all_others_after_it() {
    let environments = of(TWO);
    assert_eq!(environments.ids(), ["b", "local", "a"]);
    assert_eq!(environments.default().expect("one").id(), "b");
    assert_eq!(environments.starting().len(), 3);

    let source = variable("ws://h");
    let environments = Environments::new(&source, Setup::default()).expect("an address");
    assert_eq!(environments.ids(), ["remote", "local"]);
    let starting = environments.starting();
    assert_eq!((starting.len(), starting[0].id()), (1, "remote"));
}

#[test]
fn where_execution_is_disabled_nothing_is_offered_and_the_default_refused() {
    let source = variable("none");
    let environments = Environments::new(&source, Setup::default()).expect("none");
    assert!(environments.default().is_none() && environments.starting().is_empty());
    let offered = environments.capabilities();
    assert!(!offered.execution && !offered.files);
    assert_eq!(
        environments.resolve(None).expect_err("disabled"),
        EnvironmentError::Disabled
    );
    // Its owner may still use it.
    assert!(environments.get(LOCAL).expect("there").is_local());
    assert!(of("default='none'\ninclude_local=false").ids().is_empty());
}

#[test]
fn this_host_offers_what_the_embedder_brings() {
    assert!(!of("").capabilities().execution);
    let local = Some(Reach::Program(config::Program {
        program: "lockgate".into(),
        ..config::Program::default()
    }));
    let setup = Setup {
        local,
        ..Setup::default()
    };
    let environments = Environments::new(&Text(""), setup).expect("local");
    let offered = environments.capabilities();
    assert!(offered.execution && offered.files);
}

#[test]
fn an_unknown_id_is_refused_with_those_there_are() {
    let error = of(TWO).resolve(Some("c")).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "unknown environment id `c`; there are b, local, a"
    );
}

#[test]
fn one_is_added_or_replaced_and_the_default_stays() {
    let environments = of(TWO);
    for (id, url, message) in [
        ("c", " ", "remote environment requires an exec-server url"),
        (
            "c",
            "None",
            "remote environment cannot use disabled exec-server url",
        ),
        (
            "c",
            "http://h",
            "environment url `http://h` must use ws:// or wss://",
        ),
        ("local", "ws://h", "environment id `local` is reserved"),
        (
            "c d",
            "ws://h",
            "environment id `c d` must contain only ASCII letters, numbers, '-' or '_'",
        ),
    ] {
        let error = environments.add(id, url).expect_err(url);
        assert_eq!(error.to_string(), message);
    }
    let old = environments.get("a").expect("there");
    let new = environments.add("a", " ws://other ").expect("replaced");
    assert!(!Arc::ptr_eq(&old, &new) && Arc::ptr_eq(&environments.get("a").expect("there"), &new));
    assert!(matches!(new.reach(), Some(Reach::Url { url, .. }) if url == "ws://other"));
    environments.add("c", "wss://h").expect("added");
    assert_eq!(environments.ids(), ["b", "local", "a", "c"]);
}

#[test]
fn a_new_snapshot_changes_only_what_differs() {
    let environments = of(TWO);
    environments.add("mine", "ws://mine").expect("added");
    let [a, b, mine] = ["a", "b", "mine"].map(|id| environments.get(id).expect("there"));
    assert!(environments.apply(config(TWO)).is_empty());
    let changes = environments.apply(config(
        "default='none'\n[[environments]]\nid='c'\nurl='ws://c'\n[[environments]]\nid='a'\nurl='ws://a'\n[[environments]]\nid='b'\nprogram='other'",
    ));
    let wanted = Changes {
        added: named(&["c"]),
        replaced: named(&["b"]),
        removed: Vec::new(),
        default: true,
    };
    assert_eq!(changes, wanted);
    assert_eq!(environments.ids(), ["local", "c", "a", "b", "mine"]);
    let is_same =
        |old: &Arc<Environment>| Arc::ptr_eq(old, &environments.get(old.id()).expect("there"));
    assert!(is_same(&a) && is_same(&mine) && !is_same(&b));
    let changes = environments.apply(config("default='none'\ninclude_local=false"));
    assert_eq!(changes.removed, ["local", "c", "a", "b"]);
    assert_eq!(environments.ids(), ["mine"]);
}

#[test]
fn what_took_the_place_of_an_entry_stays_until_that_entry_changes() {
    let environments = of(TWO);
    let new = environments.add("a", "ws://other").expect("replaced");
    environments.apply(config(TWO));
    assert!(Arc::ptr_eq(&environments.get("a").expect("there"), &new));
    let changes = environments.apply(config("[[environments]]\nid='a'\nurl='ws://third'"));
    assert_eq!(changes.replaced, ["a"]);
}

#[test]
fn a_choice_sticks_and_a_turn_overrides_it_for_itself() {
    let environments = of(TWO);
    let mut selection = Selection::default();
    let of_turn = |selection: &Selection, own: Option<&[Selected]>| {
        let found = selection.of_turn(&environments, own).expect("there");
        ids(&found).join(" ")
    };
    assert_eq!(of_turn(&selection, None), "b local a");
    let a = Selected {
        cwd: Some(PathBuf::from("/work")),
        ..Selected::new("a")
    };
    selection
        .choose(&environments, vec![a, Selected::new("local")])
        .expect("chosen");
    assert_eq!(of_turn(&selection, None), "a local");
    assert_eq!(of_turn(&selection, Some(&[Selected::new("b")])), "b");
    assert_eq!(of_turn(&selection, Some(&[])), "");
    let found = selection.of_turn(&environments, None).expect("there");
    assert_eq!(found[0].cwd.as_deref(), Some(Path::new("/work")));

    for (chosen, message) in [
        (vec![Selected::new("c")], "unknown environment id `c`"),
        (
            vec![Selected::new("a"), Selected::new("a")],
            "environment id `a` is selected twice",
        ),
        (
            vec![Selected {
                cwd: Some(PathBuf::from("x")),
                ..Selected::new("a")
            }],
            "environment `a` cwd `x` must be absolute",
        ),
    ] {
        let error = selection.choose(&environments, chosen).expect_err(message);
        assert!(error.to_string().starts_with(message), "{error}");
    }
    assert_eq!(of_turn(&selection, None), "a local");
    // None at all, until it is forgotten.
    selection.choose(&environments, Vec::new()).expect("chosen");
    assert_eq!(of_turn(&selection, None), "");
    selection.inherit();
    assert_eq!(of_turn(&selection, None), "b local a");
}

#[test]
fn a_choice_that_is_gone_is_an_error_and_nothing_takes_its_place() {
    let environments = of(TWO);
    let mut selection = Selection::default();
    selection
        .choose(&environments, vec![Selected::new("a")])
        .expect("chosen");
    environments.apply(config(""));
    let error = selection.of_turn(&environments, None).expect_err("gone");
    assert!(error.to_string().starts_with("unknown environment id `a`"));
    environments.apply(config(TWO));
    assert!(selection.of_turn(&environments, None).is_ok());
}

/// An embedder's own.
struct Given(Config);

impl Provider for Given {
    fn snapshot(&self) -> Result<Config, EnvironmentError> {
        Ok(self.0.clone())
    }
}

#[test]
fn whoever_provides_is_held_to_the_rules_of_ids_and_the_default() {
    let good = config(TWO);
    assert!(Environments::new(&Given(good.clone()), Setup::default()).is_ok());
    let with = |change: fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        let refused = Environments::new(&Given(config), Setup::default());
        refused.expect_err("refused").to_string()
    };
    for (said, message) in [
        (
            with(|config| config.environments[0].id = "local".to_owned()),
            "environment id `local` is reserved",
        ),
        (
            with(|config| config.environments[0].id = "b".to_owned()),
            "environment id `b` is duplicated",
        ),
        (
            with(|config| config.environments[0].id.clear()),
            "environment id cannot be empty",
        ),
        (
            with(|config| config.default = Some("c".to_owned())),
            "default environment `c` is not configured",
        ),
    ] {
        assert_eq!(said, message);
    }
}
