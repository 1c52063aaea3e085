//! What is the embedder's own: files that no grant makes writable, and where they are at the moment.
//!
//! An embedder names them as it opens them, and it is the system that opens them: `link/../x` is where the system ends up, not what the text
//! comes to. So a name is followed here from its first letter on as the system follows it, and what the two find is compared. A name that
//! cannot be placed is an error, never one name less.
//!
//! Links are re-pointed while a server runs: that is how new versions are deployed. Whoever made an [`Own`] says when to look again. What was
//! placed once stays kept, since a link can lead back to it; and scopes that were opened before are held to the new places, too.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockgate_grant::{AbsPath, Place};
use rustix::io::Errno;

use crate::facts;
use crate::kernel::root::Root;
use crate::limits;

/// A file of the embedder's own that cannot be kept from clients.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is to be kept from clients and cannot be: {reason}. Name it by a path that leads to it, from the root, without `..` behind what is not there",
    .path.display()
)]
pub struct OwnError {
    /// The one that was named.
    pub path: PathBuf,
    /// Why it has no place.
    pub reason: String,
}

/// Files and directories, there or not, that no grant makes writable; with each link on the way to them. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Own {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// How often the places have changed.
    generation: AtomicU64,
    /// Held while they are looked up, which may take as long as a disk likes.
    names: Mutex<Names>,
    /// Those of now first, in no order that matters; then those that were. Never held while anything is looked up: requests wait for it.
    places: Mutex<Arc<[AbsPath]>>,
}

#[derive(Clone, Debug, Default)]
struct Names {
    /// The embedder's.
    chosen: Vec<PathBuf>,
    /// Those of the capability filesystem itself.
    always: Vec<PathBuf>,
}

impl Own {
    /// These. Blocks for the look-ups.
    pub fn of(names: Vec<PathBuf>) -> Result<Own, OwnError> {
        let own = Own::default();
        own.now(names)?;
        Ok(own)
    }

    /// The names are these now. Returns what was not kept before; after an error all is as it was.
    pub fn now(&self, names: Vec<PathBuf>) -> Result<Vec<AbsPath>, OwnError> {
        self.place(|now| now.chosen = names)
    }

    /// Looks again where the names lead. Returns what was not kept before.
    pub fn again(&self) -> Result<Vec<AbsPath>, OwnError> {
        self.place(|_| {})
    }

    /// These, too, whatever the embedder names.
    pub(crate) fn always(&self, more: impl IntoIterator<Item = PathBuf>) -> Result<(), OwnError> {
        self.place(|now| now.always.extend(more)).map(drop)
    }

    /// Where they are, and the generation that this belongs to.
    pub(crate) fn places(&self) -> (u64, Arc<[AbsPath]>) {
        let places = lock(&self.shared.places);
        (self.generation(), Arc::clone(&places))
    }

    /// Whether one of them is below this folder.
    pub(crate) fn is_below(&self, folder: &AbsPath) -> bool {
        let (_, places) = self.places();
        places.iter().any(|place| place.starts_with(folder))
    }

    /// Changes with the places.
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    fn place(&self, change: impl FnOnce(&mut Names)) -> Result<Vec<AbsPath>, OwnError> {
        let mut kept = lock(&self.shared.names);
        let mut names = kept.clone();
        change(&mut names);
        let mut places = places(&names)?;
        *kept = names;
        let (_, before) = self.places();
        let is_new = |place: &&AbsPath| !before.contains(place);
        let new: Vec<AbsPath> = places.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            let former = before.iter().filter(|place| !places.contains(place));
            let former: Vec<AbsPath> = former.take(limits::FORMER_OWN).cloned().collect();
            places.extend(former);
            let mut held = lock(&self.shared.places);
            *held = places.into();
            self.shared.generation.fetch_add(1, Ordering::Release);
        }
        Ok(new)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where all of them are, with each link on the way: who exchanges it decides what the next start finds.
fn places(names: &Names) -> Result<Vec<AbsPath>, OwnError> {
    let root = Root::open(None).map_err(|errno| OwnError {
        path: "/".into(),
        reason: reason(errno),
    })?;
    let mut places: Vec<AbsPath> = Vec::new();
    for name in names.chosen.iter().chain(&names.always) {
        let found = placed(&root, name).map_err(|reason| OwnError {
            path: name.clone(),
            reason,
        })?;
        for place in found.links.into_iter().chain([found.canonical]) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    Ok(places)
}

/// Where the system finds what it opens by this name.
fn placed(root: &Root, name: &Path) -> Result<Place, String> {
    let text = name.as_os_str().as_bytes();
    // As text, for what makes it no path at all: relative, empty, too long.
    let plain = AbsPath::from_bytes(text).map_err(|error| error.to_string())?;
    let place = match facts::place_as_opened(root, text) {
        // Nobody of this user gets there, through us neither.
        Err(Errno::ACCESS) if !has_dots(text) => Place {
            canonical: plain,
            links: Vec::new(),
            exists: false,
        },
        found => found.map_err(reason)?,
    };
    // There are links that lead elsewhere than they say (`/proc/PID/root`, those of deleted files).
    let file = |path: &Path| {
        let found = path.metadata().ok();
        found.map(|found| (found.dev(), found.ino()))
    };
    let same = || file(name) == file(place.canonical.as_path());
    // Again, for what was exchanged between two looks.
    match (0..limits::OWN_LOOKS).any(|_| same()) {
        true => Ok(place),
        false => Err(format!(
            "the system finds something else there than at {}",
            place.canonical
        )),
    }
}

fn has_dots(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'/').any(|name| name == b"..")
}

fn reason(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder by its real name, and paths in it as they are, dots and all.
    fn home() -> (tempfile::TempDir, impl Fn(&str) -> PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().canonicalize().unwrap();
        (home, move |path: &str| real.join(path))
    }

    fn kept(own: &Own) -> Vec<PathBuf> {
        let (_, places) = own.places();
        places
            .iter()
            .map(|place| place.as_path().to_owned())
            .collect()
    }

    #[test]
    fn attack_28_own_files_are_kept_where_the_system_opens_them() {
        let (_home, at) = home();
        std::fs::create_dir_all(at("opt/v1")).unwrap();
        std::fs::create_dir_all(at("opt/shared")).unwrap();
        std::fs::create_dir(at("etc")).unwrap();
        std::fs::write(at("opt/shared/team.rules"), "").unwrap();
        symlink(at("opt/v1"), at("etc/lockgate")).unwrap();
        let names = [
            "etc/lockgate/../shared/team.rules",
            "etc/lockgate/../shared/new.jsonl",
        ];
        let own = Own::of(names.map(&at).to_vec()).unwrap();
        assert_eq!(
            kept(&own),
            [
                at("etc/lockgate"),
                at("opt/shared/team.rules"),
                at("opt/shared/new.jsonl")
            ]
        );
    }

    #[test]
    fn attack_28_what_cannot_be_placed_is_an_error_and_never_left_out() {
        let (_home, at) = home();
        symlink("loop", at("loop")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        let long = at(&"x/".repeat(2048));
        for name in [
            "relative".into(),
            PathBuf::new(),
            long,
            at("loop/x"),
            at("gone/../x"),
        ] {
            let error = Own::of(vec![at("file"), name.clone()]).unwrap_err();
            assert_eq!(error.path, name);
            let said = error.to_string();
            assert!(said.contains("is to be kept from clients"), "{said}");
        }
        let own = Own::of(vec![at("file")]).unwrap();
        own.now(vec![at("loop")]).unwrap_err();
        assert_eq!(own.again().unwrap(), []);
        assert_eq!(kept(&own), [at("file")]);
    }

    #[test]
    fn attack_28_a_link_that_leads_elsewhere_than_it_says_is_no_place() {
        use std::os::fd::AsRawFd;
        let (_home, at) = home();
        let deleted = std::fs::File::create(at("deleted")).unwrap();
        std::fs::remove_file(at("deleted")).unwrap();
        let name = PathBuf::from(format!("/proc/self/fd/{}", deleted.as_raw_fd()));
        let error = Own::of(vec![name]).unwrap_err();
        assert!(error.reason.contains("something else"), "{error}");
    }

    /// A look-up hangs with its disk. Whoever asks what is kept does not.
    #[test]
    fn nobody_waits_for_a_look_up_who_asks_what_is_kept() {
        let (_home, at) = home();
        let own = Own::of(vec![at("x")]).unwrap();
        let _looking = lock(&own.shared.names);
        assert_eq!(kept(&own), [at("x")]);
        assert!(own.is_below(&AbsPath::parse(at("")).unwrap()));
    }

    #[test]
    fn where_a_link_leads_now_is_kept_beside_where_it_led_before() {
        let (_home, at) = home();
        std::fs::create_dir(at("v1")).unwrap();
        std::fs::create_dir(at("v2")).unwrap();
        symlink("v1", at("current")).unwrap();
        let own = Own::of(vec![at("current/x")]).unwrap();
        let (before, _) = own.places();
        assert_eq!(own.again().unwrap(), []);
        assert_eq!(own.generation(), before);
        std::fs::remove_file(at("current")).unwrap();
        symlink("v2", at("current")).unwrap();
        let new = own.again().unwrap();
        assert_eq!(new[0].as_path(), at("v2/x"));
        assert_ne!(own.generation(), before);
        assert_eq!(kept(&own), [at("current"), at("v2/x"), at("v1/x")]);
    }
}
