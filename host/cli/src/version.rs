//! `lockgate version`.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::output::{print, print_json};

/// Print the version
#[derive(clap::Args)]
pub(crate) struct Args {
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if args.json {
        print_json(&serde_json::json!({ "name": "lockgate", "version": version }))?;
    } else {
        print(&format!("lockgate {version}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}
