//! Real clients, as recorded: what they sent is sent again, and what comes back is held against what
//! the reference answered them. Times, session ids and the cutting of output into chunks may differ.
//!
//! It is sent on every way there is. What the recordings cannot show: what their clients do when a link is lost (none was), what they make of answers that the reference
//! did not give, relayed streams as the reference itself frames them, and methods that were not used in ordinary work. The first three
//! are for `tests/peer`, where the reference's real programs run, and for `tests/e2e/tests/resume`.

mod way;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use serde_json::{Value, json};

use way::{Kind, Way};

const MAY: &str = include_str!("../../fixtures/0.133.0.jsonl");
const NOVEMBER: &str = include_str!("../../fixtures/0.169.0.jsonl");

#[tokio::test]
async fn the_recorded_client_of_may_2026_gets_the_answers_it_got() {
    replay(MAY, Kind::Websocket).await;
}

#[tokio::test]
async fn the_recorded_client_of_may_2026_gets_the_answers_it_got_over_stdio() {
    replay(MAY, Kind::Stdio).await;
}

#[tokio::test]
async fn the_recorded_client_of_may_2026_gets_the_answers_it_got_through_a_rendezvous() {
    replay(MAY, Kind::Relay).await;
}

#[tokio::test]
async fn the_recorded_client_of_november_2026_gets_the_answers_it_got() {
    replay(NOVEMBER, Kind::Websocket).await;
}

#[tokio::test]
async fn the_recorded_client_of_november_2026_gets_the_answers_it_got_over_stdio() {
    replay(NOVEMBER, Kind::Stdio).await;
}

#[tokio::test]
async fn the_recorded_client_of_november_2026_gets_the_answers_it_got_through_a_rendezvous() {
    replay(NOVEMBER, Kind::Relay).await;
}

#[tokio::test]
async fn the_recorded_client_of_november_2026_gets_the_answers_it_got_encrypted() {
    replay(NOVEMBER, Kind::RelayEncrypted).await;
}

async fn replay(recording: &str, kind: Kind) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    let work = root.join("work");
    std::fs::create_dir_all(&work).expect("made");
    let places: Vec<(&str, String)> = [
        ("$PEER_HOME", folder.path().join("peer")),
        ("$USER_HOME", folder.path().join("home")),
        ("$PARENT", folder.path().join("parent")),
        ("$ROOT", root.clone()),
        ("$WORK", work.clone()),
    ]
    .map(|(name, path)| (name, path.to_str().expect("UTF-8").to_owned()))
    .into();
    // The recorder cut messages of more than 6,000 characters (large output): those are left out.
    let messages: Vec<(bool, Value)> = recording
        .lines()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).expect("a recorded line");
            let mut text = line["text"].as_str().expect("a text").to_owned();
            for (name, path) in &places {
                text = text.replace(name, path);
            }
            let message = serde_json::from_str(&text).ok()?;
            Some((line["dir"] == "c>s", message))
        })
        .collect();

    let mut then = Story::default();
    for (_, message) in messages.iter().filter(|(sent, _)| !sent) {
        then.hear(message);
    }
    let mark = then
        .output
        .values()
        .find_map(|text| text.lines().find_map(|l| l.strip_prefix("mark=")));

    let mark = mark.expect("the recorded commands print a mark");
    let mut way = Way::to(kind, &work, folder.path(), &[("E2E_MARK", mark)]).await;

    // What the client had seen when it sent something, ours has to see before it sends that.
    let mut now = Story::default();
    let mut seen = Story::default();
    let mut methods = HashMap::new();
    for (sent, message) in &messages {
        if *sent {
            while !now.has_come_as_far_as(&seen) {
                now.hear(&way.message().await);
            }
            if let Some(id) = message.get("id") {
                methods.insert(
                    id.to_string(),
                    message["method"].as_str().expect("a method"),
                );
            }
            way.send(message).await;
        } else {
            seen.hear(message);
        }
    }
    while !now.has_come_as_far_as(&seen) {
        now.hear(&way.message().await);
    }

    for (id, recorded) in &then.answers {
        compare(methods[id], recorded, &now.answers[id]);
    }
    for (process, text) in &then.output {
        if !is_gapless(&then.numbers[&process.0]) {
            continue; // The recording lacks some of it.
        }
        assert_eq!(
            normal(&now.output[process], &work),
            normal_recorded(text),
            "output of {process:?}"
        );
    }
    assert_eq!(now.exits, then.exits);
    for (process, numbers) in &now.numbers {
        assert!(is_gapless(numbers), "{process}: {numbers:?} has a gap");
    }
}

/// Whether every number from 1 on is there, in order.
fn is_gapless(numbers: &VecDeque<u64>) -> bool {
    numbers.iter().copied().eq(1..=numbers.len() as u64)
}

/// What a client has heard.
#[derive(Default)]
struct Story {
    answers: BTreeMap<String, Value>,
    /// By process and stream.
    output: BTreeMap<(String, String), String>,
    exits: BTreeMap<String, i64>,
    numbers: BTreeMap<String, VecDeque<u64>>,
    closed: usize,
}

impl Story {
    fn hear(&mut self, message: &Value) {
        let Some(method) = message.get("method") else {
            self.answers
                .insert(message["id"].to_string(), message.clone());
            return;
        };
        let params = &message["params"];
        let process = params["processId"].as_str().expect("a process").to_owned();
        let seq = params["seq"].as_u64().expect("a number");
        self.numbers
            .entry(process.clone())
            .or_default()
            .push_back(seq);
        match method.as_str().expect("a method") {
            "process/output" => {
                let chunk = params["chunk"].as_str().expect("a chunk");
                let bytes = base64_simd::STANDARD.decode_to_vec(chunk).expect("base64");
                let stream = params["stream"].as_str().expect("a stream").to_owned();
                let text = self.output.entry((process, stream)).or_default();
                text.push_str(
                    &String::from_utf8(bytes).expect("the recorded commands print UTF-8"),
                );
            }
            "process/exited" => {
                self.exits
                    .insert(process, params["exitCode"].as_i64().expect("a code"));
            }
            "process/closed" => self.closed += 1,
            other => panic!("an unknown notification {other}"),
        }
    }

    fn has_come_as_far_as(&self, other: &Story) -> bool {
        other.answers.keys().all(|id| self.answers.contains_key(id))
            && self.closed >= other.closed
            && self.exits.len() >= other.exits.len()
            && other.output.iter().all(|(stream, text)| {
                // Paths in the output have other lengths here.
                let length = |text: &str| -> usize {
                    let lines = text.split_inclusive('\n');
                    lines
                        .filter(|line| !line.starts_with('/'))
                        .map(str::len)
                        .sum()
                };
                self.output
                    .get(stream)
                    .is_some_and(|ours| length(ours) >= length(text))
            })
    }
}

fn compare(method: &str, recorded: &Value, ours: &Value) {
    if let Some(error) = recorded.get("error") {
        assert_eq!(ours["error"]["code"], error["code"], "{method}: {ours}");
        if error["code"] == json!(-32004) {
            assert_eq!(ours["error"]["message"], error["message"], "{method}");
        }
        return;
    }
    // What the reference offers and this server does not: clients fall back on this code.
    if method == "environmentConfig/read" {
        assert_eq!(ours["error"]["code"], json!(-32601), "{method}");
        return;
    }
    let (recorded, ours) = (&recorded["result"], &ours["result"]);
    assert!(
        ours.is_object(),
        "{method} answered {ours} instead of {recorded}"
    );
    for (member, value) in recorded.as_object().expect("an object") {
        let mine = ours
            .get(member)
            .unwrap_or_else(|| panic!("{method} lacks {member}"));
        match member.as_str() {
            // Of this run, or dependent on its timing.
            "sessionId" | "createdAtMs" | "modifiedAtMs" | "environmentInfo" => {}
            "chunks" | "nextSeq" | "exited" | "exitCode" | "closed" if method == "process/read" => {
            }
            _ => assert_eq!(mine, value, "{method}: {member}"),
        }
    }
}

/// Output with this run's folder named as the recording's readers know it.
fn normal(text: &str, work: &Path) -> String {
    text.replace(work.to_str().expect("UTF-8"), "WORK")
}

fn normal_recorded(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        if line.starts_with('/') && line.ends_with("/work") {
            "WORK"
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}
