//! `--listen` and whom it lets in.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lockgate_mcp::face::{HttpOptions, Token, limits};

use crate::config::read_bounded;
use crate::failure::Failure;

/// Holds the token where `--bearer-file` does not. Executors of our own do not inherit it: their commands could read it.
pub(super) const VARIABLE: &str = "LOCKGATE_MCP_TOKEN";

/// A token has some characters; what has more bytes than this is something else.
const LARGEST: u64 = 4 * 1024;

const HEADING: &str = "Streamable HTTP";

/// Where to listen, and for whom.
#[derive(clap::Args)]
pub(super) struct Listen {
    /// Serve many clients over HTTP at http://IP:PORT/mcp (port 0 for any) instead of one on stdin and stdout. They must bring the token that is in
    /// --bearer-file or in LOCKGATE_MCP_TOKEN
    #[arg(long, value_name = "IP:PORT", help_heading = HEADING)]
    listen: Option<SocketAddr>,
    /// File with the token that clients bring (Authorization: Bearer …); nobody else may read it (chmod 600)
    #[arg(long, value_name = "FILE", requires = "listen", help_heading = HEADING)]
    bearer_file: Option<PathBuf>,
    /// Let in whoever reaches the address; only on loopback, where these are all users and programs of this machine
    #[arg(long, requires = "listen", conflicts_with = "bearer_file", help_heading = HEADING)]
    no_token: bool,
    /// A name by which clients reach this server, beside its address: others are refused (repeatable)
    #[arg(long, value_name = "HOST", requires = "listen", help_heading = HEADING)]
    allow_host: Vec<String>,
}

impl Listen {
    /// A file that the token is in.
    pub(super) fn bearer_file(&self) -> Option<&Path> {
        self.bearer_file.as_deref()
    }

    /// `None`: stdin and stdout.
    pub(super) fn options(&self) -> Result<Option<HttpOptions>, Failure> {
        let Some(listen) = self.listen else {
            return Ok(None);
        };
        let token = self.token()?;
        if token.is_none() && !self.no_token {
            return Err(Failure::usage(format!(
                "--listen needs a token, because whoever connects works as you: put one into a file (`(umask 077; openssl rand -hex 32 > ~/mcp.token)`) and give \
                 --bearer-file, or set {VARIABLE}; or say --no-token on a loopback address"
            )));
        }
        if self.no_token && !listen.ip().is_loopback() {
            return Err(Failure::usage(format!(
                "--no-token is for loopback addresses: {listen} is reached from other machines"
            )));
        }
        if listen.ip().is_unspecified() && self.allow_host.is_empty() {
            return Err(Failure::usage(format!(
                "--listen {listen} is every address of this machine, and requests are let in only by a name that is theirs: say with --allow-host \
                 by which name or address clients reach it, or listen on one address"
            )));
        }
        Ok(Some(HttpOptions {
            listen,
            token: token.filter(|_| !self.no_token),
            hosts: self.allow_host.clone(),
            idle: limits::SESSION_IDLE,
        }))
    }

    fn token(&self) -> Result<Option<Token>, Failure> {
        let parse = |text: &str, from: String| {
            let token = Token::parse(text);
            token.map_err(|error| Failure::usage(format!("{from}: {error}")))
        };
        if let Some(file) = &self.bearer_file {
            let from = format!("--bearer-file {}", file.display());
            let bytes = read_bounded(file, LARGEST)
                .map_err(|error| Failure::usage(format!("{from}: {error}")))?;
            kept_from_others(file)?;
            return parse(&String::from_utf8_lossy(&bytes), from).map(Some);
        }
        match std::env::var(VARIABLE) {
            Ok(text) if !text.trim().is_empty() => parse(&text, VARIABLE.to_owned()).map(Some),
            _ => Ok(None),
        }
    }
}

/// Whoever reads the token works as us: a file that others can read, or put another token into, is refused, as a rendezvous refuses such a store.
fn kept_from_others(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let facts = file.metadata();
    let facts = facts.map_err(|error| Failure::usage(format!("--bearer-file {shown}: {error}")))?;
    match facts.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(Failure::usage(format!(
            "--bearer-file {shown} is open to others (mode {mode:o}), and who has the token works as you; run: chmod 600 {shown}"
        ))),
        _ => Ok(()),
    }
}
