//! What has changed and was not told yet: one thing for each name, within bounds.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::limits;

/// What came of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is there now, and was not, or was something else.
    Created,
    /// Its contents or attributes are others.
    Modified,
    /// It is gone.
    Removed,
}

/// One name and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Below the watched directory; empty for the directory itself.
    pub name: OsString,
    /// What came of it last.
    pub kind: ChangeKind,
}

/// What has changed, in the order in which it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A name is in there once.
    pub changes: Vec<Change>,
    /// There was more than could be kept: only a look at everything tells what is so now.
    pub overflowed: bool,
}

/// Changes that are being gathered.
#[derive(Default)]
pub(super) struct Gathered {
    kinds: HashMap<Vec<u8>, (usize, ChangeKind)>,
    bytes: usize,
    pub(super) overflowed: bool,
}

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty() && !self.overflowed
    }

    pub(super) fn add(&mut self, name: &[u8], kind: ChangeKind) {
        if let Some((_, known)) = self.kinds.get_mut(name) {
            // What is new to whoever is told is new still.
            if (*known, kind) != (ChangeKind::Created, ChangeKind::Modified) {
                *known = kind;
            }
            return;
        }
        if self.kinds.len() >= limits::WATCH_CHANGES
            || self.bytes + name.len() > limits::WATCH_CHANGE_BYTES
        {
            self.overflowed = true;
            return;
        }
        self.bytes += name.len();
        let place = self.kinds.len();
        self.kinds.insert(name.to_vec(), (place, kind));
    }

    pub(super) fn take(&mut self) -> Option<Changes> {
        if self.is_empty() {
            return None;
        }
        let gathered = std::mem::take(self);
        let mut changes: Vec<_> = gathered.kinds.into_iter().collect();
        changes.sort_unstable_by_key(|(_, (place, _))| *place);
        Some(Changes {
            changes: changes
                .into_iter()
                .map(|(name, (_, kind))| Change {
                    name: OsString::from_vec(name),
                    kind,
                })
                .collect(),
            overflowed: gathered.overflowed,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_once_with_what_came_of_it_last() {
        use ChangeKind::{Created, Modified, Removed};
        let mut gathered = Gathered::default();
        assert_eq!(gathered.take(), None);
        for (name, kind) in [
            ("new", Created),
            ("old", Modified),
            ("new", Modified),
            ("old", Modified),
            ("gone", Created),
            ("gone", Removed),
            ("replaced", Removed),
            ("replaced", Created),
        ] {
            gathered.add(name.as_bytes(), kind);
        }
        let taken = gathered.take().unwrap();
        let told: Vec<_> = taken
            .changes
            .iter()
            .map(|change| (change.name.to_str().unwrap(), change.kind))
            .collect();
        let wanted = [
            ("new", Created),
            ("old", Modified),
            ("gone", Removed),
            ("replaced", Created),
        ];
        assert_eq!((told.as_slice(), taken.overflowed), (&wanted[..], false));
        assert_eq!(gathered.take(), None);
    }

    #[test]
    fn what_has_no_room_is_a_mark_that_something_was_lost() {
        let mut gathered = Gathered::default();
        for number in 0..2 * limits::WATCH_CHANGES {
            gathered.add(number.to_string().as_bytes(), ChangeKind::Created);
        }
        let taken = gathered.take().unwrap();
        assert_eq!(taken.changes.len(), limits::WATCH_CHANGES);
        assert!(taken.overflowed);
        for number in 0..limits::WATCH_CHANGES {
            let name = format!("{number:4000}");
            gathered.add(name.as_bytes(), ChangeKind::Created);
        }
        let taken = gathered.take().unwrap();
        let bytes: usize = taken.changes.iter().map(|change| change.name.len()).sum();
        assert!(bytes <= limits::WATCH_CHANGE_BYTES && taken.overflowed);
    }
}
