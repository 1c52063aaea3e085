//! The instruction documents of a project.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_client::discovery::{Documents, ProjectDocuments};
use lockgate_client::profile::Access;

use crate::everywhere;
use crate::house::{House, refused};

everywhere! {
    documents_come_from_the_root_down_one_of_each_directory,
    without_a_marker_there_is_the_working_directory_alone,
    documents_are_bounded_together_and_cut_between_characters,
    no_link_of_a_project_leads_to_a_document_outside,
    nor_does_one_that_is_put_there_meanwhile,
    what_is_no_text_file_is_told_and_a_profile_holds,
}

async fn found(house: &House, what: &ProjectDocuments, cwd: &str) -> Documents {
    let found = what.find(&*house.executor, &house.path(cwd)).await;
    found.expect("found")
}

/// `path=text` of each document.
fn shown(house: &House, found: &Documents) -> Vec<String> {
    let ground = house.path("").to_string();
    let documents = found.documents.iter();
    documents
        .map(|document| {
            let path = document.path.to_string();
            let path = path.strip_prefix(&ground).expect("below the ground");
            format!("{}={}", path.trim_start_matches('/'), document.text)
        })
        .collect()
}

fn warned(house: &House, found: &Documents) -> Vec<String> {
    let ground = format!("{}/", house.path(""));
    let warnings = found.warnings.iter();
    warnings
        .map(|warning| warning.to_string().replace(&ground, ""))
        .collect()
}

async fn documents_come_from_the_root_down_one_of_each_directory(house: &House) {
    house.ground.make(&[
        "AGENTS.md=above the project",
        "p/.git/HEAD=x",
        "p/AGENTS.md=root",
        "p/a/AGENTS.md=hidden by the override",
        "p/a/AGENTS.override.md=override",
        "p/a/b/CLAUDE.md=fallback",
        "p/a/b/other.md=hidden by the first fallback",
        "p/a/b/c/AGENTS.md/",
        "p/a/b/c/other.md=beside a directory",
        "p/a/b/c/d/AGENTS.override.md=",
        "p/a/b/c/d/AGENTS.md=hidden by an empty override",
        "p/a/b/c/d/below/AGENTS.md=below",
        "way-in>p/a/b/c",
    ]);
    let usual = ProjectDocuments::new();
    let more = usual.clone().or("CLAUDE.md").or("other.md");
    let all = found(house, &more, "p/a/b/c/d").await;
    assert_eq!(all.root, house.path("p"));
    assert_eq!(
        shown(house, &all),
        [
            "p/AGENTS.md=root",
            "p/a/AGENTS.override.md=override",
            "p/a/b/CLAUDE.md=fallback",
            "p/a/b/c/other.md=beside a directory"
        ]
    );
    assert_eq!(
        all.text(),
        "root\n\noverride\n\nfallback\n\nbeside a directory"
    );
    assert_eq!(all.warnings, []);
    // By a link, one is where it leads.
    let by_link = found(house, &more, "way-in").await;
    assert_eq!(shown(house, &by_link), shown(house, &all));
    let few = found(house, &usual, "p/a/b").await;
    assert_eq!(
        shown(house, &few),
        ["p/AGENTS.md=root", "p/a/AGENTS.override.md=override"]
    );
    // A worktree's `.git` is a file.
    house.ground.make(&["p/a/b/.git=gitdir: elsewhere"]);
    let inner = found(house, &more, "p/a/b/c").await;
    assert_eq!(
        shown(house, &inner),
        [
            "p/a/b/CLAUDE.md=fallback",
            "p/a/b/c/other.md=beside a directory"
        ]
    );
}

async fn without_a_marker_there_is_the_working_directory_alone(house: &House) {
    house.ground.make(&[
        "AGENTS.md=above",
        "p/.project=x",
        "p/AGENTS.md=root",
        "p/a/AGENTS.md=here",
    ]);
    let none = ProjectDocuments::new().markers(["no-such-marker"]);
    let alone = found(house, &none, "p/a").await;
    assert_eq!(alone.root, house.path("p/a"));
    assert_eq!(shown(house, &alone), ["p/a/AGENTS.md=here"]);
    let nothing = ProjectDocuments::new().markers([""; 0]);
    assert_eq!(found(house, &nothing, "p/a").await, alone);
    let marked = ProjectDocuments::new().markers(["no-such-marker", ".project"]);
    let marked = found(house, &marked, "p/a").await;
    assert_eq!(
        shown(house, &marked),
        ["p/AGENTS.md=root", "p/a/AGENTS.md=here"]
    );
    // Names that lead elsewhere are none.
    let odd = ProjectDocuments::new()
        .markers(["../p"])
        .or("../AGENTS.md")
        .or("");
    assert_eq!(found(house, &odd, "p/a").await, alone);
    let missing = ProjectDocuments::new()
        .find(&*house.executor, &house.path("none"))
        .await;
    assert_eq!(refused(missing), -32004);
}

async fn documents_are_bounded_together_and_cut_between_characters(house: &House) {
    let umlauts = "ü".repeat(100);
    house.ground.make(&[
        "p/.git/",
        &format!("p/AGENTS.md={umlauts}"),
        &format!("p/a/AGENTS.md={umlauts}"),
        "p/a/b/AGENTS.md=no room",
    ]);
    let bounded = ProjectDocuments::new().at_most(301);
    let cut = found(house, &bounded, "p/a/b").await;
    let half = "ü".repeat(50);
    assert_eq!(
        shown(house, &cut),
        [
            format!("p/AGENTS.md={umlauts}"),
            format!("p/a/AGENTS.md={half}")
        ]
    );
    assert_eq!(
        warned(house, &cut),
        [
            "p/a/AGENTS.md: cut after 100 bytes: there are 301 for all documents",
            "p/a/b/AGENTS.md: not read: the 301 bytes for documents are used up"
        ]
    );
    // All that is there and not a byte less.
    let exact = ProjectDocuments::new().at_most(407);
    assert_eq!(found(house, &exact, "p/a/b").await.warnings, []);
    // One that is huge is not read to its end.
    let huge = std::fs::File::create(house.ground.path("p/AGENTS.md")).expect("made");
    huge.set_len(1 << 40).expect("a hole");
    let usual = found(house, &ProjectDocuments::new(), "p").await;
    assert_eq!(usual.documents[0].text.len(), 32 * 1024);
    assert_eq!(
        warned(house, &usual),
        ["p/AGENTS.md: cut after 32768 bytes: there are 32768 for all documents"]
    );
}

async fn no_link_of_a_project_leads_to_a_document_outside(house: &House) {
    house.ground.make(&[
        "secret=the key",
        "twin-p/AGENTS.md=a twin by prefix",
        "twin/.git/",
        "twin/docs/real.md=inside",
        "twin/AGENTS.md>docs/real.md",
        "twin/a/AGENTS.md>../../secret",
        "twin/a/b/AGENTS.md>$/secret",
        "twin/a/b/c/AGENTS.md>../../../../twin-p/AGENTS.md",
        "twin/a/b/c/d/AGENTS.md>AGENTS.md",
        "twin/a/b/c/d/e/AGENTS.md>nowhere",
        "twin/a/b/c/d/e/CLAUDE.md=behind a link to nowhere",
    ]);
    let what = ProjectDocuments::new().or("CLAUDE.md");
    let inside = found(house, &what, "twin/a/b/c/d/e").await;
    assert_eq!(
        shown(house, &inside),
        [
            "twin/AGENTS.md=inside",
            "twin/a/b/c/d/e/CLAUDE.md=behind a link to nowhere"
        ]
    );
    let warned = warned(house, &inside);
    for (warning, path) in warned.iter().zip(["twin/a", "twin/a/b", "twin/a/b/c"]) {
        let expected = format!("{path}/AGENTS.md: not read: a link leads out of the project");
        assert_eq!(warning, &expected);
    }
    assert_eq!(warned.len(), 4, "{warned:?}");
    assert!(warned[3].contains("symbolic links"), "{warned:?}");
    // Who trusts the project may say so.
    let outside = found(house, &what.may_lead_out(), "twin/a").await;
    assert_eq!(
        shown(house, &outside),
        ["twin/AGENTS.md=inside", "twin/a/AGENTS.md=the key"]
    );
}

async fn nor_does_one_that_is_put_there_meanwhile(house: &House) {
    house
        .ground
        .make(&["secret=the key", "p/.git/", "p/AGENTS.md=inside"]);
    let at = |path: &str| house.ground.path(path);
    let (secret, next, document) = (at("secret"), at("p/next"), at("p/AGENTS.md"));
    let over = Arc::new(AtomicBool::new(false));
    let exchanging = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Relaxed) {
                std::os::unix::fs::symlink(&secret, &next).expect("linked");
                std::fs::rename(&next, &document).expect("exchanged");
                std::fs::write(&next, "inside").expect("written");
                std::fs::rename(&next, &document).expect("exchanged");
            }
        }
    });
    // As often as it takes, for the two may keep step for a while.
    let (mut seen, mut rounds) = (0, 0);
    while rounds < 400 || seen == 0 {
        rounds += 1;
        let found = found(house, &ProjectDocuments::new(), "p").await;
        for document in &found.documents {
            assert_eq!(document.text, "inside");
            seen += 1;
        }
    }
    over.store(true, Ordering::Relaxed);
    exchanging.join().expect("no panic");
}

async fn what_is_no_text_file_is_told_and_a_profile_holds(house: &House) {
    house.ground.make(&[
        "p/.git/",
        "p/AGENTS.md=",
        "p/a/b/AGENTS.md=text",
        "p/a/b/c/AGENTS.md=denied",
    ]);
    std::fs::write(house.ground.path("p/AGENTS.md"), b"caf\xe9").expect("written");
    house.ground.make_fifo("p/a/AGENTS.md");
    let odd = found(house, &ProjectDocuments::new(), "p/a/b").await;
    assert_eq!(
        shown(house, &odd),
        ["p/AGENTS.md=caf\u{fffd}", "p/a/b/AGENTS.md=text"]
    );
    assert_eq!(
        warned(house, &odd),
        [
            "p/AGENTS.md: it is no UTF-8: what is none in it is replaced",
            "p/a/AGENTS.md: it is no regular file"
        ]
    );
    // What a profile does not show is not there; the marker neither.
    let narrow = house.granted(&[("p/a/b", Access::Read), ("p/a/b/c/AGENTS.md", Access::Deny)]);
    let held = ProjectDocuments::new().within(narrow);
    let held = found(house, &held, "p/a/b/c").await;
    assert_eq!(
        (held.root.clone(), held.documents.len()),
        (house.path("p/a/b/c"), 0),
        "{held:?}"
    );
    let narrow = house.granted(&[("p", Access::Read), ("p/a/b/c/AGENTS.md", Access::Deny)]);
    let held = ProjectDocuments::new().within(narrow);
    let held = found(house, &held, "p/a/b/c").await;
    assert_eq!(
        shown(house, &held),
        ["p/AGENTS.md=caf\u{fffd}", "p/a/b/AGENTS.md=text"]
    );
}
