//! `lockgate policy`: for those who write policies.

mod asked;
mod bench;
mod build;
mod cases;
mod chain;
mod component;
mod copy;
mod eval;
mod inputs;
mod inspect;
mod install;
mod new;
mod replay;
mod sign;
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
  lockgate policy test                       what cases.toml expects of it
  lockgate policy eval . -- git push         one question, with the configuration of the cases
  lockgate policy install . --config lockgate.toml";

#[derive(Subcommand)]
enum What {
    New(new::Args),
    Build(build::Args),
    Test(test::Args),
    Eval(eval::Args),
    Bench(bench::Args),
    Inspect(inspect::Args),
    Sign(sign::SignArgs),
    Verify(sign::VerifyArgs),
    Install(install::Args),
    Replay(replay::Args),
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.what {
        What::New(args) => new::run(&args),
        What::Build(args) => build::run(&args),
        What::Test(args) => test::run(&args),
        What::Eval(args) => eval::run(&args),
        What::Bench(args) => bench::run(&args),
        What::Inspect(args) => inspect::run(&args),
        What::Sign(args) => sign::run(&args),
        What::Verify(args) => sign::check(&args),
        What::Install(args) => install::run(&args),
        What::Replay(args) => replay::run(&args),
    }
}
