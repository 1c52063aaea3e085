//! What decisions are made of stays as it is, whoever asks: also where a request restricts nothing and the files are the server's user's.

use std::fs;

use lockgate_e2e::{Profile, Refusal, Server, Wire, read_tree, tar_entry, uri, write_tree};
use serde_json::{Value, json};

use crate::{Operator, built, sha256};

/// All that this operator's policies are made of, and their log.
const OWN: [&str; 4] = [
    "gate/lockgate.toml",
    "gate/policy.wasm",
    "gate/words",
    "gate/decisions.jsonl",
];

/// What a client of its own may say that restricts nothing.
fn unrestricted() -> [Value; 3] {
    let everything = Profile::new().special("root", "write");
    [
        Value::Null,
        json!({"permissions": {"type": "disabled"}}),
        everything.in_shape(lockgate_e2e::Shape::Late),
    ]
}

/// An operator whose files this user can write, a server, and a connection.
struct Attack {
    operator: Operator,
    server: Server,
    wire: Wire,
    sandbox: Value,
}

impl Attack {
    async fn begin(sandbox: Value) -> Attack {
        Attack::begin_by(sandbox, "gate/lockgate.toml").await
    }

    /// The operator has a link to the folder, too, and names the configuration so.
    async fn begin_by(sandbox: Value, configuration: &str) -> Attack {
        let operator = Operator::new();
        fs::create_dir(operator.path("gate")).expect("made");
        let module = built("test-policy-hostile");
        operator.puts("gate/policy.wasm", &module);
        operator.puts("gate/words", "# nothing is told\n");
        operator.puts(
            "gate/lockgate.toml",
            format!(
                "[policy]\nlog = \"decisions.jsonl\"\n\n[[policy.module]]\npath = \"policy.wasm\"\nsha256 = \"{}\"\nconfig_file = \"words\"\n",
                sha256(&module)
            ),
        );
        std::os::unix::fs::symlink("gate", operator.path("by-link")).expect("made");
        let server = operator.starts_with(configuration);
        let wire = Wire::ready(&server).await;
        Attack {
            operator,
            server,
            wire,
            sandbox,
        }
    }

    fn path(&self, name: &str) -> String {
        let path = self.operator.path(name);
        path.to_str().expect("UTF-8").to_owned()
    }

    async fn call(&mut self, method: &str, mut params: Value) -> Result<Value, Refusal> {
        params["sandbox"] = self.sandbox.clone();
        self.wire.call(method, params).await
    }

    async fn is_done(&mut self, method: &str, params: Value) -> Value {
        let shown = params.to_string();
        match self.call(method, params).await {
            Ok(result) => result,
            Err(refusal) => panic!("{method} {shown} under {}: {refusal:?}", self.sandbox),
        }
    }

    /// Refused, and told why.
    async fn is_refused(&mut self, method: &str, params: Value) {
        let shown = params.to_string();
        match self.call(method, params).await {
            Err(refusal) if refusal.message.contains("this executor's own files") => {}
            outcome => panic!("{method} {shown} under {}: {outcome:?}", self.sandbox),
        }
    }

    /// The policies are what they were, here and for whoever comes next.
    async fn holds(&mut self) {
        let mut next = Wire::ready(&self.server).await;
        for wire in [&mut self.wire, &mut next] {
            let denied = json!({"path": self.operator.path("deny"), "dataBase64": "AAAA", "sandbox": self.sandbox});
            let refusal = wire.call("fs/writeFile", denied).await;
            let refusal = refusal.expect_err("denied");
            assert!(refusal.message.contains("as told"), "{refusal:?}");
        }
        let folder = self.operator.path("gate").symlink_metadata();
        assert!(folder.expect("there").is_dir());
        assert_eq!(
            fs::read(self.operator.path("gate/policy.wasm")).expect("there"),
            built("test-policy-hostile")
        );
        for (name, begins) in [("gate/lockgate.toml", "[policy]\n"), ("gate/words", "# no")] {
            let text = fs::read_to_string(self.operator.path(name)).expect("there");
            assert!(text.starts_with(begins), "{name}: {text}");
        }
        // Each line whole, the first one, too: it was written to by nobody else.
        let log = fs::read_to_string(self.operator.path("gate/decisions.jsonl")).expect("there");
        for line in log.lines() {
            let _: Value = serde_json::from_str(line).expect("a decision");
        }
    }
}

#[tokio::test]
async fn attack_28_no_request_writes_over_what_decisions_are_made_of() {
    for sandbox in unrestricted() {
        let mut attack = Attack::begin(sandbox).await;
        fs::write(attack.path("evil"), "[policy]\n").expect("written");
        let evil = attack.path("evil");
        for name in OWN {
            let path = attack.path(name);
            let file = path.rsplit_once('/').expect("a name").1.to_owned();
            let spellings = [
                path.clone(),
                uri(&path),
                attack.path(&format!("gate/../gate/./{file}")),
                attack.path(&format!("gate//{file}")),
                uri(attack.path(&format!("away/../gate/{file}"))),
            ];
            for path in spellings {
                let data = json!({"path": path, "dataBase64": "AAAA"});
                for method in [
                    "fs/writeFile",
                    "lockgate/fs/appendFile",
                    "lockgate/fs/replaceFile",
                ] {
                    attack.is_refused(method, data.clone()).await;
                }
                let copy = json!({"sourcePath": evil, "destinationPath": path, "recursive": false});
                attack.is_refused("fs/copy", copy).await;
                for (from, to) in [(&evil, &path), (&path, &attack.path("gone"))] {
                    let rename = json!({"sourcePath": from, "destinationPath": to});
                    attack.is_refused("lockgate/fs/rename", rename).await;
                }
                attack
                    .is_refused("fs/remove", json!({"path": path, "force": false}))
                    .await;
                attack
                    .is_refused("lockgate/fs/setMode", json!({"path": path, "mode": 0o666}))
                    .await;
                for mode in ["replace", "append", "update"] {
                    let open = json!({"path": path, "handleId": "h", "mode": mode});
                    attack.is_refused("fs/open", open).await;
                }
                let operations = json!([
                    {"method": "fs/getMetadata", "params": {"path": path}},
                    {"method": "fs/writeFile", "params": {"path": path, "dataBase64": "AAAA"}},
                ]);
                let batch = json!({"operations": operations});
                let answer = attack.is_done("lockgate/fs/batch", batch).await;
                let told = answer["results"][1]["error"]["message"].as_str();
                assert!(
                    told.is_some_and(|told| told.contains("this executor's own files")),
                    "{answer}"
                );
            }
        }
        attack.holds().await;
    }
}

#[tokio::test]
async fn attack_28_no_request_takes_away_where_decisions_are_made_of_or_leads_elsewhere() {
    for sandbox in unrestricted() {
        let mut attack = Attack::begin(sandbox).await;
        fs::create_dir(attack.path("evil")).expect("made");
        fs::write(attack.path("evil/lockgate.toml"), "[policy]\n").expect("written");
        let folder = attack.path("gate");
        for (from, to) in [
            (folder.clone(), attack.path("gone")),
            (attack.path("evil"), folder.clone()),
        ] {
            let rename = json!({"sourcePath": from, "destinationPath": to});
            attack.is_refused("lockgate/fs/rename", rename).await;
        }
        let remove = json!({"path": folder, "recursive": true, "force": true});
        attack.is_refused("fs/remove", remove).await;
        let copy = json!({"sourcePath": attack.path("evil"), "destinationPath": folder, "recursive": true});
        attack.is_refused("fs/copy", copy).await;

        // Links to the files and to their folder: made where they may be, and followed no further than anything else.
        for (name, target) in [("to-file", "gate/lockgate.toml"), ("to-folder", "gate")] {
            let link = json!({"path": attack.path(name), "target": target});
            attack.is_done("lockgate/fs/symlink", link).await;
        }
        for path in ["to-file", "to-folder/policy.wasm", "to-folder/words"] {
            let data = json!({"path": attack.path(path), "dataBase64": "AAAA"});
            for method in ["fs/writeFile", "lockgate/fs/appendFile"] {
                attack.is_refused(method, data.clone()).await;
            }
        }
        let remove = json!({"path": attack.path("to-folder/lockgate.toml")});
        attack.is_refused("fs/remove", remove).await;
        let link = json!({"path": attack.path("gate/words"), "target": "../evil/lockgate.toml"});
        assert!(attack.call("lockgate/fs/symlink", link).await.is_err());
        // The same folder by way of what the kernel keeps for this process.
        let behind = json!({"path": format!("/proc/{}/root{}", attack.server.proper(), attack.path("gate/words")), "dataBase64": "AAAA"});
        attack.is_refused("fs/writeFile", behind).await;

        let mut tar = Vec::new();
        tar_entry(&mut tar, tar::EntryType::Regular, "words", "", b"evil");
        let (path, sandbox) = (json!(attack.path("gate")), attack.sandbox.clone());
        let written = write_tree(&mut attack.wire, &sandbox, path, &tar, 4096).await;
        match written {
            Err(_) => {}
            Ok(report) => assert_eq!(report["files"], 0, "{report}"),
        }
        attack.holds().await;
    }
}

/// Who may write in a folder can put another file in the place of one in it: nobody else is let in.
#[tokio::test]
async fn attack_28_a_folder_that_leads_to_what_decisions_are_made_of_keeps_its_permissions() {
    let temporary = std::env::temp_dir().canonicalize().expect("there");
    let restricted = Profile::new().write(temporary);
    let restricted = restricted.in_shape(lockgate_e2e::Shape::Late);
    for sandbox in unrestricted().into_iter().chain([restricted]) {
        let mut attack = Attack::begin(sandbox).await;
        fs::create_dir(attack.path("other")).expect("made");
        let mode = |path: &str| {
            let found = fs::metadata(path).expect("there");
            std::os::unix::fs::PermissionsExt::mode(&found.permissions())
        };
        for folder in [attack.path("gate"), attack.path("")] {
            let before = mode(&folder);
            for bits in [0o777, 0o000] {
                let open = json!({"path": folder, "mode": bits});
                let refusal = attack.call("lockgate/fs/setMode", open).await;
                refusal.expect_err("it leads there");
            }
            let mut tar = Vec::new();
            tar_entry(&mut tar, tar::EntryType::Directory, "./", "", b"");
            let (path, sandbox) = (json!(folder), attack.sandbox.clone());
            let _refused_or_reported =
                write_tree(&mut attack.wire, &sandbox, path, &tar, 4096).await;
            assert_eq!(mode(&folder), before, "{folder}");
        }
        let other = json!({"path": attack.path("other"), "mode": 0o700});
        attack.is_done("lockgate/fs/setMode", other).await;
        attack.holds().await;
    }
}

#[tokio::test]
async fn attack_28_a_link_on_the_way_to_what_decisions_are_made_of_keeps_its_name() {
    for sandbox in unrestricted() {
        let mut attack = Attack::begin_by(sandbox, "by-link/lockgate.toml").await;
        fs::create_dir(attack.path("evil")).expect("made");
        let link = attack.path("by-link");
        attack.is_refused("fs/remove", json!({"path": link})).await;
        for (from, to) in [("by-link", "gone"), ("evil", "by-link")] {
            let rename =
                json!({"sourcePath": attack.path(from), "destinationPath": attack.path(to)});
            attack.is_refused("lockgate/fs/rename", rename).await;
        }
        for name in ["by-link/lockgate.toml", "gate/lockgate.toml"] {
            let data = json!({"path": attack.path(name), "dataBase64": "AAAA"});
            attack.is_refused("fs/writeFile", data).await;
        }
        assert_eq!(fs::read_link(link).expect("a link").to_str(), Some("gate"));
        attack.holds().await;
    }
}

#[tokio::test]
async fn what_restricts_nothing_changes_and_reads_everything_else_beside_a_policy() {
    for sandbox in unrestricted() {
        let mut attack = Attack::begin(sandbox).await;
        let (one, other) = (attack.path("new/deep/one"), attack.path("new/other"));
        let directory = json!({"path": attack.path("new/deep")});
        attack.is_done("fs/createDirectory", directory).await;
        let data = json!({"path": one, "dataBase64": "AAAA"});
        for method in [
            "fs/writeFile",
            "lockgate/fs/appendFile",
            "lockgate/fs/replaceFile",
        ] {
            attack.is_done(method, data.clone()).await;
        }
        // Beside the files themselves, too: it is only them that are kept.
        let beside = json!({"path": attack.path("gate/notes"), "dataBase64": "AAAA"});
        attack.is_done("fs/writeFile", beside).await;
        // Below a name that profiles protect: nothing restricts this request.
        let git = json!({"path": attack.path(".git/hooks")});
        attack.is_done("fs/createDirectory", git).await;
        let copy = json!({"sourcePath": one, "destinationPath": other, "recursive": false});
        attack.is_done("fs/copy", copy).await;
        let rename = json!({"sourcePath": attack.path("new/deep"), "destinationPath": attack.path("new/moved")});
        attack.is_done("lockgate/fs/rename", rename).await;
        attack
            .is_done("fs/remove", json!({"path": attack.path("new")}))
            .await;
        assert!(!attack.operator.path("new").exists());
        // Reading is direct, of the kernel's files and of the configuration, too.
        for path in ["/proc/self/stat".to_owned(), attack.path("gate/words")] {
            attack.is_done("fs/readFile", json!({"path": path})).await;
        }
        let (path, sandbox) = (json!(attack.path("gate")), attack.sandbox.clone());
        let read = read_tree(&mut attack.wire, &sandbox, path, 65_536).await;
        read.expect("read");
        attack.holds().await;
    }
}
