//! What a module sees as `input`: `{"subject": …, "action": …}`, in the JSON form of the decision log and of cases.
//!
//! It is built of values, never of text that is parsed. One member is beside the log's: `action.text` of a write to a process, with U+FFFD for what is not UTF-8.

use lockgate_policy::{
    Access, Action, FileOperation, HttpRequest, ProcessStart, ProcessWrite, Subject, Transport,
    options,
};
use serde_json::{Map, Value, json};

pub(crate) fn input(subject: &Subject, action: &Action) -> Value {
    json!({ "subject": who(subject), "action": what(action) })
}

fn who(subject: &Subject) -> Value {
    let transport = match subject.transport {
        Transport::Websocket => "websocket",
        Transport::Stdio => "stdio",
        Transport::Relay => "relay",
    };
    let mut members = Map::new();
    members.insert("session".to_owned(), json!(subject.session));
    members.insert("client".to_owned(), json!(subject.client));
    members.insert("transport".to_owned(), json!(transport));
    if let Some(environment) = &subject.environment {
        members.insert("environment".to_owned(), json!(environment));
    }
    if let Some(identity) = &subject.identity {
        members.insert("identity".to_owned(), json!(identity));
    }
    members.into()
}

fn what(action: &Action) -> Value {
    match action {
        Action::ProcessStart(start) => process_start(start),
        Action::ProcessWrite(write) => process_write(write),
        Action::File(operation) => file(operation),
        Action::Http(request) => http(request),
    }
}

fn process_start(start: &ProcessStart) -> Value {
    let mut value = json!({
        "kind": "process-start",
        "argv": start.argv,
        "cwd": start.cwd,
        "env_names": start.env_names,
        "tty": start.tty,
        "sandboxed": start.sandboxed,
    });
    if let (Some(program), Some(members)) = (&start.program, value.as_object_mut()) {
        members.insert("program".to_owned(), json!(program));
    }
    value
}

fn process_write(write: &ProcessWrite) -> Value {
    json!({
        "kind": "process-write",
        "process": write.process,
        "argv0": write.argv0,
        "tty": write.tty,
        "text": String::from_utf8_lossy(&write.data),
    })
}

fn file(operation: &FileOperation) -> Value {
    let access = |access| match access {
        Access::Look => "look",
        Access::Read => "read",
        Access::Write => "write",
    };
    let path = |path: &lockgate_policy::FilePath| json!({ "path": path.path, "access": access(path.access) });
    let mut value = json!({
        "kind": "file",
        "verb": operation.verb.name(),
        "paths": operation.paths.iter().map(path).collect::<Vec<_>>(),
        "recursive": operation.recursive,
        "sandboxed": operation.sandboxed,
    });
    if let (Some(walk), Some(members)) = (options::walk(), value.as_object_mut()) {
        let walk = json!({
            "max_depth": walk.max_depth,
            "max_directories": walk.max_directories,
            "max_entries": walk.max_entries,
            "follow_directory_links": walk.follow_directory_links,
            "prune_hidden_directories": walk.prune_hidden_directories,
        });
        members.insert("walk".to_owned(), walk);
    }
    value
}

fn http(request: &HttpRequest) -> Value {
    json!({
        "kind": "http",
        "method": request.method,
        "url": request.url,
        "host": request.host,
        "port": request.port,
        "header_names": request.header_names,
        "hop": request.hop,
    })
}
