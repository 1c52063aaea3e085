//! A model for a file guest of one's own: it does what the stock guest does, and tells the operator about each operation.
//!
//! `docs/guests.md` goes through it. The operations are those of `guest/fs`, taken as a library; the one thing that it needs
//! beyond a file guest's world is `log`, which the host gives to guests that were brought by configuration.

mod line;

use line::logged;
use lockgate_guest_fs::bindings::exports::lockgate::files::operations::{
    Failure, Guest, Links, PathMetadata, Staged, WriteHow,
};
use lockgate_guest_fs::bindings::lockgate::files::extra::Attributes;
use lockgate_guest_fs::bindings::wasi::filesystem::types::{
    Descriptor, DirectoryEntryStream, NewTimestamp,
};
use lockgate_guest_fs::{FileGuest, bindings};

/// The interface that the stock guest does not have. The rest of the world comes with the library.
mod log_bindings {
    wit_bindgen::generate!({
        inline: "package example:logging-guest; world logging { import lockgate:files/log@0.1.0; }",
        path: ["../../wit/deps/io.wit", "../../wit/deps/clocks.wit", "../../wit/deps/filesystem.wit", "../../wit/files"],
        generate_all,
    });
}

struct Logging;
bindings::export!(Logging with_types_in bindings);

impl Guest for Logging {
    fn open_read(path: String, links: Links) -> Result<Descriptor, Failure> {
        logged("open-read", &[&path.clone()], || {
            FileGuest::open_read(path, links)
        })
    }

    fn open_write(path: String, how: WriteHow, links: Links) -> Result<Descriptor, Failure> {
        logged("open-write", &[&path.clone()], || {
            FileGuest::open_write(path, how, links)
        })
    }

    fn stage(path: String, name: String, links: Links) -> Result<Staged, Failure> {
        logged("stage", &[&path.clone()], || {
            FileGuest::stage(path, name, links)
        })
    }

    fn open_directory(path: String, links: Links) -> Result<DirectoryEntryStream, Failure> {
        logged("open-directory", &[&path.clone()], || {
            FileGuest::open_directory(path, links)
        })
    }

    fn create_directory(path: String, recursive: bool, links: Links) -> Result<(), Failure> {
        logged("create-directory", &[&path.clone()], || {
            FileGuest::create_directory(path, recursive, links)
        })
    }

    fn metadata(path: String, links: Links) -> Result<PathMetadata, Failure> {
        logged("metadata", &[&path.clone()], || {
            FileGuest::metadata(path, links)
        })
    }

    fn look(path: String) -> Result<Attributes, Failure> {
        logged("look", &[&path.clone()], || FileGuest::look(path))
    }

    fn canonicalize(path: String) -> Result<String, Failure> {
        logged("canonicalize", &[&path.clone()], || {
            FileGuest::canonicalize(path)
        })
    }

    fn remove(path: String, recursive: bool, force: bool, links: Links) -> Result<(), Failure> {
        logged("remove", &[&path.clone()], || {
            FileGuest::remove(path, recursive, force, links)
        })
    }

    fn copy(source: String, destination: String, recursive: bool) -> Result<(), Failure> {
        logged("copy", &[&source.clone(), &destination.clone()], || {
            FileGuest::copy(source, destination, recursive)
        })
    }

    fn rename(source: String, destination: String, overwrite: bool) -> Result<(), Failure> {
        logged("rename", &[&source.clone(), &destination.clone()], || {
            FileGuest::rename(source, destination, overwrite)
        })
    }

    fn make_symlink(target: String, path: String, links: Links) -> Result<(), Failure> {
        logged("make-symlink", &[&target.clone(), &path.clone()], || {
            FileGuest::make_symlink(target, path, links)
        })
    }

    fn read_link(path: String, links: Links) -> Result<String, Failure> {
        logged("read-link", &[&path.clone()], || {
            FileGuest::read_link(path, links)
        })
    }

    fn set_mode(path: String, mode: u32, links: Links) -> Result<(), Failure> {
        logged("set-mode", &[&path.clone()], || {
            FileGuest::set_mode(path, mode, links)
        })
    }

    fn set_times(
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
        links: Links,
    ) -> Result<(), Failure> {
        logged("set-times", &[&path.clone()], || {
            FileGuest::set_times(path, accessed, modified, links)
        })
    }
}
