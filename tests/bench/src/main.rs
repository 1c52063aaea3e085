//! A load generator for exec-server URLs: ours or any other that speaks the protocol.
//!
//! It measures what a client feels, puts beside it the least that any implementation would have to do (the floors), and,
//! where a peer is given, the peer's figures from the same minutes. Figures without such company are worth
//! little: the same machine differs from itself by half within seconds.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;
use crate::run::{Order, Pin};

mod connection;
mod failure;
mod floor;
mod ground;
mod incoming;
mod limits;
mod probe;
mod remote;
mod report;
mod run;
mod server;
mod statistics;
mod subject;
mod tree;
mod verdict;
mod wave;

/// Measure a server of the exec-server protocol against floors, budgets and a peer.
#[derive(Parser)]
#[command(name = "lockgate-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start the server (and the peer), measure, and print a table.
    Run {
        /// A command that prints a ws URL as its first line, and serves there until it is ended.
        #[arg(long, value_name = "COMMAND")]
        server: String,
        /// Another such command to compare with.
        #[arg(long, value_name = "COMMAND")]
        peer: Option<String>,
        /// Only these groups or rows (`list` shows their names).
        #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
        only: Vec<String>,
        /// A minute instead of three or four.
        #[arg(long)]
        quick: bool,
        /// Write the figures as JSON to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// When client and server share one CPU: in groups of round trips (auto, where policies have one for each), always, or never.
        #[arg(long, value_enum, default_value_t = Pin::Auto)]
        pin: Pin,
    },
    /// Show what can be measured.
    List,
    /// Serve a floor (the bench starts it).
    #[command(hide = true)]
    Floor {
        /// Which.
        kind: FloorServer,
    },
    /// Be a child process that a server is asked to start.
    #[command(hide = true, subcommand)]
    Child(ChildKind),
    /// Run a command that ends when the bench does.
    #[command(hide = true)]
    Guarded {
        /// The command.
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
}

#[derive(Clone, ValueEnum)]
enum FloorServer {
    /// Sends back what it gets.
    Echo,
    /// Sends large amounts.
    Bulk,
}

#[derive(Subcommand)]
enum ChildKind {
    /// Write so many bytes.
    Output {
        /// How many.
        total: usize,
    },
    /// Write without end.
    Flood,
}

fn main() -> ExitCode {
    // As `lockgate exec` does, which is the harness that people run.
    lockgate_client::keep_freed_memory();
    match act(Arguments::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("lockgate-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn act(action: Action) -> Result<ExitCode, Failure> {
    match action {
        Action::Run {
            server,
            peer,
            only,
            quick,
            json,
            pin,
        } => measure(
            &Order {
                server,
                peer,
                only,
                quick,
                pin,
            },
            json,
        ),
        Action::List => {
            for group in probe::GROUPS {
                println!("{}", group.name);
                for row in group.probes.iter().flat_map(|probe| probe.rows) {
                    println!("  {:<24}{}", row.name, row.title.trim());
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Floor {
            kind: FloorServer::Echo,
        } => floor::echo::serve().map(|()| ExitCode::SUCCESS),
        Action::Floor {
            kind: FloorServer::Bulk,
        } => floor::bulk::serve().map(|()| ExitCode::SUCCESS),
        Action::Child(kind) => {
            let written = match kind {
                ChildKind::Output { total } => floor::child::output(total),
                ChildKind::Flood => floor::child::flood(),
            };
            // Who asked for the output may go away in the middle of it.
            Ok(if written.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Action::Guarded { argv } => server::become_guarded(&argv).map(|()| ExitCode::SUCCESS),
    }
}

/// Fails only when a figure of the server under measure could not be taken; budgets are told, not asserted.
fn measure(order: &Order, file: Option<PathBuf>) -> Result<ExitCode, Failure> {
    raise_descriptor_limit()?;
    let begin = std::time::Instant::now();
    let outcomes = run::run(order, |line| {
        // Progress is a courtesy; a closed stderr is no reason to stop.
        let _ = writeln!(
            std::io::stderr(),
            "{:>6.1} s  {line}",
            begin.elapsed().as_secs_f64()
        );
    })?;
    print!("{}", report::table(order, &outcomes));
    if let Some(file) = file {
        std::fs::write(file, format!("{:#}\n", report::json(order, &outcomes)))?;
    }
    let failed = outcomes
        .iter()
        .any(|outcome| outcome.taken[0].failure.is_some());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// A thousand idle connections need more than the usual soft limit; servers started from here inherit it.
fn raise_descriptor_limit() -> Result<(), Failure> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < limits::DESCRIPTORS) {
        let wanted = maximum.map_or(limits::DESCRIPTORS, |most| most.min(limits::DESCRIPTORS));
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum,
            },
        )?;
    }
    Ok(())
}
