//! `make demo`: Lockgate doing its job on real input, told step by step.
//!
//! It starts the built binary, talks to it over a websocket as any client would, prints the messages that matter, and
//! checks each thing it claims. When something does not behave as printed, it says so and fails.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::broken::Broken;
use crate::client::Client;
use crate::server::Server;
use crate::story::Story;

mod broken;
mod client;
mod escapes;
mod processes;
mod profile;
mod server;
mod story;
mod workspace;

fn main() -> ExitCode {
    let mut story = Story::new();
    match tell(&mut story) {
        Ok(()) => {
            story.summary();
            ExitCode::SUCCESS
        }
        Err(broken) => {
            eprintln!("\nlockgate-demo: NOT AS IT SHOULD BE: {broken}");
            ExitCode::FAILURE
        }
    }
}

fn tell(story: &mut Story) -> Result<(), Broken> {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let binary = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("lockgate"),
    };

    story.chapter(
        "Start a server",
        "One binary, one port. The bound address is the only line on its stdout.",
    );
    story.note(&format!(
        "$ {} serve --listen ws://127.0.0.1:0",
        binary.display()
    ));
    let server = Server::start(&binary)?;
    story.time("start to listening", server.start);
    story.note(&server.url);
    let mut client = Client::connect(&server.url)?;
    let hello = client.show(
        story,
        "handshake",
        "initialize",
        serde_json::json!({"clientName": "lockgate-demo", "resumeSessionId": null}),
    )?;
    client.notify("initialized")?;
    let session = hello["sessionId"].as_str().unwrap_or_default();
    broken::ensure(!session.is_empty(), || format!("no session id in {hello}"))?;

    processes::command(story, &mut client)?;
    processes::terminal(story, &mut client)?;
    let workspace = workspace::edit(story, &mut client, &project)?;
    escapes::attempt(story, &mut client, &workspace)?;
    processes::long_running(story, &mut client)?;
    processes::end_of_server(story, client, server)
}
