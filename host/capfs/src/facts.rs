//! The facts about this host that a profile's meaning hangs on, looked up once when a scope is made.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use lockgate_grant::{AbsPath, Host, Place};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::kernel::root::{LOOK, Root, Wait};

/// As the kernel itself: more links than this are a loop.
const MOST_LINKS: usize = 40;

/// Longest pointer file that is read: one path and a few words.
const POINTER_BYTES: usize = 8 * 1024;

pub(crate) struct Facts<'a> {
    pub(crate) root: &'a Root,
    pub(crate) temporary_directory: Option<AbsPath>,
    pub(crate) own_directories: Arc<[AbsPath]>,
}

impl Host for Facts<'_> {
    fn place(&self, path: &AbsPath) -> Result<Place, String> {
        place(self.root, path).map_err(|errno| std::io::Error::from(errno).to_string())
    }

    fn git_directories(&self, path: &AbsPath) -> Vec<AbsPath> {
        git_directories(self.root, path)
    }

    fn temporary_directory(&self) -> Option<AbsPath> {
        self.temporary_directory.clone()
    }

    fn own_directories(&self) -> &[AbsPath] {
        &self.own_directories
    }
}

/// Where a path is, links resolved, as far as it exists.
pub(crate) fn place(root: &Root, path: &AbsPath) -> Result<Place, Errno> {
    let at = |canonical, links, exists| {
        Ok(Place {
            canonical,
            links,
            exists,
        })
    };
    // Mostly there is no link, and one system call says so.
    match look(root, path) {
        Ok(_) => return at(path.clone(), Vec::new(), true),
        Err(Errno::NOENT | Errno::NOTDIR) => return at(path.clone(), Vec::new(), false),
        Err(Errno::LOOP) => {}
        Err(errno) => return Err(errno),
    }
    follow(root, path.as_bytes(), Above::Anything)
}

/// [`place`] of a path as it is written: `..` is what is above the place that the names before it lead to, as the system has it where it opens
/// the path.
pub(crate) fn place_as_opened(root: &Root, path: &[u8]) -> Result<Place, Errno> {
    follow(root, path, Above::WhatIsThere)
}

/// What `..` may be above.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Above {
    Anything,
    /// As the system: nothing is above what is not there.
    WhatIsThere,
}

/// Name by name, from the root.
fn follow(root: &Root, path: &[u8], above: Above) -> Result<Place, Errno> {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        path.split(|byte| *byte == b'/')
            .rev()
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (mut real, mut links) = (AbsPath::root(), Vec::new());
    let mut left = names(path);
    let mut exists = true;
    while let Some(name) = left.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." if !exists && above == Above::WhatIsThere => return Err(Errno::NOENT),
            b".." => {
                real = real.parent().unwrap_or(real);
                continue;
            }
            _ => {}
        }
        let next = real
            .join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&name))
            .map_err(|_| Errno::NAMETOOLONG)?;
        match root.read_link(&next, Wait::Yes) {
            Ok((target, _)) => {
                if links.len() == MOST_LINKS {
                    return Err(Errno::LOOP);
                }
                links.push(next);
                if target.first() == Some(&b'/') {
                    real = AbsPath::root();
                }
                left.extend(names(&target));
            }
            Err(Errno::INVAL) => real = next,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                exists = false;
                real = next;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(Place {
        canonical: real,
        links,
        exists,
    })
}

/// True when something is at the path, be it a broken link, or may be, because there is a link on the way now.
pub(crate) fn is_there(root: &Root, path: &AbsPath) -> bool {
    matches!(
        root.open_at(path, LOOK | OFlags::NOFOLLOW, Mode::empty(), Wait::Yes),
        Ok(_) | Err(Errno::LOOP)
    )
}

/// [`is_there`] if the kernel knows without asking a disk.
pub(crate) fn is_known_there(root: &Root, path: &AbsPath) -> Option<bool> {
    match root.open_at(path, LOOK | OFlags::NOFOLLOW, Mode::empty(), Wait::No) {
        Ok(_) | Err(Errno::LOOP) => Some(true),
        Err(Errno::AGAIN) => None,
        Err(_) => Some(false),
    }
}

fn look(root: &Root, path: &AbsPath) -> Result<OwnedFd, Errno> {
    root.open_at(path, LOOK, Mode::empty(), Wait::Yes)
}

/// What the pointer file at `path` leads to: the work tree's own git directory, and the one that it shares with others and has
/// its hooks and configuration from.
fn git_directories(root: &Root, path: &AbsPath) -> Vec<AbsPath> {
    let mut directories = Vec::new();
    let Some(file) = place(root, path).ok().filter(|place| place.exists) else {
        return directories;
    };
    // Relative to where the name is, not to where a link of that name leads: so git has it.
    let (Some(own), Some(target)) = (
        path.parent()
            .and_then(|parent| Some(place(root, &parent).ok()?.canonical)),
        one_line(root, &file.canonical, b"gitdir:"),
    ) else {
        return directories;
    };
    let Some(directory) = absolute(&own, &target) else {
        return directories;
    };
    let shared = directory
        .join("commondir")
        .ok()
        .and_then(|file| place(root, &file).ok())
        .and_then(|place| one_line(root, &place.canonical, b""))
        .and_then(|shared| absolute(&directory, &shared));
    directories.push(directory);
    directories.extend(shared);
    directories
}

/// The first line of a small regular file, without what it has to begin with.
fn one_line(root: &Root, path: &AbsPath, beginning: &[u8]) -> Option<Vec<u8>> {
    let held = look(root, path).ok()?;
    if FileType::from_raw_mode(rustix::fs::fstat(&held).ok()?.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = root.open_at(path, flags, Mode::empty(), Wait::Yes).ok()?;
    let mut text = vec![0; POINTER_BYTES];
    let read = rustix::io::pread(&file, &mut *text, 0).ok()?;
    let line = text[..read].strip_prefix(beginning)?;
    let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii();
    Some(line.to_vec())
}

fn absolute(directory: &AbsPath, target: &[u8]) -> Option<AbsPath> {
    match target.first()? {
        b'/' => AbsPath::from_bytes(target).ok(),
        _ => AbsPath::from_bytes(&[directory.as_bytes(), b"/", target].concat()).ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::kernel::root::PathBackEnd;

    #[test]
    fn places_are_the_systems_own_and_go_on_where_nothing_is() {
        let home = tempfile::tempdir().unwrap();
        let at =
            |path: &str| AbsPath::parse(home.path().canonicalize().unwrap().join(path)).unwrap();
        std::fs::create_dir_all(at("real/d")).unwrap();
        for (link, target) in [
            ("alias", "real"),
            ("chain", "alias/d"),
            ("up", "alias/d/../../real"),
            ("broken", "nowhere/x"),
            ("real/d/abs", "/"),
            ("loop", "loop"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        for back_end in [PathBackEnd::Openat2, PathBackEnd::Walk] {
            let root = Root::open(Some(back_end)).unwrap();
            for path in [
                "real/d",
                "alias/d",
                "chain",
                "up/d",
                "real/d/abs/usr",
                "chain/abs",
            ] {
                let place = place(&root, &at(path)).unwrap();
                assert_eq!(
                    place.canonical.as_path(),
                    at(path).as_path().canonicalize().unwrap(),
                    "{path}"
                );
                assert!(place.exists);
            }
            let new = place(&root, &at("chain/new/er")).unwrap();
            assert_eq!((new.canonical, new.exists), (at("real/d/new/er"), false));
            assert_eq!(new.links, [at("chain"), at("alias")]);
            assert_eq!(
                place(&root, &at("broken")).unwrap().canonical,
                at("nowhere/x")
            );
            assert_eq!(place(&root, &at("loop")), Err(Errno::LOOP));
            assert_eq!(place(&root, &at("none")).unwrap().links, []);
            assert!(is_there(&root, &at("broken")) && !is_there(&root, &at("nowhere")));
            assert!(is_there(&root, &at("alias/none")) && !is_there(&root, &at("real/none")));
        }
    }

    #[test]
    fn pointer_files_are_understood_as_git_does() {
        let home = tempfile::tempdir().unwrap();
        let at =
            |path: &str| AbsPath::parse(home.path().canonicalize().unwrap().join(path)).unwrap();
        let root = Root::open(None).unwrap();
        for (text, wanted) in [
            ("gitdir: /store/x\n", Some("/store/x".to_owned())),
            ("gitdir: ../store", Some(at("../store").to_string())),
            ("gitdir:store\r\nmore", Some(at("store").to_string())),
            ("gitdir: \n", None),
            ("something else", None),
            ("", None),
        ] {
            std::fs::write(at(".git"), text).unwrap();
            let found = git_directories(&root, &at(".git"));
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, Vec::from_iter(wanted), "{text:?}");
        }
        let device = AbsPath::parse("/dev/null").unwrap();
        for path in [at("none"), device] {
            assert_eq!(git_directories(&root, &path), []);
        }
    }

    #[test]
    fn attack_13_a_work_tree_leads_to_the_repository_that_its_hooks_are_in() {
        let home = tempfile::tempdir().unwrap();
        let at =
            |path: &str| AbsPath::parse(home.path().canonicalize().unwrap().join(path)).unwrap();
        let root = Root::open(None).unwrap();
        std::fs::create_dir_all(at("main/.git/worktrees/one")).unwrap();
        std::fs::create_dir_all(at("tree/sub")).unwrap();
        std::fs::write(at("main/.git/worktrees/one/commondir"), "../..\n").unwrap();
        std::fs::write(at("tree/pointer"), "gitdir: ../main/.git/worktrees/one\n").unwrap();
        symlink("pointer", at("tree/.git")).unwrap();
        symlink("../pointer", at("tree/sub/.git")).unwrap();
        assert_eq!(
            git_directories(&root, &at("tree/.git")),
            [at("main/.git/worktrees/one"), at("main/.git")]
        );
        // Relative to the link's own directory.
        assert_eq!(
            git_directories(&root, &at("tree/sub/.git")),
            [at("tree/main/.git/worktrees/one")]
        );
    }
}
