//! A harness in small: it reads what a project tells agents, changes a file within a profile, and runs a command whose output it shows as it comes. The
//! same code for every executor:
//!
//! ```sh
//! cargo run -p lockgate-client --example harness -- /tmp ws://127.0.0.1:7000             # lockgate serve --listen ws://127.0.0.1:7000
//! cargo run -p lockgate-client --example harness -- /tmp lockgate serve --listen stdio   # a program on stdio
//! LOCKGATE_TOKEN="$(cat harness.token)" \
//!     cargo run -p lockgate-client --example harness -- /tmp http://127.0.0.1:7100 box   # through a rendezvous, encrypted
//! ```

use std::io::Write;
use std::process::ExitCode;

use lockgate_client::discovery::ProjectDocuments;
use lockgate_client::executor::{Command, Executor};
use lockgate_client::profile::{Access, Sandbox};
use lockgate_client::{
    AbsPath, Client, ClientError, ConnectOptions, Credentials, Event, Registry, Remote,
};

#[tokio::main]
async fn main() -> ExitCode {
    match harness(std::env::args().skip(1).collect()).await {
        Ok(exit_code) => ExitCode::from(u8::try_from(exit_code).unwrap_or(1)),
        Err(error) => {
            eprintln!("harness: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn harness(arguments: Vec<String>) -> Result<i32, Box<dyn std::error::Error>> {
    let [project, place @ ..] = &arguments[..] else {
        return Err("say where to work: DIR, then a URL or a program".into());
    };
    let project = AbsPath::parse(project)?;
    let executor = connect(place).await?;
    let outcome = work(&executor, &project, &mut std::io::stdout()).await;
    // Waits until its processes have ended, and a program on stdio with them.
    executor.close().await;
    Ok(outcome?)
}

/// The one place that knows where the executor is. `lockgate_local::start` gives a client of this very process, too.
async fn connect(place: &[String]) -> Result<Client, Box<dyn std::error::Error>> {
    let options = ConnectOptions {
        client_name: "harness-example".to_owned(),
        ..ConnectOptions::default()
    };
    Ok(match place {
        [url] if url.starts_with("ws") => Client::connect_ws(url, options).await?,
        [url, environment] if url.starts_with("http") => {
            let from = "LOCKGATE_TOKEN".to_owned();
            let token = std::env::var(&from)?;
            let remote = Remote {
                registry: Registry::new(url, Credentials::Token { token, from })?,
                environment: environment.parse()?,
                encrypt: true,
            };
            Client::connect_remote(remote, options).await?
        }
        [program, arguments @ ..] => {
            let mut command = std::process::Command::new(program);
            command.args(arguments);
            Client::spawn_stdio(command, options).await?
        }
        [] => return Err("say where the executor is: a URL or a program".into()),
    })
}

/// What a turn of an agent comes to; the exit code of its command.
pub(crate) async fn work(
    executor: &dyn Executor,
    project: &AbsPath,
    to: &mut (dyn Write + Send),
) -> Result<i32, ClientError> {
    // Whatever the agent does with files is held to this by the executor.
    let profile = Sandbox::restricted([(project.clone(), Access::Write)]);
    let documents = ProjectDocuments::new().within(profile.clone());
    let found = documents.find(executor, project).await?;
    for warning in &found.warnings {
        let _ = writeln!(to, "warning: {warning}");
    }
    let _ = writeln!(to, "told: {}", found.text().trim_end());

    let (Ok(note), Ok(elsewhere)) = (project.join("note.txt"), AbsPath::parse("/etc/passwd"))
    else {
        return Ok(1);
    };
    executor
        .replace(&note, b"from the harness\n", Some(&profile))
        .await?;
    if let Err(error) = executor.read(&elsewhere, Some(&profile)).await {
        let _ = writeln!(to, "refused: {error}");
    }

    // A command has no environment but the one it is given. Nothing confines it, so it has no profile here.
    let command = Command::new(project.clone(), ["sh", "-c", "cat note.txt; exit 7"])
        .env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let mut started = executor.start(&command).await?;
    let mut exit_code = -1;
    while let Some(event) = started.events.next().await {
        match event {
            Event::Output { data, .. } => {
                let _ = to.write_all(&data);
            }
            Event::Exited {
                exit_code: code, ..
            } => exit_code = code,
            Event::Lost { count } => {
                let _ = writeln!(to, "({count} pieces of output were lost)");
            }
            Event::Closed => break,
            Event::Failed(reason) => return Err(ClientError::Unfollowed { reason }),
        }
    }
    Ok(exit_code)
}
