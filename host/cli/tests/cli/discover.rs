//! `lockgate discover`: what a harness would find, here and on another executor alike.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Done, Server, done, lockgate, ok, run_in};

/// A project with documents at two heights, a link out of it and a name that draws on terminals; beside it a plugin.
fn project() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().canonicalize().expect("there");
    for name in [
        "p/.git",
        "p/a/\u{1b}[2J/work",
        "plugin/.claude-plugin",
        "plugin/skills/one",
    ] {
        fs::create_dir_all(at.join(name)).expect("made");
    }
    for (name, text) in [
        ("secret", "SECRET"),
        ("p/AGENTS.md", "outer\n"),
        ("p/a/CLAUDE.md", "other\n"),
        ("p/a/\u{1b}[2J/AGENTS.md", "hidden"),
        ("p/a/\u{1b}[2J/AGENTS.override.md", "inner \u{1b}[2J\n"),
        ("plugin/.claude-plugin/plugin.json", "{}"),
        ("plugin/skills/one/SKILL.md", "# one"),
    ] {
        fs::write(at.join(name), text).expect("written");
    }
    symlink(
        "../../../../secret",
        at.join("p/a/\u{1b}[2J/work/AGENTS.md"),
    )
    .expect("linked");
    let work = at.join("p/a/\u{1b}[2J/work");
    (dir, work)
}

fn both(work: &Path, args: &[&str]) -> [Done; 2] {
    let mut command = lockgate(&["serve"]);
    command.current_dir(work);
    let server = Server::started(command);
    let there = [&["discover", "--url", &server.url], args].concat();
    [
        run_in(work, &[&["discover"], args].concat()),
        // Without a directory it is the server's.
        run_in(Path::new("/"), &there),
    ]
}

#[test]
fn the_documents_of_a_project_and_what_is_left_out_are_shown_here_and_there() {
    let (dir, work) = project();
    for said in both(&work, &[]).map(ok) {
        let lines: Vec<&str> = said.lines().collect();
        let root = dir.path().canonicalize().expect("there").join("p");
        let root = root.display();
        assert_eq!(
            lines[0],
            format!("Project {root}: 17 bytes of at most 32768")
        );
        assert_eq!(lines[1], format!("  {root}/AGENTS.md: 6 bytes"));
        assert!(
            lines[2].ends_with("2J/AGENTS.override.md: 11 bytes"),
            "{said}"
        );
        assert!(
            lines[3].starts_with("  warning: ")
                && lines[3].ends_with("a link leads out of the project"),
            "{said}"
        );
        assert!(lines.len() == 4 && !said.contains('\u{1b}'), "{said}");
    }
    let found = both(&work, &["--or", "CLAUDE.md", "--json"]).map(ok);
    let found = found.map(|text| serde_json::from_str::<Value>(&text).expect("JSON"));
    assert_eq!(found[0], found[1]);
    let texts = found[0]["documents"].as_array().expect("some").iter();
    let texts: Vec<_> = texts.map(|document| document["text"].as_str()).collect();
    assert_eq!(
        texts,
        [Some("outer\n"), Some("other\n"), Some("inner \u{1b}[2J\n")]
    );
    assert!(!found[0].to_string().contains("SECRET"));
    assert_eq!(
        found[0]["warnings"][0]["reason"]
            .as_str()
            .map(|text| text.contains("leads out")),
        Some(true)
    );
}

#[test]
fn the_text_is_what_an_agent_is_told_and_nothing_else() {
    let (_dir, work) = project();
    for told in both(&work, &["--text"]) {
        assert_eq!(
            (told.code, told.out.as_str()),
            (Some(0), "outer\n\n\ninner \u{1b}[2J\n")
        );
        assert!(told.err.contains("leads out of the project"), "{told:?}");
    }
}

#[test]
fn plugins_and_skills_are_those_below_the_roots_that_are_named() {
    let (dir, work) = project();
    let plugin = dir.path().join("plugin");
    let plugin = plugin.to_str().expect("text");
    for said in both(&work, &["--root", plugin]).map(ok) {
        assert!(
            said.ends_with(&format!(
                "Below {plugin}: a plugin, 1 skill\n  plugin {plugin}/.claude-plugin/plugin.json: 2 bytes\n  skill {plugin}/skills/one/SKILL.md: 5 bytes\n"
            )),
            "{said}"
        );
    }
    let nowhere = run_in(
        &work,
        &["discover", "--root", plugin, "--root", "nowhere", "--json"],
    );
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    let found: Value = serde_json::from_str(&nowhere.out).expect("JSON");
    assert_eq!(found["roots"][0]["skills"][0]["contents"], "# one");
    assert!(found["roots"][1]["error"].is_string(), "{found}");
}

#[test]
fn what_a_profile_does_not_grant_is_not_found_and_a_directory_that_is_not_there_is_named() {
    let (dir, work) = project();
    let outer = dir
        .path()
        .canonicalize()
        .expect("there")
        .join("p/AGENTS.md");
    let outer = outer.to_str().expect("text");
    let project = dir.path().join("p");
    let args = [
        "discover",
        "--text",
        "--read",
        project.to_str().expect("text"),
        "--deny",
        outer,
    ];
    let told = run_in(&work, &args);
    assert_eq!(
        (told.code, told.out.as_str()),
        (Some(0), "inner \u{1b}[2J\n"),
        "{told:?}"
    );
    let gone = done(
        lockgate(&["discover", "/nowhere/at/all"])
            .output()
            .expect("runs"),
    );
    assert!(
        gone.code == Some(1) && gone.err.starts_with("lockgate: /nowhere/at/all: "),
        "{gone:?}"
    );
}
