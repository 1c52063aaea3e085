//! Nobody is asked about what cannot be done: it is refused before, in the words that it has where nobody is asked. And what is asked is true.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};

use crate::forms::{ARGUMENTS, asking, deeds};
use crate::person::{Person, Says};
use crate::{Agent, Folder};

pub(crate) fn write(path: &str) -> (&'static str, Value) {
    ("write", json!({"path": path, "content": "1234"}))
}

fn only_new(path: &str) -> (&'static str, Value) {
    let call = json!({"path": path, "content": "1234", "only_new": true});
    ("write", call)
}

pub(crate) fn renames(from: &str, to: &str, overwrite: bool) -> (&'static str, Value) {
    let call = json!({"from": from, "to": to, "overwrite": overwrite});
    ("move", call)
}

fn house() -> Folder {
    let folder = asking();
    folder.put("old", "12345");
    folder.put("full/in", "1");
    folder.put("other/in", "1");
    folder.put(".git/config", "");
    let link = |says: &str, name: &str| symlink(says, folder.path().join(name)).expect("made");
    link("nothing", "dangling");
    link("nodir/in", "far");
    link("nodir", "behind");
    mkfifoat(CWD, folder.path().join("pipe"), Mode::from_raw_mode(0o600)).expect("made");
    folder
}

/// Where somebody would say yes to everything, in the words that it has where nobody is asked.
async fn refused_before(folder: &Folder, calls: Vec<(&'static str, Value)>) {
    let person = Person::saying(vec![Says::Allow; 100]);
    let asking = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let plain = Agent::with(Person::saying([]), folder.path(), &[]).await;
    let mut others = Vec::new();
    for (tool, call) in calls {
        let refused = asking.cannot(tool, call.clone()).await;
        assert_eq!(deeds(&person), Vec::<Vec<String>>::new(), "{tool} {call}");
        let wanted = plain.cannot(tool, call.clone()).await;
        if refused != wanted {
            others.push((refused, wanted));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    asking.ends().await;
    plain.ends().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_anybody_is_asked() {
    let folder = house();
    refused_before(
        &folder,
        vec![
            write("full"),
            write("pipe"),
            write("old/in"),
            write("old/in/it"),
            write(".git/config"),
            write(".git/hooks/new"),
            write(".envrc"),
            write("../outside"),
            write("behind/in"),
            write("behind/in/it"),
            only_new("old"),
            only_new("full"),
            only_new("pipe"),
            only_new("dangling"),
            only_new("far"),
            renames("none", "new", false),
            renames("old", "full/in", false),
            renames("old", "dangling", false),
            renames("old", "none/new", true),
            renames("old", "pipe/new", true),
            renames("old", "full", true),
            renames("full", "old", true),
            renames("full", "other", true),
            renames("full", "full/deeper", true),
            renames("old", "../outside", false),
            renames(".git", "git", false),
            ("remove", json!({"path": "none"})),
            ("remove", json!({"path": "full"})),
            ("remove", json!({"path": ".git/config"})),
            ("remove", json!({"path": "../outside", "recursive": true})),
            ("read", json!({"path": "none"})),
            ("read", json!({"path": "dangling"})),
            ("read", json!({"path": "../outside"})),
            (
                "edit",
                json!({"path": ".git/config", "edits": [{"old_text": "a", "new_text": "b"}]}),
            ),
        ],
    )
    .await;
    // Nobody has to agree to what changes nothing.
    let person = Person::saying(vec![Says::Allow; 1]);
    let asking = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    asking.cannot("move", renames("old", "old", true).1).await;
    assert!(person.asked().is_empty());
    asking.ends().await;
    assert_eq!(folder.text("old"), "12345");
    for name in ["new", "nothing", "nodir", "none", "git", ".envrc"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
}

/// Links of all kinds to where nothing can be done, and names that nothing can have.
#[tokio::test]
async fn what_links_lead_to_in_vain_is_refused_before_anybody_is_asked() {
    let folder = Folder::new();
    let around = folder.path().join("around");
    std::fs::create_dir_all(&around).expect("made");
    let inner = house();
    inner.put(".git/config", "a");
    for (says, name) in [
        ("far", "to-far"),
        ("circle", "round"),
        ("round", "circle"),
        ("old/../nothing", "through-a-file"),
        (".git", "linked-git"),
        (".git/config", "config-of-git"),
        (".git/new", "new-in-git"),
        (".envrc", "starts"),
        ("full", "linked"),
        ("pipe", "linked-pipe"),
    ] {
        symlink(says, inner.path().join(name)).expect("made");
    }
    folder.put("there", "of others");
    folder.put("directory/in", "of others");
    for (says, name) in [
        ("there", "out"),
        ("new", "new-outside"),
        ("none/new", "none-outside"),
        ("directory", "out-directory"),
    ] {
        symlink(folder.path().join(says), inner.path().join(name)).expect("made");
    }
    let long = "x".repeat(256);
    symlink(&long, inner.path().join("too-long")).expect("made");
    let edit = |path: &str| {
        let edits = json!([{"old_text": "a", "new_text": "b"}]);
        ("edit", json!({"path": path, "edits": edits}))
    };
    let read = |path: &str| ("read", json!({"path": path}));
    let remove = |path: &str| ("remove", json!({"path": path}));
    refused_before(
        &inner,
        vec![
            write("far"),
            write("to-far"),
            write("round"),
            write("round/in"),
            write("linked-git/config"),
            write("linked-git/new"),
            write("linked-git/new/in"),
            write("config-of-git"),
            write("new-in-git"),
            write("starts"),
            write("linked-pipe"),
            write("out"),
            write("new-outside"),
            write("none-outside"),
            write("out-directory"),
            write("out-directory/new"),
            write("out-directory/in"),
            write("too-long"),
            write(&long),
            write(&format!("{long}/in")),
            write(&format!("full/{long}")),
            only_new("round"),
            only_new("linked-git/new"),
            only_new(&long),
            read("round"),
            read("round/in"),
            read("too-long"),
            read(&long),
            read("full"),
            read("linked"),
            read("linked-pipe"),
            read("out"),
            edit("round"),
            edit("linked-git/config"),
            edit("config-of-git"),
            edit("full"),
            edit(&long),
            remove("round/in"),
            remove("linked-git/config"),
            remove("out-directory/in"),
            remove(&long),
            renames("old", &long, false),
            renames(&long, "new", false),
            renames("old", "round/in", false),
            renames("old", "linked-git/config", true),
            renames("old", "linked-git/new", false),
            renames("linked-git/config", "new", false),
            renames("old", "out-directory/new", false),
            renames("old", "out-directory/in", true),
            renames("full", "linked/deeper", false),
            renames("missing", "new/", false),
        ],
    )
    .await;
    assert_eq!(folder.text("there"), "of others");
}

#[tokio::test]
async fn a_link_that_leads_nowhere_is_asked_about_once_and_truly() {
    let folder = house();
    let person = Person::saying(vec![Says::Allow; 100]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let wrote = agent.does("write", write("dangling").1).await;
    assert_eq!(wrote["created"], true, "{wrote}");
    assert_eq!(folder.text("nothing"), "1234");
    // Its directory is missing: none is made for it.
    let refused = agent.cannot("write", write("far").1).await;
    assert!(
        refused.contains("it is a link, or lies behind one"),
        "{refused}"
    );
    assert!(!refused.contains("were made"), "{refused}");
    assert!(!folder.path().join("nodir").exists());
    agent.does("move", renames("old", "far", true).1).await;
    assert_eq!(folder.text("far"), "12345");
    let asked = deeds(&person);
    let becomes: Vec<_> = asked.iter().map(|deed| deed[1].as_str()).collect();
    let made = format!(
        "makes a new file of 4 bytes, where the link \"{}\" leads; where something has that name by then, it stays as it is",
        folder.path().join("dangling").display()
    );
    let lost = "a file or link that has the new name by then is lost; where a directory has it, both stay as they are";
    assert_eq!(becomes, [&made, lost], "{asked:?}");
    agent.ends().await;
}

#[tokio::test]
async fn what_is_granted_by_the_name_of_a_link_is_asked_about_and_done() {
    let folder = asking();
    folder.put("real/a", "one");
    let link = |says: &str, name: &str| symlink(says, folder.path().join(name)).expect("made");
    link("real", "link");
    link("dead", "real/dangling");
    let config = folder.path().join("config/lockgate.toml");
    let config = config.to_str().expect("text");
    for (arguments, below) in [
        (&["--cwd", "link"][..], ""),
        (&["--cwd", "link", "--write", "."], ""),
        (&["--read", ".", "--write", "link"], "link/"),
        (&["--cwd", "link", "--read", "..", "--write", "../link"], ""),
    ] {
        let person = Person::saying(vec![Says::Allow; 100]);
        let arguments = [arguments, &["--config", config]].concat();
        let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
        let at = |name: &str| format!("{below}{name}");
        let edits = json!([{"old_text": "1234", "new_text": "one"}]);
        for (tool, call) in [
            write(&at("a")),
            write(&at("new")),
            write(&at("made/new")),
            write(&at("dangling")),
            ("edit", json!({"path": at("a"), "edits": edits})),
            renames(&at("new"), &at("made/newer"), false),
            ("remove", json!({"path": at("made"), "recursive": true})),
        ] {
            agent.does(tool, call).await;
        }
        assert_eq!(folder.text("real/dead"), "1234");
        std::fs::remove_file(folder.path().join("real/dead")).expect("removed");
        agent.ends().await;
    }
}

#[tokio::test]
async fn what_was_agreed_to_at_the_end_of_a_link_is_done_there_whatever_the_link_says_then() {
    for (says, ends) in [
        ("nothing", "nothing"),
        ("dangling-too", "nothing"),
        ("inside/../nothing", "full/nothing"),
    ] {
        let folder = house();
        let link = folder.path().join("link");
        symlink("nothing", folder.path().join("dangling-too")).expect("made");
        std::fs::create_dir(folder.path().join("full/deep")).expect("made");
        symlink("full/deep", folder.path().join("inside")).expect("made");
        symlink(says, &link).expect("made");
        let person = Person::meanwhile(vec![Says::Allow], move || {
            std::fs::remove_file(&link).expect("removed");
            symlink("old", &link).expect("made");
        });
        let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
        let wrote = agent.does("write", write("link").1).await;
        assert_eq!(wrote["created"], true, "{wrote}");
        assert_eq!(folder.text("old"), "12345", "{says}");
        assert_eq!(folder.text(ends), "1234", "{says}");
        let asked = deeds(&person);
        let end = folder.path().join(ends);
        assert_eq!(
            (asked.len(), asked[0][0].as_str()),
            (1, format!("write \"{}\"", end.display()).as_str()),
            "{asked:?}"
        );
        agent.ends().await;
    }
}
