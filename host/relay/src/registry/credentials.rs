//! Where a token comes from. It is read anew whenever it is needed, so that one which is replaced on disk, or expires, needs no restart.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::RegistryError;
use crate::limits;

/// A source of bearer tokens.
#[derive(Clone)]
pub enum Credentials {
    /// The token itself, and where it was found.
    Token {
        /// The secret.
        token: String,
        /// For messages: the name of a variable.
        from: String,
    },
    /// A file that holds it, and that is its owner's alone.
    File(PathBuf),
    /// A command for `sh` that prints it.
    Command(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Token { from, .. } => write!(f, "Token(from {from})"),
            Credentials::File(path) => write!(f, "File({})", path.display()),
            Credentials::Command(_) => f.write_str("Command"),
        }
    }
}

impl Credentials {
    /// Whether asking again may give another token.
    pub(super) fn can_change(&self) -> bool {
        !matches!(self, Credentials::Token { .. })
    }

    /// The token as it is now.
    pub(super) async fn token(&self) -> Result<String, RegistryError> {
        let (text, from) = match self {
            Credentials::Token { token, from } => (token.clone(), from.clone()),
            Credentials::File(path) => {
                let from = format!("the token file {}", path.display());
                let path = path.clone();
                let text = tokio::task::spawn_blocking(move || read(&path))
                    .await
                    .map_err(|error| failed(error.to_string()))?;
                (text.map_err(|why| failed(format!("{from} {why}")))?, from)
            }
            Credentials::Command(line) => (run(line).await?, "the token command".to_owned()),
        };
        let token = text.trim();
        if token.is_empty() {
            return Err(failed(format!("{from} is empty")));
        }
        // What cannot stand in a header is no token; nor is a page of text.
        if token.len() > limits::TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed(format!(
                "what {from} holds is no token: expected one word of printable ASCII"
            )));
        }
        Ok(token.to_owned())
    }
}

/// What a file holds, or what is wrong with it. One whose mode lets others read it, or put another token into it, is refused, as a rendezvous refuses such a store.
fn read(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("cannot be read: {error}");
    let mut file = File::open(path).map_err(cannot)?;
    let facts = file.metadata().map_err(cannot)?;
    let mode = facts.permissions().mode() & 0o777;
    // A pipe or a device is nobody's file.
    if facts.is_file() && mode & 0o077 != 0 {
        return Err(format!(
            "is open to others (mode {mode:o}), and who has the token works as you; run: chmod 600 {}",
            path.display()
        ));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}

async fn run(line: &str) -> Result<String, RegistryError> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("the token command does not start: {error}")))?;
    let Some(stdout) = child.stdout.take() else {
        return Err(failed("the token command has no output".to_owned()));
    };
    let all = async {
        let mut text = String::new();
        let limit = limits::TOKEN_BYTES as u64 + 2;
        stdout.take(limit).read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>((text, child.wait().await?))
    };
    match timeout(limits::TOKEN_COMMAND, all).await {
        Ok(Ok((text, status))) if status.success() => Ok(text),
        Ok(Ok((_, status))) => Err(failed(format!("the token command failed ({status})"))),
        Ok(Err(error)) => Err(failed(format!("the token command: {error}"))),
        Err(_) => Err(failed(format!(
            "the token command printed nothing within {} s",
            limits::TOKEN_COMMAND.as_secs()
        ))),
    }
}

fn failed(reason: String) -> RegistryError {
    RegistryError::Credentials(reason)
}
