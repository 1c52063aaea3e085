//! What a form says of files: what is where it is to be done, what is lost, and that what was agreed to is what is done.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::person::{Person, Says};
use crate::{Agent, Folder};

/// Whoever changes a file asks. Nobody is asked about looks, but for those at `unseen`.
const POLICY: &str = r#"package lockgate

default allow := true

ask contains {"msg": "May it?", "rule": "changes"} if {
	input.action.kind == "file"
	some path in input.action.paths
	path.access == "write"
}

ask contains {"msg": "May it look?", "rule": "unseen"} if {
	input.action.kind == "file"
	some path in input.action.paths
	endswith(path.path, "/unseen")
}

ask contains {"msg": "May it start?", "rule": "starts"} if {
	input.action.kind == "process-start"
}

ask contains {"msg": "May it be read?", "rule": "reads"} if {
	input.action.kind == "file"
	input.action.verb == "read"
}
"#;

pub(crate) const ARGUMENTS: [&str; 2] = ["--config", "config/lockgate.toml"];

/// A folder with that policy.
pub(crate) fn asking() -> Folder {
    let folder = Folder::new();
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/dist/policy-rego.wasm");
    let policy = std::fs::read(built).expect("a built policy");
    let digest: String = Sha256::digest(&policy)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    folder.put("config/policy.wasm", policy);
    folder.put("config/policy.rego", POLICY);
    let module = format!(
        "[policy]\ndefault = \"allow\"\n[[policy.module]]\npath = \"policy.wasm\"\nsha256 = \"{digest}\"\nconfig_file = \"policy.rego\"\n"
    );
    folder.put("config/lockgate.toml", module);
    folder
}

/// The lines about the deed of each question.
pub(crate) fn deeds(person: &Person) -> Vec<Vec<String>> {
    let deed = |message: &String| {
        let part = message.split("\n\n").nth(1).expect("a deed");
        part.lines().map(str::to_owned).collect()
    };
    person.asked().iter().map(deed).collect()
}

#[tokio::test]
async fn what_is_there_and_what_becomes_of_it_is_told() {
    let folder = asking();
    folder.put("old", "12345");
    folder.put("other", "123");
    folder.put("directory/in", "1");
    symlink("old", folder.path().join("link")).expect("made");
    symlink("nothing", folder.path().join("dangling")).expect("made");
    let person = Person::saying(vec![Says::Allow; 20]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let at = folder.path().display();
    let new = |bytes| {
        format!(
            "makes a new file of {bytes} bytes; where something has that name by then, it stays as it is"
        )
    };
    let replaces = |bytes| {
        format!("a file of {bytes} bytes takes the place of what is there by then, which is lost")
    };
    let taken = "where something has the new name by then, both stay as they are".to_owned();
    let lost =
        "a file or link that has the new name by then is lost; where a directory has it, both stay as they are".to_owned();
    let content = |path: &str| json!({"path": path, "content": "1234"});
    let steps = [
        (
            "write",
            content("new"),
            vec![vec![
                format!("write \"{at}/new\""),
                new(4),
                "there now: nothing".to_owned(),
            ]],
        ),
        (
            "write",
            content("old"),
            vec![vec![
                format!("write \"{at}/old\""),
                replaces(4),
                "there now: a file of 5 bytes".to_owned(),
            ]],
        ),
        (
            "write",
            content("link"),
            vec![vec![
                format!("write \"{at}/link\""),
                replaces(4),
                format!(
                    "there now: a symbolic link that says \"old\" and leads to a file of 4 bytes, \"{at}/old\""
                ),
            ]],
        ),
        (
            "write",
            content("nn/oo/pp"),
            vec![
                vec![
                    format!("create-directory \"{at}/nn/oo\", and those above it that are missing"),
                    format!("for writing \"{at}/nn/oo/pp\""),
                    "there now: nothing".to_owned(),
                    format!("the first that is missing: \"{at}/nn\""),
                ],
                vec![
                    format!("write \"{at}/nn/oo/pp\""),
                    new(4),
                    "there now: nothing".to_owned(),
                ],
            ],
        ),
        (
            "move",
            json!({"from": "new", "to": "newer", "overwrite": true}),
            vec![vec![
                format!("rename \"{at}/new\" -> \"{at}/newer\""),
                taken.clone(),
                "from: a file of 4 bytes".to_owned(),
                "to: nothing".to_owned(),
            ]],
        ),
        (
            "move",
            json!({"from": "newer", "to": "other", "overwrite": true}),
            vec![vec![
                format!("rename \"{at}/newer\" -> \"{at}/other\""),
                lost,
                "from: a file of 4 bytes".to_owned(),
                "to: a file of 3 bytes".to_owned(),
            ]],
        ),
        (
            "move",
            json!({"from": "directory", "to": "elsewhere"}),
            vec![vec![
                format!("rename \"{at}/directory\" -> \"{at}/elsewhere\""),
                taken,
                "from: a directory".to_owned(),
                "to: nothing".to_owned(),
            ]],
        ),
        (
            "remove",
            json!({"path": "dangling"}),
            vec![vec![
                format!("remove \"{at}/dangling\""),
                "there now: a symbolic link (it itself, not what it leads to) that says \"nothing\" and leads to nothing, or to what may not be seen"
                    .to_owned(),
            ]],
        ),
        (
            "remove",
            json!({"path": "elsewhere", "recursive": true}),
            vec![vec![
                format!("remove \"{at}/elsewhere\", and all below"),
                "there now: a directory".to_owned(),
            ]],
        ),
    ];
    let mut told = 0;
    for (tool, arguments, forms) in steps {
        agent.does(tool, arguments.clone()).await;
        assert_eq!(deeds(&person)[told..], forms, "{tool} {arguments}");
        told += forms.len();
    }
    agent.ends().await;
}

#[tokio::test]
async fn what_others_make_of_a_file_while_the_form_of_its_edit_is_open_is_not_lost() {
    type Changes = fn(&Path);
    let edits = json!([{"old_text": "one", "new_text": "two"}]);
    let edit = json!({"path": "f", "edits": edits});
    let cases: [(Changes, Option<&str>); 4] = [
        (
            |f| std::fs::write(f, "one of others").expect("written"),
            Some("one of others"),
        ),
        (
            |f| {
                let other = f.with_file_name("other");
                std::fs::write(&other, "renamed one").expect("written");
                std::fs::rename(other, f).expect("renamed");
            },
            Some("renamed one"),
        ),
        (|f| std::fs::write(f, "").expect("written"), Some("")),
        (|f| std::fs::remove_file(f).expect("removed"), None),
    ];
    for (changes, left) in cases {
        let folder = asking();
        folder.put("f", "one");
        let file = folder.path().join("f");
        // May it be read, and may it be written.
        let person = Person::while_asked(2, vec![Says::Allow; 2], {
            let file = file.clone();
            move || changes(&file)
        });
        let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
        let refused = agent.cannot("edit", edit.clone()).await;
        let wanted = match left {
            Some(_) => "somebody has changed the file meanwhile, and nothing was changed here",
            None => "No such file",
        };
        assert!(refused.contains(wanted), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), left);
        let asked = deeds(&person);
        let [read, write] = &asked[..] else {
            panic!("two questions: {asked:?}");
        };
        // The file is written under the condition that it is the same: it has one name in the form.
        let at = folder.path().display();
        assert_eq!(read[0], format!("read \"{at}/f\""));
        assert_eq!(write[0], format!("write \"{at}/f\""));
        assert_eq!(
            write.last().map(String::as_str),
            Some("there now: a file of 3 bytes")
        );
        agent.ends().await;
    }
}

#[tokio::test]
async fn a_file_that_came_while_its_form_was_open_is_not_lost_without_another_question() {
    for (tool, arguments) in [
        ("write", json!({"path": "new", "content": "ours"})),
        (
            "move",
            json!({"from": "ours", "to": "new", "overwrite": true}),
        ),
    ] {
        let folder = asking();
        folder.put("ours", "ours");
        let came = folder.path().join("new");
        let person = Person::meanwhile(vec![Says::Allow, Says::Deny], move || {
            std::fs::write(&came, "of others").expect("written");
        });
        let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
        let refused = agent.cannot(tool, arguments).await;
        assert!(
            refused.contains("a person was asked and denied it"),
            "{refused}"
        );
        assert_eq!(folder.text("new"), "of others");
        let asked = deeds(&person);
        let [first, second] = &asked[..] else {
            panic!("two questions: {asked:?}");
        };
        assert!(
            first.last().is_some_and(|line| line.ends_with(": nothing")),
            "{first:?}"
        );
        assert!(
            second
                .last()
                .is_some_and(|line| line.ends_with(": a file of 9 bytes")),
            "{second:?}"
        );
        agent.ends().await;
    }
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_said_not_to_be_known_and_is_not_lost_unsaid() {
    let folder = asking();
    folder.put("unseen", "12345");
    let person = Person::saying(vec![Says::Allow; 2]);
    let agent = Agent::with(person.clone(), folder.path(), &ARGUMENTS).await;
    let wrote = agent
        .does("write", json!({"path": "unseen", "content": "1234"}))
        .await;
    // It had the name, and may have been a link that leads nowhere.
    assert_eq!(wrote["created"], json!(null), "{wrote}");
    let asked = deeds(&person);
    let [first, second] = &asked[..] else {
        panic!("two questions: {asked:?}");
    };
    assert!(first[1].starts_with("makes a new file"), "{first:?}");
    assert!(second[1].contains("which is lost"), "{second:?}");
    for deed in [first, second] {
        assert!(deed[2].starts_with("there now: not known"), "{deed:?}");
    }
    agent.ends().await;
}

#[tokio::test]
async fn a_file_that_is_granted_by_itself_is_asked_about_as_a_replacement_too() {
    let folder = Folder::new();
    folder.put("config/lockgate.toml", "[policy]\ndefault = \"ask\"\n");
    folder.put("single", "12345");
    let arguments = [&ARGUMENTS[..], &["--write", "single", "--write", "none"]].concat();
    let write = |path: &str| json!({"path": path, "content": "1234"});
    let person = Person::saying(vec![Says::Allow; 5]);
    let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
    let wrote = agent.does("write", write("single")).await;
    // It had the name, and may have been a link that leads nowhere.
    assert_eq!(wrote["created"], json!(null), "{wrote}");
    assert_eq!(folder.text("single"), "1234");
    let asked = deeds(&person);
    assert!(asked[0][1].starts_with("makes a new file"), "{asked:?}");
    for deed in &asked[1..] {
        assert!(deed[1].contains("which is lost"), "{asked:?}");
    }
    agent.ends().await;
    // Nothing is lost without a yes to that, and what is no matter of a replacement is asked about once.
    let at = |path| write(path);
    let mut only_new = at("single");
    only_new["only_new"] = json!(true);
    for (call, says, questions) in [
        (at("single"), vec![Says::Allow, Says::Deny], 2),
        (at("single"), vec![Says::Deny, Says::Allow], 1),
        (only_new, vec![Says::Allow; 5], 1),
        (at("not-granted"), vec![Says::Allow; 5], 0),
    ] {
        folder.put("single", "12345");
        let person = Person::saying(says);
        let agent = Agent::with(person.clone(), folder.path(), &arguments).await;
        agent.cannot("write", call.clone()).await;
        assert_eq!(folder.text("single"), "12345", "{call}");
        let asked = person.asked();
        assert_eq!(asked.len(), questions, "{call}: {asked:?}");
        agent.ends().await;
    }
}
