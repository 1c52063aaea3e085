//! Making one open file's contents another's.

use std::os::fd::AsFd;

use rustix::fs::{Mode, RawMode};
use rustix::io::Errno;

use super::kept::Kept;
use super::pieces::{Copying, Stopped};
use super::{Change, STAT_BLOCK, cut_after, holes, regular, room};
use crate::ledger;
use crate::operation::FsError;

/// Read, write and execute for everybody.
pub(crate) const PERMISSION_BITS: RawMode = 0o777;

/// Those of a directory that is made for another one and filled then: its owner may do that, and nobody else more than with the other one.
pub(crate) fn filled_by_owner(mode: RawMode) -> RawMode {
    (mode | 0o700) & PERMISSION_BITS
}

/// Set-user-id, set-group-id and sticky.
pub(crate) const SPECIAL_BITS: RawMode = 0o7000;

/// With set-user-id, set-group-id and sticky.
const ALL_BITS: RawMode = 0o7777;

/// Makes `to`, opened for writing without `O_TRUNC`, what `from`, opened for reading, is: contents and permission bits. A file
/// copied to itself, by another name or through a link, stays as it is. `go_on` is asked between pieces and ends the copying with its error.
///
/// A failure leaves the old contents of `to`, or says what is there instead ([`FsError::Torn`]).
///
/// Set-user-id and the like are not permission bits: they would give another user's rights away with the copy.
pub(crate) fn copy(
    from: impl AsFd,
    to: impl AsFd,
    mut go_on: impl FnMut() -> Result<(), FsError>,
) -> Result<(), FsError> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let (source, destination) = (regular(from)?, regular(to)?);
    if (source.st_dev, source.st_ino) == (destination.st_dev, destination.st_ino) {
        return Ok(());
    }
    // What the kernel makes up as it is read has no size, and turns out to be small.
    let change = Change::of(&destination, u64::try_from(source.st_size).unwrap_or(0));
    let limit = room::size_limit();
    if change.new > limit {
        return Err(Errno::FBIG.into());
    }
    // Fewer blocks than bytes: some are holes, or the filesystem stores it smaller in another way.
    let sparse = Change::of(&source, 0).blocks * STAT_BLOCK < change.new;
    let mut kept = Kept::Nothing;
    if change.overwritten() > 0 {
        // Elsewhere blocks may be shared instead of copied, for which a reservation would be in the way.
        if room::overwrites_in_place(to) {
            match sparse {
                true => holes::make_room(from, to, change, &mut go_on)?,
                false => room::make(to, change)?,
            }
        }
        kept = Kept::where_needed(to, change);
    }
    let _noted = ledger::note(to, change);
    let mut copying = Copying {
        from,
        to,
        limit,
        go_on,
        copied: 0,
    };
    let outcome = match sparse {
        true => copying.all_but_holes(change.old),
        false => copying.until(u64::MAX),
    };
    let copied = copying.copied;
    match outcome.and_then(|()| cut_after(to, copied).map_err(Stopped::Writing)) {
        Ok(()) => {}
        Err(Stopped::Writing(cause)) => return Err(kept.after_failure(to, change, copied, cause)),
        Err(Stopped::ByCaller(error)) => return Err(error),
    }
    let wanted = source.st_mode & PERMISSION_BITS;
    if destination.st_mode & ALL_BITS != wanted {
        rustix::fs::fchmod(to, Mode::from_raw_mode(wanted))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn writable(path: &Path) -> File {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .expect("opened")
    }

    #[test]
    fn copies_have_the_bytes_and_the_length_of_their_source() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        std::fs::write(&to, vec![1; 300_000]).expect("written");
        for len in [200_000, 0, 10] {
            std::fs::write(&from, vec![7; len]).expect("written");
            copy(File::open(&from).expect("opened"), writable(&to), || Ok(())).expect("copied");
            assert_eq!(std::fs::read(&to).expect("read"), vec![7; len]);
        }
    }
    #[test]
    fn files_that_the_kernel_makes_up_are_copied_too() {
        let home = tempfile::tempdir().expect("temporary directory");
        let to = home.path().join("to");
        let from = File::open("/proc/sys/kernel/ostype").expect("procfs");
        copy(from, writable(&to), || Ok(())).expect("copied");
        assert_eq!(std::fs::read(&to).expect("read"), b"Linux\n");
    }
    #[test]
    fn permission_bits_are_copied_and_set_user_id_is_not() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        std::fs::write(&from, b"#!").expect("written");
        std::fs::set_permissions(&from, Permissions::from_mode(0o4751)).expect("chmod");
        copy(File::open(&from).expect("opened"), writable(&to), || Ok(())).expect("copied");
        let mode = std::fs::metadata(&to)
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o751);
    }

    #[test]
    fn a_file_copied_to_itself_stays_as_it_is() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (name, other) = (home.path().join("name"), home.path().join("other"));
        std::fs::write(&name, b"bytes").expect("written");
        std::fs::hard_link(&name, &other).expect("linked");
        copy(File::open(&name).expect("opened"), writable(&other), || {
            Ok(())
        })
        .expect("copied");
        assert_eq!(std::fs::read(&name).expect("read"), b"bytes");
    }
    #[test]
    fn copying_stops_between_pieces_when_it_is_told_to() {
        let home = tempfile::tempdir().expect("temporary directory");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        std::fs::write(&from, b"bytes").expect("written");
        let stopped = copy(File::open(&from).expect("opened"), writable(&to), || {
            Err(FsError::Gate("time is up".to_owned()))
        });
        assert!(matches!(stopped, Err(FsError::Gate(_))));
    }
}
