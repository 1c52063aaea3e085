//! `http/request`, with real servers on the other side (PROTOCOL 7).

mod bodies;
mod client;
mod names;
mod proxies;
mod redirects;
mod requests;
mod rules;
mod tls;

use lockgate_e2e::{Server, Wire, decoded, origin};
use serde_json::{Value, json};

/// Params of a GET.
pub(crate) fn get(url: impl Into<String>) -> Value {
    json!({"method": "GET", "url": url.into(), "requestId": "r"})
}

/// The same with other or further members.
pub(crate) fn with(mut params: Value, members: Value) -> Value {
    for (name, value) in members.as_object().expect("an object") {
        params[name] = value.clone();
    }
    params
}

/// A server with a configuration, and a variable that is a secret.
pub(crate) fn configured(text: &str) -> (Server, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("lockgate.toml");
    std::fs::write(&file, text).expect("written");
    let mut command = Server::command();
    command
        .arg("--config")
        .arg(&file)
        .env("MCP_TOKEN", "s3cret");
    (Server::from_command(command), directory)
}

/// The body of a result as text.
pub(crate) fn body(result: &Value) -> String {
    String::from_utf8(decoded(&result["bodyBase64"])).expect("text")
}

/// A streamed body: what came until the last piece, and its error.
pub(crate) async fn rest(wire: &mut Wire, name: &str) -> (Vec<u8>, Option<String>) {
    let mut bytes = Vec::new();
    for seq in 1.. {
        let (method, delta) = wire.notification().await;
        assert_eq!(method, "http/request/bodyDelta");
        assert_eq!(
            (&delta["requestId"], &delta["seq"]),
            (&json!(name), &json!(seq)),
            "{delta}"
        );
        bytes.extend(decoded(&delta["deltaBase64"]));
        if delta["done"] == true {
            return (bytes, delta["error"].as_str().map(str::to_owned));
        }
        assert_eq!(delta["error"], Value::Null);
    }
    unreachable!("there are more numbers than pieces")
}
