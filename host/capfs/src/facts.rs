//! The facts about this host that a profile's meaning hangs on, looked up once when a scope is made.

use std::os::fd::OwnedFd;

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
    pub(crate) own_directories: &'a [AbsPath],
}

impl Host for Facts<'_> {
    fn place(&self, path: &AbsPath) -> Result<Place, String> {
        place(self.root, path).map_err(|errno| std::io::Error::from(errno).to_string())
    }

    fn git_directory(&self, path: &AbsPath) -> Option<AbsPath> {
        git_directory(self.root, path)
    }

    fn temporary_directory(&self) -> Option<AbsPath> {
        self.temporary_directory.clone()
    }

    fn own_directories(&self) -> &[AbsPath] {
        self.own_directories
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
    let (mut real, mut links) = (AbsPath::root(), Vec::new());
    let mut left: Vec<Vec<u8>> = path.components().rev().map(<[u8]>::to_vec).collect();
    let mut exists = true;
    while let Some(name) = left.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
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
                left.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
            }
            Err(Errno::INVAL) => real = next,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                exists = false;
                real = next;
            }
            Err(errno) => return Err(errno),
        }
    }
    at(real, links, exists)
}

/// True when something is at the path, be it a broken link.
pub(crate) fn is_there(root: &Root, path: &AbsPath) -> bool {
    root.open_at(path, LOOK | OFlags::NOFOLLOW, Mode::empty(), Wait::Yes)
        .is_ok()
}

/// [`is_there`] if the kernel knows without asking a disk.
pub(crate) fn is_known_there(root: &Root, path: &AbsPath) -> Option<bool> {
    match root.open_at(path, LOOK | OFlags::NOFOLLOW, Mode::empty(), Wait::No) {
        Ok(_) => Some(true),
        Err(Errno::AGAIN) => None,
        Err(_) => Some(false),
    }
}

fn look(root: &Root, path: &AbsPath) -> Result<OwnedFd, Errno> {
    root.open_at(path, LOOK, Mode::empty(), Wait::Yes)
}

/// Git's pointer file: `gitdir: PATH`, relative to the directory that it is in.
fn git_directory(root: &Root, path: &AbsPath) -> Option<AbsPath> {
    let held = look(root, path).ok()?;
    if FileType::from_raw_mode(rustix::fs::fstat(&held).ok()?.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = root.open_at(path, flags, Mode::empty(), Wait::Yes).ok()?;
    let mut text = vec![0; POINTER_BYTES];
    let read = rustix::io::pread(&file, &mut *text, 0).ok()?;
    let target = text[..read]
        .strip_prefix(b"gitdir:")?
        .split(|byte| *byte == b'\n')
        .next()?
        .trim_ascii();
    match target.first()? {
        b'/' => AbsPath::from_bytes(target).ok(),
        _ => {
            let parent = path.parent()?;
            AbsPath::from_bytes(&[parent.as_bytes(), b"/", target].concat()).ok()
        }
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
            assert_eq!(
                git_directory(&root, &at(".git")).map(|path| path.to_string()),
                wanted,
                "{text:?}"
            );
        }
        assert_eq!(git_directory(&root, &at("none")), None);
        assert_eq!(
            git_directory(&root, &AbsPath::parse("/dev/null").unwrap()),
            None
        );
    }
}
