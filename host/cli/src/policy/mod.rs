//! `lockgate policy`: for those who write policies.

mod build;
mod cases;
mod new;
mod templates;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;

/// Write policies: what an operator's executor allows
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  lockgate policy new careful                a project in Rust, in the folder careful
  lockgate policy new careful --lang python
  cd careful && lockgate policy build        careful.wasm
  lockgate policy test                       what cases.toml expects of it";

#[derive(Subcommand)]
enum What {
    New(new::Args),
    Build(build::Args),
    Test(test::Args),
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.what {
        What::New(args) => new::run(&args),
        What::Build(args) => build::run(&args),
        What::Test(args) => test::run(&args),
    }
}
