//! Nobody is asked about what cannot be done: it is refused before, in the words that it has where nobody is asked. And what is asked is true.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};

use crate::forms::{ARGUMENTS, asking, deeds};
use crate::person::{Person, Says};
use crate::{Agent, Folder};

fn write(path: &str) -> (&'static str, Value) {
    ("write", json!({"path": path, "content": "1234"}))
}

fn only_new(path: &str) -> (&'static str, Value) {
    let call = json!({"path": path, "content": "1234", "only_new": true});
    ("write", call)
}

fn renames(from: &str, to: &str, overwrite: bool) -> (&'static str, Value) {
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

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_anybody_is_asked() {
    let folder = house();
    let person = Person::saying(vec![Says::Allow; 100]);
    let asking = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let plain = Agent::with(Person::saying([]), folder.path(), &[]).await;
    let mut others = Vec::new();
    for (tool, call) in [
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
    ] {
        let refused = asking.cannot(tool, call.clone()).await;
        assert_eq!(deeds(&person), Vec::<Vec<String>>::new(), "{tool} {call}");
        let wanted = plain.cannot(tool, call.clone()).await;
        if refused != wanted {
            others.push((refused, wanted));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    // Nobody has to agree to what changes nothing.
    asking.cannot("move", renames("old", "old", true).1).await;
    assert!(person.asked().is_empty());
    assert_eq!(folder.text("old"), "12345");
    for name in ["new", "nothing", "nodir", "none", "git", ".envrc"] {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
    asking.ends().await;
    plain.ends().await;
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
    let made = "a file of 4 bytes is made where the link leads, if its directory is there; what is there by then is lost";
    let lost = "a file that has the new name by then is lost, and so is an empty directory";
    assert_eq!(becomes, [made, made, lost], "{asked:?}");
    agent.ends().await;
}

#[tokio::test]
async fn what_is_outside_of_the_profile_is_not_said_to_be_nothing() {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    folder.put("in/it", "1");
    folder.put("outside/it", "1");
    let person = Person::saying(vec![Says::Allow; 10]);
    let arguments = [&ARGUMENTS[..], &["--read", "in"]].concat();
    let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
    for path in ["outside", "nothing"] {
        agent.cannot("list", json!({"path": path})).await;
        let deed = deeds(&person).pop().expect("a question");
        let wanted =
            "there now: not known, as it may not be looked at without asking, or cannot be";
        assert_eq!(deed.last().expect("a line"), wanted, "{deed:?}");
    }
    agent.ends().await;
}
