//! Trees through the gate: the guest decides about every name.

use std::os::fd::OwnedFd;
use std::time::SystemTime;

use lockgate_grant::AbsPath;

use super::ground::Ground;
use crate::kernel::Listing;
use crate::kernel::bindings::exports::lockgate::files::operations::WriteHow;
use crate::operation::{Follow, FsError, NewTimes, OpenFile};
use crate::scope::Scope;

impl Ground for Scope {
    fn list(&self, path: &AbsPath) -> Result<Listing, FsError> {
        Scope::list(self, path, Follow::Nothing)
    }

    fn open(&self, path: &AbsPath) -> Result<OpenFile, FsError> {
        Scope::open(self, path, Follow::Nothing)
    }

    fn read_link(&self, path: &AbsPath) -> Result<Vec<u8>, FsError> {
        Scope::read_link(self, path, Follow::Nothing)
    }

    fn write(&self, path: &AbsPath) -> Result<OwnedFd, FsError> {
        self.writable(path, WriteHow::CREATE, Follow::Nothing)
    }

    fn make_directory(&self, path: &AbsPath, mode: u32) -> Result<(), FsError> {
        self.create_directory_with(path, true, Follow::Nothing, mode)
    }

    fn make_link(&self, target: &[u8], path: &AbsPath) -> Result<(), FsError> {
        Scope::make_link(self, target, path, Follow::Nothing)
    }

    fn remove(&self, path: &AbsPath) -> Result<(), FsError> {
        // Whoever puts a link on the way now makes the guest remove a name that it may remove anyway.
        Scope::remove(self, path, false, false, Follow::Links)
    }

    fn settle(&self, path: &AbsPath, mode: u32, modified: SystemTime) -> Result<(), FsError> {
        let times = NewTimes {
            modified: Some(modified),
            ..NewTimes::default()
        };
        self.set_mode(path, mode, Follow::Nothing)?;
        self.set_times(path, times, Follow::Nothing)
    }
}
