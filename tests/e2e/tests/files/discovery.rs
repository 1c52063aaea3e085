//! `capabilityRoots/discoverV1` (PROTOCOL-LATER 2).

use lockgate_e2e::{Ground, Profile, Server, Shape, Way, Wire, uri};
use serde_json::{Value, json};

/// The answer about these roots, which are their own ids.
async fn discover(wire: &mut Wire, ground: &Ground, way: &Way, roots: &[&str]) -> Vec<Value> {
    let roots: Vec<_> = roots
        .iter()
        .map(|root| {
            let mut asked = json!({"id": root, "path": way.shape.path(ground.path(root))});
            if !way.sandbox.is_null() {
                asked["sandbox"] = way.sandbox.clone();
            }
            asked
        })
        .collect();
    let answer = wire.call("capabilityRoots/discoverV1", json!({"roots": roots}));
    let answer = answer.await.expect("answered");
    let answered = answer["roots"].as_array().expect("roots").clone();
    let ids: Vec<_> = answered.iter().map(|root| root["id"].clone()).collect();
    let asked: Vec<_> = roots.iter().map(|root| root["id"].clone()).collect();
    assert_eq!(ids, asked);
    answered
}

/// `path=contents` of each of these files.
fn shown(ground: &Ground, files: &Value) -> Vec<String> {
    let ground = uri(ground.path("")).trim_end_matches('/').to_owned();
    files
        .as_array()
        .expect("files")
        .iter()
        .map(|file| {
            let path = file["path"].as_str().expect("a path");
            let path = path.strip_prefix(&ground).expect("below the ground");
            format!(
                "{}={}",
                &path[1..],
                file["contents"].as_str().expect("a text")
            )
        })
        .collect()
}

fn warnings(ground: &Ground, root: &Value) -> Vec<String> {
    let ground = format!("{}/", ground.path("").display()).replace("//", "/");
    let warnings = root["warnings"].as_array().expect("warnings").iter();
    warnings
        .map(|text| text.as_str().expect("a text").replace(&ground, ""))
        .collect()
}

const PLUGIN: &[&str] = &[
    "p/.codex-plugin/plugin.json={\"name\": \"p\"}",
    "p/.claude-plugin/plugin.json={\"name\": \"other\"}",
    "p/skills/b/SKILL.md=the b",
    "p/skills/a/SKILL.md=the a",
    "p/skills/a/notes.md=no skill",
    "p/skills/a/skill.md=no skill either",
    "p/inner/.cursor-plugin/plugin.json={\"name\": \"inner\"}",
    "p/inner/deep/down/SKILL.md=the inner",
    "p/without/.claude-plugin/plugin.json={\"name\": \"without skills\"}",
    "p/.git/SKILL.md=hidden",
    "s/SKILL.md=itself",
    "e/",
];

#[tokio::test]
async fn plugins_and_skills_are_found_and_read_direct_and_behind_the_gate_alike() {
    let ground = Ground::new();
    ground.make(PLUGIN);
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let profile = Profile::new().read("/");
    for shape in Shape::BOTH {
        for way in [Way::direct(shape), Way::under(&profile, shape)] {
            let [p, s, e] = &discover(&mut wire, &ground, &way, &["p", "s", "e"]).await[..] else {
                panic!("three roots");
            };
            assert_eq!(
                shown(&ground, &json!([p["plugin"]])),
                ["p/.codex-plugin/plugin.json={\"name\": \"p\"}"]
            );
            assert_eq!(
                shown(&ground, &p["skills"]),
                [
                    "p/inner/deep/down/SKILL.md=the inner",
                    "p/skills/a/SKILL.md=the a",
                    "p/skills/b/SKILL.md=the b"
                ]
            );
            assert_eq!(
                shown(&ground, &p["namespaceManifests"]),
                [
                    "p/.codex-plugin/plugin.json={\"name\": \"p\"}",
                    "p/inner/.cursor-plugin/plugin.json={\"name\": \"inner\"}"
                ]
            );
            assert_eq!(shown(&ground, &s["skills"]), ["s/SKILL.md=itself"]);
            for root in [s, e] {
                assert_eq!(root["plugin"], Value::Null);
                assert_eq!(root["namespaceManifests"], json!([]));
            }
            for root in [p, s, e] {
                assert_eq!((&root["warnings"], root.get("error")), (&json!([]), None));
            }
        }
    }
    assert_eq!(
        wire.call("capabilityRoots/discoverV1", json!({"roots": []}))
            .await
            .expect("answered"),
        json!({"roots": []})
    );
}

#[tokio::test]
async fn a_root_that_fails_leaves_the_others_alone() {
    let ground = Ground::not_temporary();
    ground.make(PLUGIN);
    ground.make(&["f=text"]);
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let profile = Profile::new().read(ground.path("s"));
    let ways = [
        (
            Way::direct(Shape::Late),
            "No such file or directory (os error 2)",
        ),
        (
            Way::under(&profile, Shape::Late),
            "No such file or directory (os error 2)",
        ),
    ];
    for (way, missing) in ways {
        let answered = discover(&mut wire, &ground, &way, &["none", "f", "s"]).await;
        assert_eq!(answered[0]["error"], missing);
        assert!(answered[1]["error"].is_string(), "{}", answered[1]);
        assert_eq!(
            shown(&ground, &answered[2]["skills"]),
            ["s/SKILL.md=itself"]
        );
    }
    // What the profile does not grant is as if it were not there.
    let way = Way::under(&profile, Shape::Late);
    let answered = discover(&mut wire, &ground, &way, &["p"]).await;
    assert_eq!(
        answered[0]["error"],
        "No such file or directory (os error 2)"
    );
    // A profile that makes no sense, for one of two.
    let late = |root| Shape::Late.path(ground.path(root));
    let roots = json!([
        {"id": "bad", "path": late("s"), "sandbox": {"permissions": 7}},
        {"id": "good", "path": late("s")},
    ]);
    let answer = wire.call("capabilityRoots/discoverV1", json!({"roots": roots}));
    let answer = answer.await.expect("answered");
    assert!(answer["roots"][0]["error"].is_string(), "{answer}");
    assert_eq!(
        shown(&ground, &answer["roots"][1]["skills"]),
        ["s/SKILL.md=itself"]
    );
    // One too many.
    let many: Vec<_> = (0..65)
        .map(|id| json!({"id": id.to_string(), "path": late("s")}))
        .collect();
    let refused = wire.call("capabilityRoots/discoverV1", json!({"roots": many}));
    let refused = refused.await.expect_err("too many");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (-32602, "roots must have at most 64 items, it has 65")
    );
}

#[tokio::test]
async fn attack_03_no_link_leads_discovery_out_of_its_root() {
    let ground = Ground::new();
    ground.make(&[
        "secret/SKILL.md=outside",
        "secret/plugin.json=outside",
        "r/one/SKILL.md>../../secret/SKILL.md",
        "r/two>../secret",
        "r/three/SKILL.md>$/secret/SKILL.md",
        "r/four/SKILL.md>../five/real.md",
        "r/five/real.md=inside",
        "r/six/SKILL.md>SKILL.md",
        "r/.codex-plugin>../secret",
        "r/.claude-plugin/plugin.json>../../secret/plugin.json",
        "r/seven/SKILL.md=plain",
        "alias>r",
    ]);
    ground.make_fifo("r/five/SKILL.md");
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let profile = Profile::new().read("/");
    for way in [Way::direct(Shape::Late), Way::under(&profile, Shape::Late)] {
        for root in ["r", "alias"] {
            let found = &discover(&mut wire, &ground, &way, &[root]).await[0];
            assert_eq!(
                shown(&ground, &found["skills"]),
                [
                    format!("{root}/four/SKILL.md=inside"),
                    format!("{root}/seven/SKILL.md=plain")
                ]
            );
            assert!(!found.to_string().contains("outside"), "{found}");
            assert_eq!(found["plugin"], Value::Null);
            let warned = warnings(&ground, found);
            for place in [
                ".codex-plugin/plugin.json",
                ".claude-plugin/plugin.json",
                "one/SKILL.md",
                "three/SKILL.md",
            ] {
                let expected =
                    format!("{root}/{place}: a link leads out of the root, and is not followed");
                assert!(warned.contains(&expected), "{expected}: {warned:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_a_warning_and_too_much_is_not_taken() {
    let ground = Ground::new();
    ground.make(&[
        "r/good/SKILL.md=fine",
        "r/large/SKILL.md=",
        "r/binary/SKILL.md=",
        "r/.codex-plugin/plugin.json=",
    ]);
    std::fs::write(ground.path("r/large/SKILL.md"), vec![b'x'; (1 << 20) + 1]).expect("written");
    std::fs::write(ground.path("r/binary/SKILL.md"), b"\xff\xfe").expect("written");
    for number in 0..20 {
        // Each of which is six bytes as JSON.
        ground.make(&[&format!(
            "r/full/{number:02}/SKILL.md={}",
            "\u{1}".repeat(100_000)
        )]);
    }
    let mut deep = "r".to_owned();
    for _ in 0..12 {
        deep.push_str("/d");
        ground.make(&[&format!("{deep}/SKILL.md=deep")]);
    }
    let server = Server::start();
    let mut wire = Wire::ready(&server).await;
    let way = Way::direct(Shape::Late);
    let found = &discover(&mut wire, &ground, &way, &["r", "none"]).await[0];
    let skills = shown(&ground, &found["skills"]);
    assert!(found.to_string().len() < 8 << 20);
    assert_eq!(
        skills
            .iter()
            .filter(|skill| skill.ends_with("=deep"))
            .count(),
        8
    );
    assert_eq!(
        skills
            .iter()
            .filter(|skill| skill.starts_with("r/full"))
            .count(),
        13
    );
    let warned = warnings(&ground, found);
    for expected in [
        "r/binary/SKILL.md: it is no text in UTF-8",
        "r/full/19/SKILL.md: there is no room for it in the answer: read it by itself",
    ] {
        assert!(
            warned.iter().any(|warning| warning == expected),
            "{warned:?}"
        );
    }
    assert!(
        warned
            .iter()
            .any(|warning| warning.starts_with("r/large/SKILL.md: ")),
        "{warned:?}"
    );
}
