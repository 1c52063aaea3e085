//! `lockgate rendezvous`: the registry and rendezvous of one's own, and its tokens.

mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use lockgate_rendezvous::{Nats, Options, Place, Tokens, limits};
use url::Url;

use crate::failure::Failure;
use crate::{logging, output};

/// Host a rendezvous: where executors register and harnesses meet them
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lockgate rendezvous token create --store rv.store --environment box --role executor
  lockgate rendezvous token create --store rv.store --environment box --role harness
  lockgate rendezvous serve --store rv.store --listen 127.0.0.1:7100
  LOCKGATE_TOKEN=… lockgate serve --remote http://127.0.0.1:7100 --environment-id box
  lockgate rendezvous url --store rv.store --token ID --public-url ws://127.0.0.1:7100
  lockgate exec --url 'ws://127.0.0.1:7100/rendezvous?role=harness&…' -- uname

docs/remote.md has the whole way, with TLS.";

#[derive(clap::Subcommand)]
enum Command {
    Serve(Serve),
    /// Make, list and revoke tokens; a running rendezvous takes it up at once
    #[command(subcommand)]
    Token(token::Command),
    Url(MakeUrl),
}

/// Serve executors and harnesses
#[derive(clap::Args)]
struct Serve {
    /// Where to listen (port 0 for any); the URL is the only line on stdout
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[command(flatten)]
    place: PlaceArgs,
    /// How executors and harnesses reach it, where a proxy stands in front (wss://HOST); without it, what they say in their requests
    #[arg(long, value_name = "URL", value_parser = websocket_url)]
    public_url: Option<Url>,
    /// Certificates (PEM), the server's first
    #[arg(long, value_name = "PATH", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Executors and harnesses that one tenant may have connected
    #[arg(long, value_name = "N", default_value_t = limits::TENANT_CONNECTIONS)]
    tenant_connections: usize,
}

/// Where key and tokens are.
#[derive(clap::Args)]
struct PlaceArgs {
    /// The file with the tokens and the key that signs URLs; it is made where there is none
    #[arg(long, value_name = "PATH")]
    store: Option<PathBuf>,
    /// In place of --store: share tokens, key and executors with other nodes over these NATS servers, which need JetStream (nats://HOST:PORT or tls://HOST:PORT, separated by commas)
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    nats: Option<String>,
    /// A file with credentials for NATS, as `nsc` makes them
    #[arg(long, value_name = "PATH", requires = "nats")]
    nats_credentials: Option<PathBuf>,
    /// What the rendezvous is called on NATS, where several share the servers
    #[arg(
        long,
        value_name = "NAME",
        requires = "nats",
        default_value = "lockgate"
    )]
    nats_name: String,
    /// On how many NATS servers tokens and key are kept (3 where there are three); one if nothing is said when they are first made
    #[arg(long, value_name = "N", requires = "nats", value_parser = clap::value_parser!(u8).range(1..=5))]
    nats_replicas: Option<u8>,
}

impl PlaceArgs {
    fn place(self) -> Result<Place, Failure> {
        match (self.store, self.nats) {
            (Some(path), _) => Ok(Place::File(path)),
            (None, Some(url)) => Ok(Place::Nats(Nats {
                url,
                credentials: self.nats_credentials,
                name: self.nats_name,
                replicas: self.nats_replicas.map(usize::from),
            })),
            (None, None) => Err(Failure::usage("give --store PATH or --nats URL")),
        }
    }
}

/// Print a URL for a harness that can only be given a URL (CODEX_EXEC_SERVER_URL, `lockgate exec --url`)
///
/// Who has it may connect: it is a secret like the token that it stands for, and ends with that.
#[derive(clap::Args)]
struct MakeUrl {
    #[command(flatten)]
    place: PlaceArgs,
    /// The id of a harness's token
    #[arg(long, value_name = "ID")]
    token: String,
    /// How the rendezvous is reached (ws://HOST:PORT or wss://HOST)
    #[arg(long, value_name = "URL", value_parser = websocket_url)]
    public_url: Url,
    /// Good for so long
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = days())]
    days: u64,
}

fn days() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=limits::URL_DAYS)
}

/// `http` and `https` are taken for what they would be as websockets.
fn websocket_url(text: &str) -> Result<Url, String> {
    let wrong = || "expected ws://HOST:PORT or wss://HOST, without a query".to_owned();
    let text = match text.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => text.to_owned(),
    };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if matches!(url.scheme(), "ws" | "wss") && url.has_host() && is_plain {
        Ok(url)
    } else {
        Err(wrong())
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let command = match args.command {
        Command::Serve(args) => return serve(args),
        Command::Token(command) => OnTokens::Token(command),
        Command::Url(args) => OnTokens::Url(args),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        match command {
            OnTokens::Token(command) => token::run(command).await,
            OnTokens::Url(args) => make_url(args).await,
        }
    })
}

/// What does not serve.
enum OnTokens {
    Token(token::Command),
    Url(MakeUrl),
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

async fn open(place: PlaceArgs) -> Result<Tokens, Failure> {
    Tokens::existing(&place.place()?).await.map_err(failed)
}

fn serve(args: Serve) -> Result<ExitCode, Failure> {
    logging::start();
    let tls = args.tls_cert.zip(args.tls_key);
    if tls.is_none() && !args.listen.ip().is_loopback() {
        tracing::warn!(
            "{} is reached from other machines without TLS: tokens can be read on the way, unless a proxy in front does TLS",
            args.listen
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let place = args.place.place()?;
    let options = Options {
        public_url: args.public_url,
        tls,
        tenant_connections: args.tenant_connections,
        ..Options::new(args.listen, place.clone())
    };
    runtime
        .block_on(async {
            if let Some(store) = new_store(&place) {
                // Made before it is told of: it may not be possible.
                Tokens::open(&place).await?;
                tell!(
                    "made a new store, {store}: it has no tokens, so nobody can connect yet; `lockgate rendezvous token create --store {store}` makes them. \
                     If you meant another file, stop this one and start it with that"
                );
            }
            lockgate_rendezvous::serve(options).await
        })
        .map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// The file that will be made, if there is none: a name that was mistyped should not stay unseen.
fn new_store(place: &Place) -> Option<String> {
    match place {
        Place::File(path) if !path.exists() => Some(path.display().to_string()),
        _ => None,
    }
}

const DAY: u64 = 86_400;

async fn make_url(args: MakeUrl) -> Result<ExitCode, Failure> {
    let tokens = open(args.place).await?;
    let lasts = Duration::from_secs(args.days * DAY);
    let made = tokens.harness_url(&args.token, &args.public_url, lasts);
    let url = made.await.map_err(failed)?;
    output::print(&format!("{url}\n"))?;
    Ok(ExitCode::SUCCESS)
}
