//! Following links: the operation itself is the test.
//!
//! An operation on a path without links takes one call to the host and nothing else. Where it says `loop`, some component is a
//! link; a bisection with `readlink-at` over the prefixes finds the first one. Its target takes its place, `..` in it is settled
//! against what is before it, and the operation is tried again. The path that an operation succeeds with is the real one.

use crate::bindings::exports::lockgate::files::operations::{Failure, Links};
use crate::bindings::lockgate::files::extra;
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{Descriptor, DescriptorType, ErrorCode, PathFlags};
use crate::text;

/// Links that one resolution follows: Linux's own number.
const MOST_LINKS: u32 = 40;

/// Tries when the host says that there is a link and none is found: somebody is exchanging directories and links.
const MOST_RETRIES: u32 = 8;

/// Twice what the system takes, so that a path that is too long is refused by the host, in the system's words.
const LONGEST_PATH: usize = 8192;

/// The preopened `/`, which lives as long as the instance.
pub(crate) fn root() -> &'static Descriptor {
    thread_local! {
        static ROOT: &'static Descriptor = {
            let mut given = preopens::get_directories();
            // Without it nothing can be done at all: the host gives it always.
            let at = given.iter().position(|(_, name)| name == "/").expect("a preopen named /");
            Box::leak(Box::new(given.swap_remove(at).0))
        };
    }
    ROOT.with(|root| *root)
}

/// The path as WASI has it, below the root.
pub(crate) fn at(path: &str) -> &str {
    match &path[1..] {
        "" => ".",
        below => below,
    }
}

/// What becomes of a link in the path's last component.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Last {
    /// It is followed.
    Followed,
    /// It is what the operation is about. With [`Links::Refuse`] such an operation refuses it itself.
    Itself,
}

/// A path on its way to being free of links.
pub(crate) struct Resolution {
    path: String,
    links: Links,
    followed: u32,
    ended_in_link: bool,
}

impl Resolution {
    pub(crate) fn new(path: String, links: Links) -> Resolution {
        Resolution {
            path,
            links,
            followed: 0,
            ended_in_link: false,
        }
    }

    /// Tries the operation until no link is in its way. `operation` gets the whole path and must do nothing when it answers `loop`.
    pub(crate) fn run<T>(
        &mut self,
        last: Last,
        mut operation: impl FnMut(&str) -> Result<T, ErrorCode>,
    ) -> Result<T, Failure> {
        let mut retries = 0;
        loop {
            match operation(&self.path) {
                Err(ErrorCode::Loop) if self.links == Links::Refuse => {
                    return Err(Failure::SymbolicLink);
                }
                Err(ErrorCode::Loop) => {}
                done => return Ok(done?),
            }
            let searched = match last {
                Last::Followed => self.path.as_str(),
                Last::Itself => text::parent(&self.path),
            };
            match first_link(searched)? {
                Some((end, target)) => self.follow(end, &target)?,
                None if retries == MOST_RETRIES => return Err(ErrorCode::Loop.into()),
                None => retries += 1,
            }
        }
    }

    /// The path as far as it is resolved; after [`Resolution::run`] succeeded, the real one.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn into_path(self) -> String {
        self.path
    }

    /// The path that was asked for is itself a link. Links on the way come first, so that only the last name can bring this about.
    pub(crate) fn ended_in_link(&self) -> bool {
        self.ended_in_link
    }

    /// Puts a link's target in its place.
    fn follow(&mut self, end: usize, target: &str) -> Result<(), Failure> {
        self.followed += 1;
        if self.followed > MOST_LINKS {
            return Err(ErrorCode::Loop.into());
        }
        self.ended_in_link |= end == self.path.len();
        let (link, rest) = self.path.split_at(end);
        if rest.len() + target.len() > LONGEST_PATH {
            return Err(ErrorCode::NameTooLong.into());
        }
        let mut settled = match target.starts_with('/') {
            true => "/".to_owned(),
            false => text::parent(link).to_owned(),
        };
        // A link's own directory is real. What the target adds is not known to be, until it is looked at.
        let mut real = true;
        let mut names = target.split('/').chain(rest.split('/').skip(1)).peekable();
        while let Some(name) = names.next() {
            match name {
                // At its end a path says with these that it means a directory.
                "" | "." if names.peek().is_some() || settled == "/" => {}
                "" | "." | ".." => {
                    if !real {
                        settled = real_directory(settled, self.links, &mut self.followed)?;
                        real = true;
                    }
                    if name == ".." {
                        settled.truncate(text::parent(&settled).len());
                    }
                }
                name => {
                    settled = text::join(&settled, name);
                    real = false;
                }
            }
        }
        self.path = settled;
        Ok(())
    }
}

/// The real path of what must be a directory. Ends, since each step inward has followed a link.
fn real_directory(path: String, links: Links, followed: &mut u32) -> Result<String, Failure> {
    let mut resolution = Resolution {
        path,
        links,
        followed: *followed,
        ended_in_link: false,
    };
    let found = resolution.run(Last::Followed, |path| {
        extra::attributes_at(root(), PathFlags::SYMLINK_FOLLOW, at(path))
    })?;
    *followed = resolution.followed;
    match found.type_ {
        DescriptorType::Directory => Ok(resolution.path),
        _ => Err(ErrorCode::NotDirectory.into()),
    }
}

/// The first link among a path's components: where its name ends, and its target.
fn first_link(path: &str) -> Result<Option<(usize, String)>, ErrorCode> {
    let ends = text::ends(path);
    // All up to `none` are no links; `some` has one on its way.
    let (mut none, mut some) = (0, ends.len() + 1);
    let mut probe = ends.len();
    while probe > none {
        let end = ends[probe - 1];
        match root().readlink_at(at(&path[..end])) {
            Ok(target) => return Ok(Some((end, target))),
            Err(ErrorCode::Invalid) => none = probe,
            Err(ErrorCode::Loop) => some = probe,
            Err(code) => return Err(code),
        }
        probe = none + (some - none) / 2;
    }
    Ok(None)
}
