//! `lockgate version`.

use std::process::ExitCode;

use crate::failure::Failure;

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
        println!(
            "{}",
            serde_json::json!({ "name": "lockgate", "version": version })
        );
    } else {
        println!("lockgate {version}");
    }
    Ok(ExitCode::SUCCESS)
}
