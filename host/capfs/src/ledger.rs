//! The ledger of overwrites that are under way, so that a server that is killed in the middle of one leaves word of it.
//!
//! Overwriting in place has a moment in which a file holds the beginning of its new contents and the rest of its old ones. What dies
//! by SIGKILL in that moment cannot say so; the next server of the same user does, or `lockgate doctor`: it finds the ledger of a
//! server that is no more, tells the files that are noted in it, and removes it.
//!
//! Theory of operation. A ledger is a file in the user's state directory, locked (`flock`) as long as its process lives. It consists
//! of places of one size; a note is one `write` into a free place before the overwriting begins, and its first byte is zeroed after
//! the end. Nothing is synced: a killed process does not lose what the kernel has. What a machine leaves that lost its power is the
//! filesystem's business.
//!
//! There is one ledger for a process, as it is the process that is killed: whoever embeds this crate calls [`start`] or does not.
//! Only what takes more than one step is noted (more than a page, or shorter than before), which costs about 3 us.

use std::ffi::OsString;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::contents::{self, Change};
use crate::limits;

/// Ledgers' names begin with this; the rest is a random number.
const NAME: &str = "writes-";

/// Bytes of a place: the longest path there is (`PATH_MAX`), two numbers, and what separates them.
const PLACE: usize = 4096 + 64;

/// Bytes of a ledger that are read: many more notes than threads that could have made them.
const MOST_BYTES: usize = 1024 * PLACE;

/// New names that are tried when others look through the directory at the same time.
const ATTEMPTS: u32 = 16;

static STARTED: OnceLock<Ledger> = OnceLock::new();

/// Why there is no ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Nothing says where it should be.
    #[error("neither XDG_STATE_HOME nor HOME names an absolute directory")]
    NoPlace,
    /// The directory or the file cannot be made or read.
    #[error("{}: {error}", .path.display())]
    System {
        /// What could not be used.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Somebody else can change what is in the directory.
    #[error("{}: must belong to this user and be writable for nobody else", .0.display())]
    NotOurs(PathBuf),
    /// A process has one ledger.
    #[error("this process keeps a ledger already")]
    Started,
}

/// An overwrite that was under way when its server was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The file.
    pub path: PathBuf,
    /// Bytes that it had.
    pub old: u64,
    /// Bytes that it was to have.
    pub new: u64,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} may hold the first part of its new contents ({} bytes) followed by old ones ({} bytes): the server that wrote it was killed",
            self.path, self.new, self.old
        )
    }
}

/// Where ledgers are: `$XDG_STATE_HOME/lockgate`, else `~/.local/state/lockgate`.
pub fn standard_directory() -> Result<PathBuf, LedgerError> {
    standard(|name| std::env::var_os(name).map(PathBuf::from))
}

fn standard(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, LedgerError> {
    let set = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
    set("XDG_STATE_HOME")
        .or_else(|| Some(set("HOME")?.join(".local/state")))
        .map(|state| state.join("lockgate"))
        .ok_or(LedgerError::NoPlace)
}

/// From here on this process notes what it overwrites, whichever way, in a ledger in this directory. Gives back what others have left.
pub fn start(directory: &Path) -> Result<Vec<Unfinished>, LedgerError> {
    let unfinished = collect(directory)?;
    let ledger = Ledger::create(directory)?;
    STARTED.set(ledger).map_err(|_| LedgerError::Started)?;
    Ok(unfinished)
}

/// What processes that are no more have left unfinished; their ledgers are removed. The directory is made where it is missing.
pub fn collect(directory: &Path) -> Result<Vec<Unfinished>, LedgerError> {
    let failed = at(directory);
    prepare(directory)?;
    let mut unfinished = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(NAME.as_bytes())
        {
            unfinished.extend(take(&entry.path()).map_err(at(&entry.path()))?);
        }
    }
    Ok(unfinished)
}

/// Where no grant may let anybody write: forged notes would be believed.
pub(crate) fn directory() -> Option<PathBuf> {
    match STARTED.get() {
        Some(ledger) => Some(ledger.directory.clone()),
        None => standard_directory().ok(),
    }
}

/// Notes that a file is about to be overwritten, until the note is dropped.
#[must_use]
pub(crate) fn note(file: BorrowedFd<'_>, change: Change) -> Option<Note<'static>> {
    match change.is_one_step() {
        true => None,
        false => STARTED.get()?.note(file, change),
    }
}

/// A ledger of this process.
struct Ledger {
    directory: PathBuf,
    file: OwnedFd,
    places: Mutex<Places>,
}

/// Which places are free.
#[derive(Default)]
struct Places {
    /// Below `used`.
    free: Vec<u64>,
    /// Places that have been in use so far.
    used: u64,
}

/// A place in the ledger. Dropped when the file is whole, or its client has been told that it is not.
pub(crate) struct Note<'a> {
    ledger: &'a Ledger,
    place: u64,
}

impl Ledger {
    fn create(directory: &Path) -> Result<Ledger, LedgerError> {
        let failed = |errno: Errno| at(directory)(errno.into());
        for _ in 0..ATTEMPTS {
            let name = format!("{NAME}{:016x}", RandomState::new().hash_one(0));
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = match rustix::fs::open(directory.join(name), flags, Mode::RUSR | Mode::WUSR)
            {
                Err(Errno::EXIST) => continue,
                opened => opened.map_err(failed)?,
            };
            // Somebody who looks through the directory right now takes it for a dead one's.
            if !lock(&file).map_err(failed)? || !is_there(&file).map_err(failed)? {
                continue;
            }
            let room = (limits::LEDGER_NOTES * PLACE) as u64;
            match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, room) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
                Err(errno) => return Err(failed(errno)),
            }
            return Ok(Ledger {
                directory: directory.canonicalize().map_err(at(directory))?,
                file,
                places: Mutex::default(),
            });
        }
        Err(failed(Errno::BUSY))
    }

    fn note(&self, file: BorrowedFd<'_>, change: Change) -> Option<Note<'_>> {
        let mut text = format!("{} {} ", change.old, change.new).into_bytes();
        text.extend(path_of(file));
        text.truncate(PLACE - 1);
        text.push(0);
        let place = self.places().take();
        let note = Note {
            ledger: self,
            place,
        };
        match rustix::io::pwrite(&self.file, &text, place * PLACE as u64) {
            Ok(written) if written == text.len() => Some(note),
            outcome => {
                tracing::warn!(
                    ?outcome,
                    "a write could not be noted in the ledger and goes on without"
                );
                None
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing in there can be left half done by a panic.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn take(&mut self) -> u64 {
        self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        })
    }
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        match rustix::io::pwrite(&self.ledger.file, &[0], self.place * PLACE as u64) {
            Ok(_) => self.ledger.places().free.push(self.place),
            Err(errno) => {
                tracing::warn!(%errno, "a finished write stays in the ledger: it will be reported as unfinished");
            }
        }
    }
}

/// Reads and removes the ledger of a process that is no more; of one that lives it takes nothing.
fn take(path: &Path) -> io::Result<Vec<Unfinished>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        // Somebody else has been here, or it is no ledger.
        Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR) => return Ok(Vec::new()),
        opened => opened?,
    };
    if contents::regular(&file).is_err() || !lock(&file)? || !is_there(&file)? {
        return Ok(Vec::new());
    }
    let mut notes = vec![0; MOST_BYTES];
    let mut read = 0;
    while read < notes.len() {
        match rustix::io::pread(&file, &mut notes[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    let unfinished = notes[..read].chunks(PLACE).filter_map(parse).collect();
    rustix::fs::unlinkat(CWD, path, AtFlags::empty())?;
    Ok(unfinished)
}

fn parse(place: &[u8]) -> Option<Unfinished> {
    let text = place.split(|byte| *byte == 0).next()?;
    let mut words = text.splitn(3, |byte| *byte == b' ');
    let mut number = || str::from_utf8(words.next()?).ok()?.parse().ok();
    let (old, new) = (number()?, number()?);
    let path = OsString::from_vec(words.next()?.to_vec()).into();
    Some(Unfinished { path, old, new })
}

/// Locks a ledger, or says that its process lives.
fn lock(file: &OwnedFd) -> Result<bool, Errno> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether it still has its name.
fn is_there(file: &OwnedFd) -> Result<bool, Errno> {
    Ok(rustix::fs::fstat(file)?.st_nlink > 0)
}

/// The real path of an open file; what else is known of it where there is no procfs.
fn path_of(file: BorrowedFd<'_>) -> Vec<u8> {
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    if let Ok(path) = rustix::fs::readlinkat(CWD, name, Vec::new()) {
        return path.into_bytes();
    }
    match rustix::fs::fstat(file) {
        Ok(stat) => format!("inode {} of device {}", stat.st_ino, stat.st_dev).into_bytes(),
        Err(_) => b"unknown".to_vec(),
    }
}

fn prepare(directory: &Path) -> Result<(), LedgerError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(at(directory))?;
    let found = std::fs::metadata(directory).map_err(at(directory))?;
    let ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    match ours {
        true => Ok(()),
        false => Err(LedgerError::NotOurs(directory.to_owned())),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |error| LedgerError::System {
        path: path.clone(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn change(old: u64, new: u64) -> Change {
        let blocks = 0;
        Change { old, new, blocks }
    }

    #[test]
    fn what_is_under_way_when_a_process_ends_is_told_once_by_its_path() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (state, path) = (home.path().join("a/state"), home.path().join("a file\n"));
        assert_eq!(collect(&state).expect("made"), []);
        let file = File::create(&path).expect("created");
        let ledger = Ledger::create(&state).expect("created");
        let finished = ledger.note(file.as_fd(), change(1, 2)).expect("noted");
        let under_way = ledger.note(file.as_fd(), change(30, 4)).expect("noted");
        drop(finished);
        assert_eq!(collect(&state).expect("read"), [], "its process lives");
        std::mem::forget(under_way);
        drop(ledger);
        let told = collect(&state).expect("read");
        let path = path.canonicalize().expect("there");
        let wanted = Unfinished {
            path,
            old: 30,
            new: 4,
        };
        assert_eq!(told, [wanted]);
        assert!(told[0].to_string().contains("a file\\n\" may hold"));
        assert_eq!(collect(&state).expect("read"), []);
        assert_eq!(std::fs::read_dir(&state).expect("read").count(), 0);
    }

    #[test]
    fn places_are_used_again_and_there_are_always_more() {
        let home = tempfile::tempdir().expect("temporary directory");
        let file = tempfile::tempfile().expect("temporary file");
        prepare(home.path()).expect("ours");
        let ledger = Ledger::create(home.path()).expect("created");
        let note = || ledger.note(file.as_fd(), change(1, 0)).expect("noted");
        for _ in 0..100 {
            assert_eq!(note().place, 0);
        }
        let many: Vec<_> = (0..100).map(|_| note()).collect();
        std::mem::forget(many);
        drop(ledger);
        assert_eq!(collect(home.path()).expect("read").len(), 100);
    }

    #[test]
    fn attack_26_a_state_directory_that_others_may_write_to_is_not_used() {
        let home = tempfile::tempdir().expect("temporary directory");
        let state = home.path().join("state");
        std::fs::create_dir(&state).expect("made");
        std::fs::set_permissions(&state, PermissionsExt::from_mode(0o777)).expect("chmod");
        assert!(matches!(collect(&state), Err(LedgerError::NotOurs(_))));
    }

    #[test]
    fn what_is_no_ledger_is_left_alone() {
        let home = tempfile::tempdir().expect("temporary directory");
        let at = |name: &str| home.path().join(name);
        std::fs::write(at("other"), "1 2 /x").expect("written");
        std::fs::write(at("target"), "1 2 /x").expect("written");
        std::fs::write(at("writes-odd"), "no numbers here").expect("written");
        std::fs::create_dir(at("writes-directory")).expect("made");
        std::os::unix::fs::symlink(at("target"), at("writes-link")).expect("linked");
        assert_eq!(collect(home.path()).expect("read"), []);
        for name in ["target", "other", "writes-directory", "writes-link"] {
            assert!(at(name).symlink_metadata().is_ok(), "{name}");
        }
    }

    #[test]
    fn the_place_follows_the_variables_and_is_never_relative() {
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/h"));
        assert_eq!(
            standard(home).expect("a place"),
            Path::new("/h/.local/state/lockgate")
        );
        let both = |name: &str| match name {
            "XDG_STATE_HOME" => Some(PathBuf::from("/s")),
            name => home(name),
        };
        assert_eq!(standard(both).expect("a place"), Path::new("/s/lockgate"));
        let relative = |_: &str| Some(PathBuf::from("s"));
        assert!(matches!(standard(relative), Err(LedgerError::NoPlace)));
    }
}
