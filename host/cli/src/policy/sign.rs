//! `lockgate policy sign` and `verify`: signatures with keys that are files.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgGroup;
use lockgate_policy_gate::{Digest, PublicKey, SecretKey, limits, sign, signature_path, verify};

use super::component;
use crate::config::read_bounded;
use crate::edit::write_over;
use crate::failure::{FAILED, Failure};
use crate::output::print;

/// Sign a policy, or make a key to sign with
#[derive(clap::Args)]
#[command(group(ArgGroup::new("what").args(["new", "policies"]).required(true).multiple(true)))]
#[command(after_help = "\
Examples:
  lockgate policy sign --key team.pem --new       makes the key, and prints its public half
  lockgate policy sign --key team.pem careful.wasm
  lockgate policy verify --by ed25519:… careful.wasm

The signature is written to careful.wasm.sig. An operator puts the public half into the configuration, as `signed_by`. \
The key is an ed25519 key as PKCS#8 in PEM, as openssl genpkey -algorithm ed25519 writes it: whoever has the file can sign.")]
pub(crate) struct SignArgs {
    /// The file of the secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Make the key first; the file must not be there yet
    #[arg(long)]
    new: bool,
    /// The components
    #[arg(value_name = "POLICY.wasm")]
    policies: Vec<PathBuf>,
}

/// Check the signature of a policy
#[derive(clap::Args)]
pub(crate) struct VerifyArgs {
    /// The public key, or the file of the secret one
    #[arg(long, value_name = "KEY")]
    by: String,
    /// The components
    #[arg(value_name = "POLICY.wasm", required = true)]
    policies: Vec<PathBuf>,
}

/// A key has some lines.
const LARGEST_KEY: u64 = 16 * 1024;

pub(crate) fn run(args: &SignArgs) -> Result<ExitCode, Failure> {
    let key = match args.new {
        true => new_key(&args.key)?,
        false => read_key(&args.key)?,
    };
    if args.new || args.policies.is_empty() {
        print(&format!("{}\n", key.public()))?;
    }
    for path in &args.policies {
        let bytes = component::bytes(path)?;
        // What is no policy need not be signed as one.
        component::evaluator()?
            .interfaces(&bytes)
            .map_err(|problem| Failure::new(format!("{}: {problem}", path.display())))?;
        let file = signature_path(path);
        write_over(&file, sign(&key, &bytes).as_bytes(), 0o666).map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}", file.display()))
        })?;
        print(&format!(
            "{}: sha256:{} signed by {}\n",
            file.display(),
            Digest::of(&bytes),
            key.public()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn check(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let key: PublicKey = match args.by.parse() {
        Ok(key) => key,
        Err(_) if Path::new(&args.by).is_file() => read_key(Path::new(&args.by))?.public(),
        Err(_) if !args.by.starts_with("ed25519:") => {
            return Err(Failure::usage(format!(
                "--by {}: neither a public key (ed25519:…) nor the file of a secret key that is there",
                args.by
            )));
        }
        Err(error) => return Err(Failure::usage(format!("--by {}: {error}", args.by))),
    };
    let mut failed = false;
    for path in &args.policies {
        let file = signature_path(path);
        let bytes = component::bytes(path)?;
        let checked = read_bounded(&file, limits::SIGNATURE_FILE_BYTES as u64)
            .and_then(|text| String::from_utf8(text).map_err(|_| "it is not text".to_owned()))
            .and_then(|text| verify(&key, &bytes, &text).map_err(|error| error.to_string()));
        let line = match checked {
            Ok(()) => format!(
                "ok    {}: sha256:{} signed by {key}\n",
                path.display(),
                Digest::of(&bytes)
            ),
            Err(reason) => {
                failed = true;
                format!("FAIL  {}: {}: {reason}\n", path.display(), file.display())
            }
        };
        print(&line)?;
    }
    Ok(match failed {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(FAILED),
    })
}

fn new_key(path: &Path) -> Result<SecretKey, Failure> {
    let cannot =
        |reason: String| Failure::new(format!("{} cannot be made: {reason}", path.display()));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| cannot(error.to_string()))?;
    let key = SecretKey::from_seed(&seed);
    let pem = key.to_pem().map_err(|error| cannot(error.to_string()))?;
    // For its owner only, from the first moment on, and never over another key.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| cannot(error.to_string()))?;
    let written = file
        .write_all(pem.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|error| cannot(error.to_string()))?;
    Ok(key)
}

fn read_key(path: &Path) -> Result<SecretKey, Failure> {
    let cannot = |reason: String| Failure::new(format!("the key {}: {reason}", path.display()));
    let bytes = read_bounded(path, LARGEST_KEY).map_err(cannot)?;
    let text = String::from_utf8(bytes).map_err(|_| cannot("it is not text".to_owned()))?;
    SecretKey::from_pem(&text).map_err(|error| cannot(error.to_string()))
}
