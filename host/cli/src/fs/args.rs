//! What `lockgate fs` is asked on the command line, and what it says of itself.

use std::path::PathBuf;

use clap::Subcommand;

use super::names;
use crate::profile::Profile;
use crate::server::Server;

/// Look at and change files
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) what: What,
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
gate: what is not granted is not there. Relative paths of the server, those of a profile as well, begin in this directory, or with --url, --env or --remote in the one that the executor is in; those of LOCAL always begin here.";

const LEFT_OUT: &str = "\
A link to what is not granted leads nowhere. Servers other than ours leave links that lead nowhere out. A name that is not UTF-8 is shown with \u{fffd}: \
--json has its bytes, or that of `fs tree`.";

const SEVERAL: &str = "\
Of several paths one that fails is told, the others have their turn all the same, and the exit code is 1.";

const TREE_LEFT_OUT: &str = "\
Shows everything that may be seen, links, sockets, pipes and devices as what they are. A link to what is not granted leads nowhere. Of servers \
other than ours it shows directories, files, and links to files that are granted.";

const SENT: &str = "\
A file of up to 47 MiB travels in one message. A larger one is overwritten piece by piece: a failure leaves a part of it and nothing of the \
old contents, which --atomic never does. A pipe is read to its end, whoever writes into it: one that has a name, or one that the shell made of <(COMMAND).";

const TRAVELS: &str = "\
A directory travels as one stream and is merged into one that exists. All in it gets the permission bits (the nine; no set-user-id and the like) and the time of modification of the source, and links stay links; so does the directory itself if it is made, while one that was there keeps its own. It is made where it is missing, in a directory that has to be there: --parents makes that, too. \
Devices, pipes and sockets are left out, as is what would be written through a link. What was left out is told, and makes the exit code 1.";

const GOES_ON: &str = "\
With --resume each file is written under a name of its own (.lockgate-part-…) beside the one that it gets when it is whole, and a transfer that was \
cut goes on, also in the middle of a file: by itself when the connection is lost, else when the same command is run again. What changed meanwhile begins again; what is there with the same size and \
time of modification is taken for the same. What a directory keeps is the same as without. A single file gets bits and time of the source, too, but one that is replaced keeps its bits.";

/// What all of them take.
#[derive(clap::Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) server: Server,
    #[command(flatten)]
    pub(super) profile: Profile,
}

/// Of a transfer that may be cut.
#[derive(clap::Args)]
pub(super) struct GoesOn {
    /// Go on where the same command was cut
    #[arg(long)]
    pub(super) resume: bool,
    /// With --resume: how often to go on by itself, without anything having arrived, when the connection is lost
    #[arg(long, value_name = "N", requires = "resume", default_value_t = 5)]
    pub(super) retries: u32,
}

#[derive(Subcommand)]
pub(super) enum What {
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
    #[command(after_help = SEVERAL)]
    Stat {
        #[command(flatten)]
        common: Common,
        /// As a JSON object with the path in it; of several paths an array of them in their order, with an `error` where nothing can be told
        #[arg(long)]
        json: bool,
        /// What to tell about
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Print files
    #[command(after_help = SEVERAL)]
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
        /// A directory with all that is in it, also into one that is there; without this it is fetched to a new name only
        #[arg(short, long)]
        recursive: bool,
        /// Of a directory: make what is missing above it, too
        #[arg(short, long)]
        parents: bool,
        #[command(flatten)]
        goes_on: GoesOn,
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
        #[arg(long, conflicts_with_all = ["recursive", "resume"])]
        atomic: bool,
        /// On the disk before this ends
        #[arg(long, requires = "atomic")]
        durable: bool,
        #[command(flatten)]
        goes_on: GoesOn,
        /// A file here, or - for stdin
        #[arg(value_name = "LOCAL")]
        local: PathBuf,
        /// The file to make or replace there; a file goes into a directory that is there
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
    #[command(after_help = SEVERAL)]
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
    #[command(after_help = SEVERAL)]
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
    #[command(after_help = SEVERAL)]
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
    pub(super) fn common(&self) -> &Common {
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
