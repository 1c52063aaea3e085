//! Plugins and skills: an executor that knows how to find them, and plain calls of any, find the same.

use lockgate_client::discovery::{Discovery, Root, discover_plainly};
use lockgate_client::profile::{Access, Sandbox};
use lockgate_client::{AbsPath, Client, ConnectOptions};
use lockgate_e2e::Ground;

use crate::house::{Place, connect};

const TREE: &[&str] = &[
    "p/.codex-plugin/plugin.json={\"name\": \"p\"}",
    "p/skills/b/SKILL.md=the b",
    "p/skills/a/SKILL.md=the a",
    "p/skills/a/notes.md=no skill",
    "p/inner/.cursor-plugin/plugin.json={\"name\": \"inner\"}",
    "p/inner/deep/down/SKILL.md=the inner",
    "p/.git/SKILL.md=hidden",
    "p/d/d/d/d/d/d/d/d/d/SKILL.md=too deep",
    "secret/SKILL.md=outside",
    "secret/plugin.json=outside",
    "l/one/SKILL.md>../../secret/SKILL.md",
    "l/two>../secret",
    "l/four/SKILL.md>../five/real.md",
    "l/five/real.md=inside",
    "l/.codex-plugin>../secret",
    "l/.claude-plugin/plugin.json={\"name\": \"l\"}",
    "alias>l",
    "f=a file",
    "empty/",
];

/// What has to be the same. Of errors and warnings that is where they are, not how they are worded.
fn essence(found: Vec<Discovery>) -> Vec<Discovery> {
    let mut found = found;
    for root in &mut found {
        root.error = root.error.take().map(|_| "some".to_owned());
        for warning in &mut root.warnings {
            let end = warning.find(": ").unwrap_or(warning.len());
            warning.truncate(end);
        }
        root.warnings.sort();
        root.warnings.dedup();
    }
    found
}

fn roots(client: &Client, ground: &Ground, sandbox: Option<&Sandbox>) -> Vec<Root> {
    let root = |name: &str| Root {
        id: name.to_owned(),
        path: client.path(AbsPath::parse(ground.path(name)).expect("a path")),
        sandbox: sandbox.cloned(),
    };
    ["p", "l", "alias", "f", "empty", "none"].map(root).to_vec()
}

async fn both_ways_find_the_same(place: Place) {
    let (client, _keeps) = connect(place, ConnectOptions::default()).await;
    let ground = Ground::new();
    ground.make(TREE);
    std::fs::write(ground.path("p/skills/a/SKILL.md"), b"\xff").expect("written");
    ground.make(&["p/large/SKILL.md="]);
    let large = vec![b'x'; (1 << 20) + 1];
    std::fs::write(ground.path("p/large/SKILL.md"), large).expect("written");
    let path = |name: &str| AbsPath::parse(ground.path(name)).expect("a path");
    let narrow = Sandbox::restricted([
        (path("p"), Access::Read),
        (path("p/inner/deep"), Access::Deny),
        (path("l"), Access::Read),
    ]);
    for sandbox in [None, Some(&narrow)] {
        let roots = roots(&client, &ground, sandbox);
        let asked = client.discover(roots.clone()).await.expect("answered");
        let plain = discover_plainly(&client, &roots).await.expect("found");
        assert_eq!(essence(asked.clone()), essence(plain));
        let skills: Vec<_> = asked.iter().map(|root| root.skills.len()).collect();
        let failed = asked.iter().filter(|root| root.error.is_some());
        let failed: Vec<_> = failed.map(|root| root.id.as_str()).collect();
        match sandbox {
            None => assert_eq!(
                (&skills[..], &failed[..]),
                (&[2, 1, 1, 0, 0, 0][..], &["f", "none"][..])
            ),
            Some(_) => assert_eq!(
                (&skills[..], &failed[..]),
                (
                    &[1, 1, 0, 0, 0, 0][..],
                    &["alias", "f", "empty", "none"][..]
                )
            ),
        }
        assert!(!format!("{asked:?}").contains("outside"));
    }
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local() {
    both_ways_find_the_same(Place::Local).await;
}

#[tokio::test]
async fn websocket() {
    both_ways_find_the_same(Place::Websocket).await;
}

#[tokio::test]
async fn stdio() {
    both_ways_find_the_same(Place::Stdio).await;
}

#[tokio::test]
async fn relay() {
    both_ways_find_the_same(Place::Relay).await;
}

#[tokio::test]
async fn relay_encrypted() {
    both_ways_find_the_same(Place::RelayEncrypted).await;
}
