//! One action of each kind, tried when the policy is loaded: a schema of the operator's that does not fit what Cedar is
//! going to be asked is told then, and what the first decision would have to set up is in the snapshot.

use lockgate_policy::{
    Access, Action, FileOperation, FilePath, FileVerb, HttpRequest, ProcessStart, ProcessWrite,
    Subject, Transport, options::WalkOptions,
};

use crate::decide::prepared;
use crate::question::questions;
use crate::text::Text;

pub(crate) fn try_all(text: &mut Text) -> Result<(), String> {
    text.has_walk = try_one(text, &file(FileVerb::Walk), Some(WALK)).is_ok();
    for action in actions() {
        try_one(text, &action, None)?;
    }
    Ok(())
}

fn try_one(text: &Text, action: &Action, walk: Option<WalkOptions>) -> Result<(), String> {
    for question in questions(&subject(), action, walk)? {
        let words = question.words.clone();
        prepared(text, question).map_err(|error| format!("{words}: {error}"))?;
    }
    Ok(())
}

const WALK: WalkOptions = WalkOptions {
    max_depth: 1,
    max_directories: 1,
    max_entries: 1,
    follow_directory_links: false,
    prune_hidden_directories: false,
};

fn subject() -> Subject {
    Subject {
        session: "session".to_owned(),
        client: "client".to_owned(),
        environment: Some("environment".to_owned()),
        transport: Transport::Websocket,
        identity: Some("identity".to_owned()),
    }
}

fn file(verb: FileVerb) -> Action {
    Action::File(FileOperation {
        verb,
        paths: vec![FilePath {
            path: "/directory/file".to_owned(),
            access: Access::Read,
        }],
        recursive: false,
        sandboxed: false,
    })
}

fn actions() -> Vec<Action> {
    let text = |text: &str| text.to_owned();
    use FileVerb::*;
    let verbs = [
        Read,
        Metadata,
        Canonicalize,
        ReadDirectory,
        Walk,
        ReadTree,
        Watch,
        Write,
        Append,
        CreateDirectory,
        Remove,
        Copy,
        Rename,
        Symlink,
        SetMode,
        SetTimes,
        WriteTree,
    ];
    let mut actions: Vec<_> = verbs.map(file).into();
    actions.extend([
        Action::ProcessStart(ProcessStart {
            argv: vec![text("program"), text("word")],
            program: Some(text("/directory/program")),
            cwd: text("/directory"),
            env_names: vec![text("PATH")],
            tty: false,
            sandboxed: false,
        }),
        Action::ProcessWrite(ProcessWrite {
            process: text("process"),
            argv0: text("program"),
            tty: false,
            data: b"data".to_vec(),
        }),
        Action::Http(HttpRequest {
            method: text("GET"),
            url: text("https://host.example/path"),
            host: text("host.example"),
            port: 443,
            header_names: vec![text("accept")],
            hop: 0,
        }),
    ]);
    actions
}
