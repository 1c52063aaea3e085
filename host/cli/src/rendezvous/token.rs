//! `lockgate rendezvous token`: who may be an executor, or a harness, of which environment.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use lockgate_relay::registry::EnvironmentId;
use lockgate_rendezvous::{Token, TokenRole, Tokens};
use serde::Serialize;

use super::{DAY, PlaceArgs, days, failed, new_store, open};
use crate::calendar;
use crate::failure::Failure;
use crate::output::{print, print_json};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token, and print it: it is shown this once
#[derive(clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    place: PlaceArgs,
    /// The environment that it is for
    #[arg(long, value_name = "ID")]
    environment: EnvironmentId,
    /// What its bearer may be: the environment's executor, a harness that connects to it, or both
    #[arg(long, value_name = "ROLE", value_enum)]
    role: Role,
    /// Whose it is: limits are counted by tenant, and each sees only its own environments
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,
    /// Good for so long; for ever without it
    #[arg(long, value_name = "DAYS", value_parser = days())]
    days: Option<u64>,
}

/// List tokens, without their secrets
#[derive(clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    place: PlaceArgs,
    /// As a JSON array
    #[arg(long)]
    json: bool,
}

/// Make a token worthless; connections that were opened with it end within a second or two
#[derive(clap::Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    place: PlaceArgs,
    /// The token's id, as `token list` shows it
    id: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Role {
    Executor,
    Harness,
    Both,
}

/// A token as a list for programs has it: its digest is nobody's concern.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    role: TokenRole,
    environment: &'a str,
    tenant: &'a str,
    /// In seconds since 1970.
    created: u64,
    /// The same; none: it has no end.
    expires: Option<u64>,
    is_expired: bool,
}

pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Create(args) => create(args).await?,
        Command::List(args) => list(args).await?,
        Command::Revoke(args) => revoke(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(args: Create) -> Result<(), Failure> {
    let role = match args.role {
        Role::Executor => TokenRole::Executor,
        Role::Harness => TokenRole::Harness,
        Role::Both => TokenRole::Both,
    };
    let created = now();
    let token = Token {
        id: String::new(),
        sha256: String::new(),
        environment: args.environment.to_string(),
        role,
        tenant: args.tenant.clone(),
        created,
        expires: args.days.map(|days| created + days * DAY),
    };
    let place = args.place.place()?;
    let made = new_store(&place);
    let mut tokens = Tokens::open(&place).await.map_err(failed)?;
    let (secret, token) = tokens.create(token).await.map_err(failed)?;
    if let Some(store) = made {
        tell!("made a new store, {store}");
    }
    tell!(
        "token {}, {}; it is shown this once:",
        token.id,
        meaning(&token)
    );
    print(&format!("{secret}\n"))
}

async fn list(args: List) -> Result<(), Failure> {
    let tokens = open(args.place).await?.list().await.map_err(failed)?;
    let now = now();
    match args.json {
        true => {
            let listed = tokens.iter().map(|token| Listed {
                id: &token.id,
                role: token.role,
                environment: &token.environment,
                tenant: &token.tenant,
                created: token.created,
                expires: token.expires,
                is_expired: token.is_expired(now),
            });
            print_json(&listed.collect::<Vec<_>>())
        }
        false if tokens.is_empty() => {
            tell!("there are no tokens; `lockgate rendezvous token create` makes one");
            Ok(())
        }
        false => print(&table(&tokens, now)),
    }
}

async fn revoke(args: Revoke) -> Result<(), Failure> {
    let mut tokens = open(args.place).await?;
    let listed = tokens.list().await.map_err(failed)?;
    tokens.revoke(&args.id).await.map_err(failed)?;
    let revoked = listed.iter().find(|token| token.id == args.id);
    let what = revoked.map(|token| format!(", {}, made on {}", meaning(token), made(token)));
    print(&format!(
        "revoked {}{}; connections that were opened with it end within a second or two\n",
        args.id,
        what.unwrap_or_default()
    ))
}

/// Whose it is, in words.
fn meaning(token: &Token) -> String {
    let environment = &token.environment;
    match token.role {
        TokenRole::Executor => format!("for the executor of {environment}"),
        TokenRole::Harness => format!("for harnesses of {environment}"),
        TokenRole::Both => format!("for the executor of {environment} and its harnesses"),
    }
}

fn made(token: &Token) -> String {
    calendar::day(i64::try_from(token.created).unwrap_or(i64::MAX / 1000))
}

/// One line each, below a line that says what the columns are.
fn table(tokens: &[Token], now: u64) -> String {
    let head = ["ID", "ROLE", "ENVIRONMENT", "TENANT", "CREATED", "ENDS"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head)
        .chain(tokens.iter().map(|token| {
            [
                token.id.clone(),
                token.role.to_string(),
                token.environment.clone(),
                token.tenant.clone(),
                made(token),
                ends(token, now),
            ]
        }))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; 6] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn ends(token: &Token, now: u64) -> String {
    match token.expires {
        Some(_) if token.is_expired(now) => "expired".to_owned(),
        Some(at) => format!("in {} days", at.saturating_sub(now).div_ceil(DAY)),
        None => "never".to_owned(),
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
