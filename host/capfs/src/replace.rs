//! A file takes another's place, all of it or nothing: the half that moves the bytes, whichever way the names are changed.
//!
//! The new file is made beside the old one, with its attributes, is written, and is then renamed over it. A failure at any point
//! leaves the old file, and removes the new one. Only a host that dies in between leaves it: as `.lockgate-` and sixteen hexadecimal digits.
//!
//! Through the gate the names come from the guest, and a guest may lie. All that the host does with them is to give them back to the guest,
//! which can reach nothing but what is granted, whatever it says.

use std::hash::{BuildHasher, RandomState};
use std::os::fd::{BorrowedFd, OwnedFd};

use lockgate_engine::Digest;
use rustix::fs::Mode;
use rustix::io::Errno;

use crate::contents::{self, PERMISSION_BITS};
use crate::limits;
use crate::operation::{FsError, OpenFile};

/// How a file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Replacing {
    /// The new file, and its name, are on the disk before this is over.
    pub durable: bool,
    /// The nine permission bits that it gets; otherwise those of the file that it replaces.
    pub mode: Option<u32>,
    /// Refuse where the name is taken, by a link that leads nowhere, too. Whoever takes it at the same time comes first or last.
    pub only_new: bool,
    /// Refuse unless there is a file and its contents have this digest. They are looked at when the new file is ready to take its place, which it
    /// does next: what is written in that moment, or by whoever has the old file open then, is lost all the same.
    pub only_if: Option<Digest>,
}

/// A new file beside the one that it is to replace.
pub(crate) trait Staged {
    /// The new file, empty, opened for writing.
    fn file(&self) -> BorrowedFd<'_>;
    /// The file whose place it takes, opened for reading: the one of that name, wherever the path that was asked for leads by now.
    fn old(&self) -> Result<OwnedFd, FsError>;
    /// Gives it the name of the old one.
    fn take_place(&self) -> Result<(), FsError>;
    /// Gives it the name that was asked for, if that is free.
    fn take_free_place(&self) -> Result<(), FsError>;
    /// Removes it.
    fn remove(&self) -> Result<(), FsError>;
    /// Brings the directory's names to the disk.
    fn sync_directory(&self) -> Result<(), FsError>;
}

/// The file that is to be replaced.
pub(crate) trait Old {
    /// Opened for reading.
    fn open(&self) -> Result<OpenFile, FsError>;
    /// Whether it could be written in place.
    fn is_writable(&self) -> bool;
}

/// Replaces a file. `stage` makes the new one with the name that it is given.
pub(crate) fn replace<S: Staged>(
    stage: impl Fn(&str) -> Result<S, FsError>,
    bytes: &[u8],
    how: Replacing,
    old: &impl Old,
) -> Result<(), FsError> {
    if how.mode.is_some_and(|mode| mode & !PERMISSION_BITS != 0) {
        return Err(Errno::INVAL.into());
    }
    // Nothing is made for what is not to be.
    if let Some(expected) = how.only_if {
        contents::same(old.open()?.fd, expected)?;
    }
    let replaced = staged(stage).and_then(|staged| finish(&staged, bytes, how));
    match replaced {
        // The words for a directory that may not be changed, and for a file that is mounted by itself.
        Err(FsError::Os(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::BUSY))
            if !how.only_new && old.is_writable() =>
        {
            Err(FsError::OnlyInPlace)
        }
        replaced => replaced,
    }
}

fn staged<S: Staged>(stage: impl Fn(&str) -> Result<S, FsError>) -> Result<S, FsError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match stage(&name()) {
            // Somebody has taken the name.
            Err(FsError::Os(Errno::EXIST)) if tries < limits::NAME_RETRIES => {}
            staged => return staged,
        }
    }
}

fn finish(staged: &impl Staged, bytes: &[u8], how: Replacing) -> Result<(), FsError> {
    let unchanged = || match how.only_if {
        Some(expected) => contents::same(staged.old()?, expected),
        None => Ok(()),
    };
    let take_place = || match how.only_new {
        true => staged.take_free_place(),
        false => staged.take_place(),
    };
    let ready = fill(staged, bytes, how).and_then(|()| unchanged());
    if let Err(error) = ready.and_then(|()| take_place()) {
        if let Err(left) = staged.remove() {
            tracing::warn!(%left, "a temporary file could not be removed");
        }
        return Err(error);
    }
    match how.durable {
        true => staged.sync_directory().map_err(|error| {
            let why = error.to_string();
            FsError::NotYetDurable(why)
        }),
        false => Ok(()),
    }
}

fn fill(staged: &impl Staged, bytes: &[u8], how: Replacing) -> Result<(), FsError> {
    if let Some(mode) = how.mode {
        rustix::fs::fchmod(staged.file(), Mode::from_raw_mode(mode))?;
    }
    contents::replace(staged.file(), bytes).map_err(|error| match error {
        // What is in a file that is going to be removed is nobody's concern.
        FsError::Torn { cause, .. } => FsError::Os(cause),
        error => error,
    })?;
    if how.durable {
        rustix::fs::fsync(staged.file())?;
    }
    Ok(())
}

/// A name that nobody can have guessed.
fn name() -> String {
    format!(".lockgate-{:016x}", RandomState::new().hash_one(()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    /// What was done, with a step that fails.
    struct Steps<'a> {
        file: File,
        fails: &'a str,
        done: &'a RefCell<Vec<&'static str>>,
    }

    impl Steps<'_> {
        fn step(&self, step: &'static str) -> Result<(), FsError> {
            self.done.borrow_mut().push(step);
            match step == self.fails {
                true => Err(Errno::ACCESS.into()),
                false => Ok(()),
            }
        }
    }

    impl Staged for Steps<'_> {
        fn file(&self) -> BorrowedFd<'_> {
            self.file.as_fd()
        }

        fn old(&self) -> Result<OwnedFd, FsError> {
            self.step("compare")?;
            let mut old = tempfile::tempfile().expect("temporary file");
            old.write_all(b"by now").expect("written");
            Ok(old.into())
        }

        fn take_place(&self) -> Result<(), FsError> {
            self.step("rename")
        }

        fn take_free_place(&self) -> Result<(), FsError> {
            self.step("rename if free")
        }

        fn remove(&self) -> Result<(), FsError> {
            self.step("remove")
        }

        fn sync_directory(&self) -> Result<(), FsError> {
            self.step("sync")
        }
    }

    /// Whether it could be written in place.
    struct Before(bool);

    impl Old for Before {
        fn open(&self) -> Result<OpenFile, FsError> {
            let mut file = tempfile::tempfile().expect("temporary file");
            file.write_all(b"as it was read").expect("written");
            let (fd, size) = (file.into(), 14);
            Ok(OpenFile { fd, size })
        }

        fn is_writable(&self) -> bool {
            self.0
        }
    }

    fn run(file: File, fails: &str, writable: bool) -> (Result<(), FsError>, Vec<&'static str>) {
        let done = RefCell::new(Vec::new());
        let how = Replacing {
            durable: true,
            ..Replacing::default()
        };
        let file = RefCell::new(Some(file));
        let stage = |_: &str| {
            Ok(Steps {
                file: file.borrow_mut().take().expect("once"),
                fails,
                done: &done,
            })
        };
        let outcome = replace(stage, b"new", how, &Before(writable));
        (outcome, done.take())
    }

    fn file() -> File {
        tempfile::tempfile().expect("temporary file")
    }

    #[test]
    fn a_failure_before_the_renaming_or_in_it_removes_the_new_file() {
        let (outcome, done) = run(file(), "rename", false);
        assert!(matches!(outcome, Err(FsError::Os(Errno::ACCESS))));
        assert_eq!(done, ["rename", "remove"]);
        // Opened for reading: it cannot be written.
        let reading = File::open("/dev/null").expect("opened");
        let (outcome, done) = run(reading, "", false);
        assert!(outcome.is_err());
        assert_eq!(done, ["remove"]);
    }

    #[test]
    fn after_the_renaming_nothing_is_removed() {
        let (outcome, done) = run(file(), "", false);
        assert!(outcome.is_ok());
        assert_eq!(done, ["rename", "sync"]);
        let (outcome, done) = run(file(), "sync", false);
        assert!(matches!(outcome, Err(FsError::NotYetDurable(_))));
        assert_eq!(done, ["rename", "sync"]);
    }

    #[test]
    fn a_file_that_could_be_written_in_place_is_told_from_one_that_is_not_granted() {
        let (outcome, _) = run(file(), "rename", true);
        assert!(matches!(outcome, Err(FsError::OnlyInPlace)));
    }

    #[test]
    fn what_has_changed_by_the_time_that_the_new_file_is_ready_stays() {
        let replaced = |read: &[u8]| {
            let done = RefCell::new(Vec::new());
            let how = Replacing {
                only_if: Some(Digest::of(read)),
                ..Replacing::default()
            };
            let stage = |_: &str| {
                Ok(Steps {
                    file: file(),
                    fails: "",
                    done: &done,
                })
            };
            let outcome = replace(stage, b"new", how, &Before(true));
            assert!(matches!(outcome, Err(FsError::Changed)), "{outcome:?}");
            done.take()
        };
        assert_eq!(replaced(b"as it was read"), ["compare", "remove"]);
        // Nothing is made where that is known before.
        assert_eq!(replaced(b"by now"), [""; 0]);
    }

    #[test]
    fn a_name_that_is_taken_is_given_up_for_another() {
        let names = RefCell::new(std::collections::BTreeSet::new());
        let stage = |name: &str| {
            names.borrow_mut().insert(name.to_owned());
            Err::<Steps<'_>, _>(Errno::EXIST.into())
        };
        let outcome = replace(stage, b"", Replacing::default(), &Before(false));
        assert!(matches!(outcome, Err(FsError::Os(Errno::EXIST))));
        assert_eq!(names.take().len(), limits::NAME_RETRIES as usize);
    }

    #[test]
    fn other_bits_than_the_nine_are_refused_before_anything_is_made() {
        let stage = |_: &str| -> Result<Steps<'_>, FsError> { panic!("nothing is made") };
        let how = Replacing {
            mode: Some(0o4755),
            ..Replacing::default()
        };
        let outcome = replace(stage, b"", how, &Before(false));
        assert!(matches!(outcome, Err(FsError::Os(Errno::INVAL))));
    }
}
