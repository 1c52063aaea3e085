//! Following a path name by name, from the root.
//!
//! Behind us are names that were looked at and are no links, ahead are those still to be stepped on. A link gives way to the names
//! of its target; `..` steps back. Where a name cannot be looked at, what is ahead stays as it is written: the
//! operation is asked with it, and the host's answer to that is the answer.

use std::sync::OnceLock;

use crate::bindings::exports::lockgate::files::operations::{Failure, Links};
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{Descriptor, DescriptorType, ErrorCode, PathFlags};

/// Links on one path: Linux's own number.
const MOST_LINKS: usize = 40;

/// Walks of one path, when names turn into links under our feet.
const MOST_WALKS: usize = 8;

/// Bytes of names ahead and behind. Twice what the system takes: it is for the host to say what is too long.
const MOST_BYTES: usize = 8192;

/// The directory `/`, given to us before anything else is.
pub(crate) fn root() -> &'static Descriptor {
    static ROOT: OnceLock<Descriptor> = OnceLock::new();
    ROOT.get_or_init(|| {
        let mut given = preopens::get_directories().into_iter();
        let root = given.find(|(_, name)| name == "/");
        root.expect("the host gives the directory /").0
    })
}

/// What becomes of a link that is the path's last name.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Last {
    /// It is stepped through like any other.
    Followed,
    /// It is what the operation is about.
    Itself,
}

/// Does something at the end of a path. Done again from the start when a link has come to be where there was none.
pub(crate) fn at_end_of<T>(
    path: &str,
    links: Links,
    last: Last,
    mut operation: impl FnMut(&Trail) -> Result<T, ErrorCode>,
) -> Result<T, Failure> {
    for _ in 0..MOST_WALKS {
        let trail = match Trail::walk(path, links, last) {
            Ok(trail) => trail,
            Err(Stop::Moved) => continue,
            Err(Stop::Failed(failure)) => return Err(failure),
        };
        match operation(&trail) {
            Err(ErrorCode::Loop) => continue,
            done => return Ok(done?),
        }
    }
    Err(ErrorCode::Loop.into())
}

/// A path that was walked to its end.
pub(crate) struct Trail {
    below: String,
    last: Last,
    ended_in_link: bool,
}

impl Trail {
    /// The path below the root, as WASI has it.
    pub(crate) fn below(&self) -> &str {
        match &*self.below {
            "" => ".",
            below => below,
        }
    }

    /// The path from the root.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.below)
    }

    /// How to say to the host that a link at the end, where there is none to be expected any more, is in the way.
    pub(crate) fn flags(&self) -> PathFlags {
        match self.last {
            Last::Followed => PathFlags::SYMLINK_FOLLOW,
            Last::Itself => PathFlags::empty(),
        }
    }

    /// The last name was a link, and was followed.
    pub(crate) fn ended_in_link(&self) -> bool {
        self.ended_in_link
    }

    fn walk(path: &str, links: Links, last: Last) -> Result<Trail, Stop> {
        let mut walk = Walk::new(path, last);
        while let Some(name) = walk.ahead.pop() {
            match &*name {
                // With these a path says that what it has come to is a directory.
                "" | "." if walk.on_directory => {}
                ".." if walk.on_directory => drop(walk.behind.pop()),
                "" | "." | ".." => return Err(ErrorCode::NotDirectory.into()),
                _ if !walk.on_directory => return walk.leave(name, ErrorCode::NotDirectory),
                _ => {
                    walk.behind.push(name);
                    if last == Last::Itself && walk.ahead.is_empty() {
                        break;
                    }
                    match walk.look() {
                        Ok(DescriptorType::SymbolicLink) if links == Links::Refuse => {
                            return Err(Stop::Failed(Failure::SymbolicLink));
                        }
                        Ok(DescriptorType::SymbolicLink) => walk.follow()?,
                        Ok(kind) => walk.on_directory = kind == DescriptorType::Directory,
                        Err(ErrorCode::Loop) => return Err(Stop::Moved),
                        Err(code @ (ErrorCode::NoEntry | ErrorCode::NotDirectory)) => {
                            let name = walk.behind.pop().unwrap_or_default();
                            return walk.leave(name, code);
                        }
                        Err(code) => return Err(code.into()),
                    }
                }
            }
        }
        Ok(walk.arrived())
    }
}

/// Why a walk did not come to an end.
enum Stop {
    /// What was looked at is something else by now.
    Moved,
    Failed(Failure),
}

impl From<ErrorCode> for Stop {
    fn from(code: ErrorCode) -> Stop {
        Stop::Failed(code.into())
    }
}

/// A path while it is walked.
struct Walk {
    behind: Vec<String>,
    /// The next one is at the end.
    ahead: Vec<String>,
    /// What we stand on is a directory, so that there can be names in it.
    on_directory: bool,
    followed: usize,
    last: Last,
    ended_in_link: bool,
}

impl Walk {
    fn new(path: &str, last: Last) -> Walk {
        let mut walk = Walk {
            last,
            behind: Vec::new(),
            ahead: Vec::new(),
            on_directory: true,
            followed: 0,
            ended_in_link: false,
        };
        walk.lay_out(path);
        walk
    }

    /// Puts the names of a path before what is ahead.
    fn lay_out(&mut self, path: &str) {
        self.ahead.extend(path.split('/').rev().map(str::to_owned));
    }

    /// What the name is that was put behind us last.
    fn look(&self) -> Result<DescriptorType, ErrorCode> {
        let found = root().stat_at(PathFlags::empty(), &self.behind.join("/"))?;
        Ok(found.type_)
    }

    /// Puts a link's target in the place of the name behind us.
    fn follow(&mut self) -> Result<(), Stop> {
        self.followed += 1;
        if self.followed > MOST_LINKS {
            return Err(ErrorCode::Loop.into());
        }
        let target = match root().readlink_at(&self.behind.join("/")) {
            Ok(target) => target,
            Err(ErrorCode::Invalid | ErrorCode::Loop) => return Err(Stop::Moved),
            Err(code) => return Err(code.into()),
        };
        self.ended_in_link |= self.ahead.is_empty();
        self.behind.pop();
        if target.starts_with('/') {
            self.behind.clear();
        }
        let names = self.behind.iter().chain(&self.ahead);
        if names.map(|name| name.len() + 1).sum::<usize>() + target.len() > MOST_BYTES {
            return Err(ErrorCode::NameTooLong.into());
        }
        self.lay_out(&target);
        Ok(())
    }

    /// Ends the walk before `name`, which cannot be looked at because of `code`.
    fn leave(mut self, name: String, code: ErrorCode) -> Result<Trail, Stop> {
        self.ahead.push(name);
        // Whether these lead anywhere hangs on what cannot be looked at.
        if self
            .ahead
            .iter()
            .any(|name| matches!(&**name, "" | "." | ".."))
        {
            return Err(code.into());
        }
        self.behind.extend(self.ahead.drain(..).rev());
        Ok(self.arrived())
    }

    fn arrived(self) -> Trail {
        Trail {
            below: self.behind.join("/"),
            last: self.last,
            ended_in_link: self.ended_in_link,
        }
    }
}
