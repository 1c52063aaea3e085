//! A second file guest, to show that the file guest can be replaced: the host's tests run with it as they run with the first.
//!
//! It shares nothing with `guest/fs` but the interfaces, and goes about everything in another way. There an operation is tried and
//! links are looked for when one is in the way; here every name of a path is looked at before it is stepped on ([`trail`]).
//! There paths are always named from the root and listings come in batches; here directories are held open, names are
//! taken relative to them and listings are read an entry at a time, with the standard calls of `wasi:filesystem` wherever
//! they do.

mod copy;
mod make;
mod remove;
mod rename;
mod stage;
mod trail;
mod tree;

mod bindings {
    wit_bindgen::generate!({
        world: "lockgate:files/file-guest",
        path: ["../../wit/deps/io.wit", "../../wit/deps/clocks.wit", "../../wit/deps/filesystem.wit", "../../wit/files"],
        generate_all,
    });
}

use bindings::exports::lockgate::files::operations::{
    Failure, Guest, Links, PathMetadata, Staged, WriteHow,
};
use bindings::lockgate::files::extra::{self, Attributes};
use bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DirectoryEntryStream, ErrorCode, NewTimestamp, OpenFlags,
    PathFlags,
};
use trail::{Last, Trail, at_end_of, root};

struct Walking;
bindings::export!(Walking with_types_in bindings);

impl Guest for Walking {
    fn open_read(path: String, links: Links) -> Result<Descriptor, Failure> {
        at_end_of(&path, links, Last::Followed, |trail| {
            open(trail, OpenFlags::empty(), DescriptorFlags::READ)
        })
    }

    fn open_write(path: String, how: WriteHow, links: Links) -> Result<Descriptor, Failure> {
        match how.contains(WriteHow::EXCLUSIVE) {
            true => make::file(&path, how, links),
            false => at_end_of(&path, links, Last::Followed, |trail| open_write(trail, how)),
        }
    }

    fn open_directory(path: String, links: Links) -> Result<DirectoryEntryStream, Failure> {
        at_end_of(&path, links, Last::Followed, |trail| {
            tree::directory(root(), trail.below())?.read_directory()
        })
    }

    fn create_directory(path: String, recursive: bool, links: Links) -> Result<(), Failure> {
        match recursive {
            true => make::directories(&path, links),
            false => make::directory(&path, links),
        }
    }

    fn metadata(path: String, links: Links) -> Result<PathMetadata, Failure> {
        at_end_of(&path, links, Last::Followed, |trail| {
            Ok(PathMetadata {
                target: attributes(trail)?,
                is_symlink: trail.ended_in_link(),
            })
        })
    }

    fn look(path: String) -> Result<Attributes, Failure> {
        at_end_of(&path, Links::Follow, Last::Itself, attributes)
    }

    fn canonicalize(path: String) -> Result<String, Failure> {
        at_end_of(&path, Links::Follow, Last::Followed, |trail| {
            attributes(trail).map(|_| trail.path())
        })
    }

    fn remove(path: String, recursive: bool, force: bool, links: Links) -> Result<(), Failure> {
        match remove::remove(&path, recursive, links) {
            Err(Failure::System(ErrorCode::NoEntry)) if force => Ok(()),
            removed => removed,
        }
    }

    fn copy(source: String, destination: String, recursive: bool) -> Result<(), Failure> {
        copy::copy(&source, &destination, recursive)
    }

    fn rename(source: String, destination: String, overwrite: bool) -> Result<(), Failure> {
        rename::rename(&source, &destination, overwrite)
    }

    fn make_symlink(target: String, path: String, links: Links) -> Result<(), Failure> {
        at_end_of(&path, links, Last::Itself, |trail| {
            root().symlink_at(&target, trail.below())
        })
    }

    fn read_link(path: String, links: Links) -> Result<String, Failure> {
        at_end_of(&path, links, Last::Itself, |trail| {
            root().readlink_at(trail.below())
        })
    }

    fn set_mode(path: String, mode: u32, links: Links) -> Result<(), Failure> {
        at_end_of(&path, links, Last::Followed, |trail| {
            extra::set_mode_at(root(), trail.below(), mode)
        })
    }

    fn set_times(
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
        links: Links,
    ) -> Result<(), Failure> {
        at_end_of(&path, links, Last::Followed, |trail| {
            root().set_times_at(trail.flags(), trail.below(), accessed, modified)
        })
    }

    fn stage(path: String, name: String, links: Links) -> Result<Staged, Failure> {
        stage::stage(&path, &name, links)
    }
}

/// Of what the trail has come to; it has followed what was to be followed.
fn attributes(trail: &Trail) -> Result<Attributes, ErrorCode> {
    extra::attributes_at(root(), trail.flags(), trail.below())
}

fn open(trail: &Trail, how: OpenFlags, access: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    root().open_at(PathFlags::empty(), trail.below(), how, access)
}

fn open_write(trail: &Trail, how: WriteHow) -> Result<Descriptor, ErrorCode> {
    let mut flags = OpenFlags::empty();
    flags.set(OpenFlags::CREATE, how.contains(WriteHow::CREATE));
    flags.set(OpenFlags::EXCLUSIVE, how.contains(WriteHow::EXCLUSIVE));
    let mut access = DescriptorFlags::WRITE;
    access.set(DescriptorFlags::READ, how.contains(WriteHow::READ));
    open(trail, flags, access)
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Failure {
        Failure::System(code)
    }
}
