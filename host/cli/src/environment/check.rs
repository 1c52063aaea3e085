//! `lockgate env check`: connects to environments and says what is there.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::ConnectOptions;
use lockgate_client::environments::config::{Config, Reach};
use lockgate_client::environments::provider::{Provider, Source};
use lockgate_client::environments::{Environment, EnvironmentError, Environments, Registered};
use lockgate_client::limits::LAST_WORDS;
use lockgate_wire::environment::EnvironmentInfo;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{all_of, described, is_default, own, refused, shown, source};
use crate::failure::{FAILED, Failure};
use crate::output::{print, print_json};
use crate::runtime;

/// Connect to environments, up to 64 at once, and say what is there
#[derive(clap::Args)]
#[command(after_help = "\
Programs are started for it, and ended again. The exit code is 1 if one of them could not be used.")]
pub(crate) struct Args {
    /// As a JSON array
    #[arg(long)]
    json: bool,
    /// How long each may take, if its own timeouts allow that
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Which; all of them if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// So many are connected to at once: each may be a program with a descriptor for each of its pipes, and 1024 of these are what a shell gives us.
const AT_ONCE: usize = 64;

/// How much longer than it may take an attempt is given to say why it failed: a program that is no executor is waited for until it has exited.
const TO_SAY_WHY: Duration =
    Duration::from_millis(500).saturating_add(LAST_WORDS.saturating_mul(2));

/// The same environments, of which none takes longer: so that an attempt ends by its own timeout, and says what it had seen until then.
#[derive(Debug)]
struct Within<'a> {
    source: &'a Source,
    after: Duration,
}

impl Provider for Within<'_> {
    fn snapshot(&self) -> Result<Config, EnvironmentError> {
        let mut config = self.source.snapshot()?;
        for entry in &mut config.environments {
            entry.initialize_timeout = entry.initialize_timeout.min(self.after);
            match &mut entry.reach {
                Reach::Url {
                    connect_timeout, ..
                }
                | Reach::Registered(Registered {
                    connect_timeout, ..
                }) => *connect_timeout = self.after.min(*connect_timeout),
                Reach::Program(_) | Reach::Connector(_) => {}
            }
        }
        Ok(config)
    }
}

/// What came of one.
struct Checked {
    environment: Arc<Environment>,
    found: Result<Option<EnvironmentInfo>, String>,
    took: Duration,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    runtime::run(async {
        let source = source();
        let (local, broken) = match own() {
            Ok(own) => (Some(own), None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        let options = ConnectOptions {
            client_name: concat!("lockgate-cli/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..ConnectOptions::default()
        };
        let after = Duration::from_secs(args.timeout);
        let within = Within {
            source: &source,
            after,
        };
        let all = all_of(&within, &source, local, options)?;
        let wanted = match args.names.is_empty() {
            true => all.all(),
            false => {
                let named = args.names.iter().map(|name| all.resolve(Some(name)));
                named.collect::<Result<_, _>>().map_err(refused)?
            }
        };
        let mut running = tokio::task::JoinSet::new();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        for (place, environment) in wanted.into_iter().enumerate() {
            let broken = broken.clone().filter(|_| environment.is_local());
            let places = Arc::clone(&places);
            running.spawn(async move {
                // It is closed by nobody.
                let _held = places.acquire().await;
                (place, check(environment, broken, after).await)
            });
        }
        let mut checked = running.join_all().await;
        checked.sort_by_key(|(place, _)| *place);
        let failed = checked.iter().any(|(_, one)| one.found.is_err());
        let told = tell(&all, checked.iter().map(|(_, one)| one), args.json);
        all.close().await;
        told?;
        Ok(match failed {
            false => ExitCode::SUCCESS,
            true => ExitCode::from(FAILED),
        })
    })
}

async fn check(environment: Arc<Environment>, broken: Option<String>, after: Duration) -> Checked {
    let begun = Instant::now();
    let found = match broken {
        Some(reason) => Err(reason),
        // What an attempt says of its own timeout is worth the moment.
        None => match tokio::time::timeout(after + TO_SAY_WHY, environment.client()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(Failure::of_environment(error).to_string()),
            Err(_) => Err(format!("nothing came of it within {} s", after.as_secs())),
        },
    };
    let took = begun.elapsed();
    let found = found.map(|client| client.environment().cloned());
    // Of thousands none is kept open.
    environment.close().await;
    Checked {
        environment,
        found,
        took,
    }
}

fn tell<'a>(
    all: &Environments,
    checked: impl Iterator<Item = &'a Checked>,
    json: bool,
) -> Result<(), Failure> {
    if json {
        let each = checked.map(|one| {
            let mut object = described(&one.environment, is_default(all, &one.environment));
            object["ok"] = one.found.is_ok().into();
            object["milliseconds"] = (one.took.as_millis() as u64).into();
            match &one.found {
                Ok(found) => object["environment"] = json!(found),
                Err(reason) => object["error"] = reason.clone().into(),
            }
            object
        });
        return print_json(&each.collect::<Vec<_>>());
    }
    let mut text = String::new();
    for Checked {
        environment,
        found,
        took,
    } in checked
    {
        let (id, at) = (environment.id(), shown(environment));
        text.push_str(&match found {
            Ok(found) => format!(
                "ok    {id} ({at}): {}; {} ms\n",
                executor(found.as_ref()),
                took.as_millis()
            ),
            Err(reason) => format!("FAIL  {id} ({at}): {reason}\n"),
        });
    }
    print(&text)
}

/// What it said of itself.
fn executor(info: Option<&EnvironmentInfo>) -> String {
    let Some(info) = info else {
        return "an executor of May 2026, which says nothing of its machine".to_owned();
    };
    let what = match &info.capabilities.lockgate {
        Some(_) => "lockgate",
        None => "an executor",
    };
    let version = match info.executor_version.as_str() {
        "0.0.0" => String::new(),
        version => format!(" {}", version.escape_debug()),
    };
    let system = info.platform_os.as_deref().unwrap_or("unknown");
    let cwd = match &info.cwd {
        Some(cwd) => format!(", in {}", cwd.path.to_string().escape_debug()),
        None => String::new(),
    };
    format!(
        "{what}{version} on {}, {}{cwd}",
        system.escape_debug(),
        info.shell.path.escape_debug()
    )
}
