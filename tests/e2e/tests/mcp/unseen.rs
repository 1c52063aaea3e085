//! Where policies ask about everything, looks too: nobody may look beforehand, and no form or answer says what is not known.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::beforehand::{renames, write};
use crate::forms::{ARGUMENTS, deeds};
use crate::person::{Person, Says};
use crate::{Agent, Folder, text};

/// A folder in whose policies nobody has an opinion on anything.
fn asked_about_all() -> Folder {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    folder
}

#[tokio::test]
async fn where_nobody_may_look_it_is_not_said_what_was_there() {
    let folder = asked_about_all();
    symlink("nothing", folder.path().join("dangling")).expect("made");
    let person = Person::saying(vec![Says::Allow; 10]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let wrote = agent.asks("write", write("dangling").1).await;
    let words = text(&wrote);
    assert!(words.starts_with("wrote dangling (4 bytes); "), "{words}");
    let wrote = wrote.structured_content.expect("structured");
    assert_eq!(wrote["created"], json!(null), "{wrote}");
    assert_eq!(folder.text("nothing"), "1234");
    agent.ends().await;
}

#[tokio::test]
async fn a_slash_means_a_directory_also_where_somebody_is_asked_about_a_look() {
    let folder = asked_about_all();
    folder.put("f", "12345");
    folder.put("d/in", "1");
    symlink("d", folder.path().join("link")).expect("made");
    for (tool, call, words) in [
        ("remove", json!({"path": "link/"}), "link/: Not a directory"),
        (
            "remove",
            json!({"path": "link/", "recursive": true}),
            "link/: Not a directory",
        ),
        ("remove", json!({"path": "f/"}), "f/: Not a directory"),
        (
            "move",
            renames("f", "new/", false).1,
            "new/: Not a directory",
        ),
        (
            "move",
            renames("link/", "new", false).1,
            "link/: Not a directory",
        ),
        (
            "move",
            renames("none", "new/", false).1,
            "none: No such file",
        ),
        ("remove", json!({"path": "none/"}), "none/: No such file"),
        ("list", json!({"path": "f/"}), "f/: Not a directory"),
        (
            "search",
            json!({"path": "f/", "pattern": "1"}),
            "f/: Not a directory",
        ),
    ] {
        let person = Person::saying(vec![Says::Allow; 10]);
        let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
        let refused = agent.cannot(tool, call.clone()).await;
        assert!(refused.starts_with(words), "{call}: {refused}");
        let asked = deeds(&person);
        assert!(
            asked.len() == 1 && asked[0][0].starts_with("metadata"),
            "{call}: {asked:?}"
        );
        agent.ends().await;
    }
    let person = Person::saying(vec![Says::Allow; 10]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let refused = agent.cannot("read", json!({"path": "f/"})).await;
    assert!(refused.contains("is a directory's"), "{refused}");
    assert_eq!(person.asked(), Vec::<String>::new());
    agent.does("move", renames("d/", "new/", false).1).await;
    assert_eq!(folder.text("new/in"), "1");
    agent.ends().await;
}

#[tokio::test]
async fn what_is_outside_of_the_profile_is_not_said_to_be_nothing() {
    let folder = asked_about_all();
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

#[tokio::test]
async fn for_a_link_into_a_missing_directory_none_is_made_asked_about_or_said_to_be() {
    let folder = asked_about_all();
    folder.put("full/in", "1");
    symlink("none/in", folder.path().join("far")).expect("made");
    symlink("../none/in", folder.path().join("full/far")).expect("made");
    for arguments in [
        &ARGUMENTS[..],
        &[&ARGUMENTS[..], &["--unrestricted"]].concat(),
    ] {
        for path in ["far", "full/far"] {
            let mut only_new = write(path).1;
            only_new["only_new"] = json!(true);
            for (call, becomes, words) in [
                (
                    write(path).1,
                    &[
                        "makes a new file of 4 bytes; ",
                        "a file of 4 bytes takes the place of what is there by then, ",
                    ][..],
                    "No such file or directory",
                ),
                (
                    only_new,
                    &["makes a new file of 4 bytes; "],
                    "there is something already",
                ),
            ] {
                let person = Person::saying(vec![Says::Allow; 10]);
                let agent = Agent::with(person.clone(), folder.path(), arguments).await;
                let refused = agent.cannot("write", call.clone()).await;
                assert!(
                    refused.contains(words) && !refused.contains("made"),
                    "{call}: {refused}"
                );
                let asked = deeds(&person);
                assert_eq!(asked.len(), becomes.len(), "{call}: {asked:?}");
                let at = folder.path().join(path);
                for (deed, becomes) in asked.iter().zip(becomes) {
                    assert_eq!(deed[0], format!("write \"{}\"", at.display()));
                    assert!(deed[1].starts_with(becomes), "{deed:?}");
                }
                agent.ends().await;
            }
        }
    }
    assert!(!folder.path().join("none").exists());
}
