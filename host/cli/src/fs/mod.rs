//! `lockgate fs`: files of a server, directly or through the gate.

mod about;
mod cat;
mod change;
mod get;
mod granted;
mod into;
mod long;
mod look;
mod names;
mod parents;
mod pieces;
mod put;
mod resume;
mod stream;
mod tree;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use lockgate_client::Client;
use lockgate_grant::Sandbox;
use lockgate_wire::WirePath;

use crate::failure::Failure;
use crate::profile::Profile;
use crate::server::{self, Server};
use crate::{here, runtime};
use about::about;
use resume::Again;
use write::Old;

/// Look at and change files
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  lockgate fs ls
  lockgate fs ls -l --env box /srv          on an executor that has a name; also --url and --remote
  lockgate fs cat --read . src/main.rs      through the gate: only this directory can be read
  lockgate fs tree --read /etc --deny /etc/ssl /etc
  lockgate fs tree --read . --deny-glob '**/*.key'
  lockgate fs put --write /tmp notes.txt /tmp/notes.txt
  date | lockgate fs put - /tmp/now

With any of --read, --write, --deny and --deny-glob the request carries a permission profile and goes through the capability \
gate: what is not granted is not there. Relative paths start in this directory, also with --url, --env and --remote.";

const LEFT_OUT: &str = "\
A link to what is not granted leads nowhere. Servers other than ours leave links that lead nowhere out. A name that is not UTF-8 is shown with \u{fffd}: \
--json has its bytes, or that of `fs tree`.";

const TREE_LEFT_OUT: &str = "\
Shows directories, files, and links to files that are granted. Links to directories, sockets, pipes and devices are \
left out.";

const SENT: &str = "\
A file of up to 47 MiB travels in one message. A larger one is overwritten piece by piece: a failure leaves a part of it and nothing of the \
old contents, which --atomic never does.";

const TRAVELS: &str = "\
A directory travels as one stream, with permission bits, modification times and links as they are, and is merged into one that exists. It is made where it is missing, in a directory that has to be there: --parents makes that, too. \
Devices, pipes and sockets are left out, as is what would be written through a link.";

const GOES_ON: &str = "\
With --resume each file is written under a name of its own (.lockgate-part-…) beside the one that it gets when it is whole, and a transfer that was \
cut goes on, also in the middle of a file: by itself when the connection is lost, else when the same command is run again. What changed meanwhile begins again; what is there with the same size and \
time of modification is taken for the same. Permission bits and times are the source's; bits of a single file that is replaced stay.";

/// What all of them take.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    profile: Profile,
}

#[derive(Subcommand)]
enum What {
    /// List a directory
    #[command(after_help = LEFT_OUT)]
    Ls {
        #[command(flatten)]
        common: Common,
        /// Type, size and time of each, too: a question more for each of them
        #[arg(short, long)]
        long: bool,
        /// As a JSON array; with --long each with its metadata
        #[arg(long)]
        json: bool,
        /// Where to look
        #[arg(default_value = ".", value_name = "PATH")]
        path: PathBuf,
    },
    /// Tell type, size, permissions, owner and times of paths
    Stat {
        #[command(flatten)]
        common: Common,
        /// As a JSON object; of several paths an array of them
        #[arg(long)]
        json: bool,
        /// What to tell about
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Print files
    Cat {
        #[command(flatten)]
        common: Common,
        /// What to print
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Fetch a file or a whole directory
    #[command(after_help = format!("{TRAVELS}\n\n{GOES_ON}"))]
    Get {
        #[command(flatten)]
        common: Common,
        /// A directory with all that is in it; so it is fetched without this, too
        #[arg(short, long)]
        recursive: bool,
        /// Of a directory: make what is missing above it, too
        #[arg(short, long)]
        parents: bool,
        /// Go on where the same command was cut
        #[arg(long)]
        resume: bool,
        /// With --resume: how often to go on by itself, without anything having arrived, when the connection is lost
        #[arg(long, value_name = "N", requires = "resume", default_value_t = 5)]
        retries: u32,
        /// What to fetch
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// The file or directory to make or replace here; a file goes into a directory that is there; - for stdout, which a file goes to
        #[arg(value_name = "LOCAL")]
        local: PathBuf,
    },
    /// Write a local file, or - for stdin, to a path; with --recursive a directory
    #[command(after_help = format!("{SENT}\n\n{TRAVELS}\n\n{GOES_ON}"))]
    Put {
        #[command(flatten)]
        common: Common,
        /// A directory with all that is in it
        #[arg(short, long)]
        recursive: bool,
        /// With --recursive: make what is missing above it, too
        #[arg(short, long, requires = "recursive")]
        parents: bool,
        /// All at once or not at all, at most 47 MiB: the old file is there until the new one is
        #[arg(long, conflicts_with = "recursive")]
        atomic: bool,
        /// On the disk before this ends
        #[arg(long, requires = "atomic")]
        durable: bool,
        /// Go on where the same command was cut
        #[arg(long, conflicts_with = "atomic")]
        resume: bool,
        /// With --resume: how often to go on by itself, without anything having arrived, when the connection is lost
        #[arg(long, value_name = "N", requires = "resume", default_value_t = 5)]
        retries: u32,
        /// A file here, or - for stdin
        #[arg(value_name = "LOCAL")]
        local: PathBuf,
        /// The file to make or replace there
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
    /// Add a local file, or - for stdin, to the end of a file
    Append {
        #[command(flatten)]
        common: Common,
        /// A file here, or - for stdin
        #[arg(value_name = "LOCAL")]
        local: PathBuf,
        /// The file there; it is made where it is missing
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
    /// Rename a file, a link or a directory
    Mv {
        #[command(flatten)]
        common: Common,
        /// Not if the new name is taken
        #[arg(short, long)]
        no_clobber: bool,
        /// What to rename
        #[arg(value_name = "FROM")]
        from: PathBuf,
        /// The new name, or the directory to move it into
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Make a symbolic link
    Ln {
        #[command(flatten)]
        common: Common,
        /// A symbolic link; there is no other
        #[arg(short, long, required = true)]
        symbolic: bool,
        /// What the link says, as it is
        #[arg(value_name = "TARGET")]
        target: String,
        /// The link
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
    /// Set permission bits
    Chmod {
        #[command(flatten)]
        common: Common,
        /// In octal
        #[arg(value_name = "MODE", value_parser = names::bits)]
        mode: u32,
        /// Files and directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Set the times of what is there, to now if no other is given
    Touch {
        #[command(flatten)]
        common: Common,
        /// When it was read, in milliseconds since 1970
        #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
        accessed: Option<i64>,
        /// When it was changed, in milliseconds since 1970
        #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
        modified: Option<i64>,
        /// Files and directories
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Make a directory
    Mkdir {
        #[command(flatten)]
        common: Common,
        /// Also its parents; one that exists is fine
        #[arg(short, long)]
        parents: bool,
        /// The directory to make
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
    /// Remove files, links and directories
    Rm {
        #[command(flatten)]
        common: Common,
        /// Directories with all that is in them
        #[arg(short, long)]
        recursive: bool,
        /// What is not there is fine
        #[arg(short, long)]
        force: bool,
        /// What to remove
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Copy a file, a link or a directory
    Cp {
        #[command(flatten)]
        common: Common,
        /// Directories with all that is in them
        #[arg(short, long)]
        recursive: bool,
        /// With --recursive: make what is missing above the new name, too
        #[arg(short, long, requires = "recursive")]
        parents: bool,
        /// What to copy
        #[arg(value_name = "FROM")]
        from: PathBuf,
        /// The new name, or the directory to copy it into
        #[arg(value_name = "TO")]
        to: PathBuf,
    },
    /// Show what is below a directory
    #[command(after_help = TREE_LEFT_OUT)]
    Tree {
        #[command(flatten)]
        common: Common,
        /// As a JSON object
        #[arg(long)]
        json: bool,
        /// Levels to show
        #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
        depth: u64,
        /// Leave out directories whose name begins with a dot
        #[arg(long)]
        no_hidden: bool,
        /// Where to look
        #[arg(default_value = ".", value_name = "PATH")]
        path: PathBuf,
    },
}

impl What {
    fn common(&self) -> &Common {
        match self {
            What::Ls { common, .. }
            | What::Stat { common, .. }
            | What::Cat { common, .. }
            | What::Get { common, .. }
            | What::Put { common, .. }
            | What::Append { common, .. }
            | What::Mv { common, .. }
            | What::Ln { common, .. }
            | What::Chmod { common, .. }
            | What::Touch { common, .. }
            | What::Mkdir { common, .. }
            | What::Rm { common, .. }
            | What::Cp { common, .. }
            | What::Tree { common, .. } => common,
        }
    }
}

/// A connection and what may be done over it.
struct Place<'a> {
    client: &'a Client,
    sandbox: Option<Sandbox>,
}

impl Place<'_> {
    /// A typed path, for the wire.
    fn path(&self, text: &Path) -> Result<WirePath, Failure> {
        Ok(self.client.path(here::path(text)?))
    }
}

fn again(common: &Common, retries: u32) -> Again<'_> {
    Again {
        server: &common.server,
        retries,
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let sandbox = args
        .what
        .common()
        .profile
        .sandbox(&crate::here::directory()?)?;
    runtime::run(server::with(
        &args.what.common().server,
        // Open files go with their link: `--resume` goes on from what is there instead.
        None,
        async |client: &Client| {
            let place = Place { client, sandbox };
            match &args.what {
                What::Ls {
                    long: true,
                    json,
                    path,
                    ..
                } => long::ls(&place, path, *json).await,
                What::Ls { json, path, .. } => look::ls(&place, path, *json).await,
                What::Stat { json, paths, .. } => look::stat(&place, paths, *json).await,
                What::Cat { paths, .. } => cat::cat(&place, paths).await,
                What::Get {
                    common,
                    resume: true,
                    retries,
                    recursive: _,
                    parents,
                    path,
                    local,
                } => {
                    let local = into::here(&place, path, local).await?;
                    parents::local(&local, *parents)?;
                    resume::get(&again(common, *retries), &place, path, &local).await
                }
                What::Get {
                    parents,
                    path,
                    local,
                    ..
                } => get::get(&place, path, local, *parents).await,
                What::Put {
                    common,
                    resume: true,
                    retries,
                    recursive,
                    parents,
                    local,
                    path,
                    ..
                } => {
                    if *recursive {
                        parents::there(&place, path, *parents).await?;
                    }
                    let again = again(common, *retries);
                    resume::put(&again, &place, (local, path), *recursive).await
                }
                What::Put {
                    recursive: true,
                    parents,
                    local,
                    path,
                    ..
                } => {
                    parents::there(&place, path, *parents).await?;
                    put::tree(&place, local, path).await
                }
                What::Put {
                    atomic,
                    durable,
                    local,
                    path,
                    ..
                } => {
                    let old = match atomic {
                        true => Old::Replaced { durable: *durable },
                        false => Old::Overwritten,
                    };
                    write::write(&place, local, path, old).await
                }
                What::Append { local, path, .. } => {
                    write::write(&place, local, path, Old::Kept).await
                }
                What::Mv {
                    no_clobber,
                    from,
                    to,
                    ..
                } => names::mv(&place, from, to, *no_clobber).await,
                What::Ln { target, path, .. } => names::ln(&place, target, path).await,
                What::Chmod { mode, paths, .. } => names::chmod(&place, *mode, paths).await,
                What::Touch {
                    accessed,
                    modified,
                    paths,
                    ..
                } => names::touch(&place, (*accessed, *modified), paths).await,
                What::Mkdir { parents, path, .. } => change::mkdir(&place, path, *parents).await,
                What::Rm {
                    recursive,
                    force,
                    paths,
                    ..
                } => change::rm(&place, paths, *recursive, *force).await,
                What::Cp {
                    recursive,
                    parents,
                    from,
                    to,
                    ..
                } => {
                    let recursive = recursive.then_some(change::Recursive { make: *parents });
                    change::cp(&place, from, to, recursive).await
                }
                What::Tree {
                    json,
                    depth,
                    no_hidden,
                    path,
                    ..
                } => tree::tree(&place, path, *depth, *no_hidden, *json).await,
            }?;
            Ok(ExitCode::SUCCESS)
        },
    ))
}
