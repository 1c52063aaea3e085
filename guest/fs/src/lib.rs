//! The file guest: every decision of a sandboxed file request that is hard to get right, made where nothing but the granted
//! files can be reached.
//!
//! The host never follows a symbolic link. So the guest does: it tries the operation, and when the answer is that a link is in the way
//! it finds the link, puts its target in its place and tries again (`resolve`). Contents never come here: descriptors go out.
//!
//! This is a library, so that a guest of one's own can do what this one does and something besides: `guest/fs-logging` is the
//! example, and `guest/fs-stock` is the component that the host has built in.

mod copy;
mod create;
mod remove;
mod rename;
mod resolve;
mod stage;
mod text;

/// What a component that is built on this crate needs: the interfaces, and `export!`, which makes a component's exports of a
/// [`Guest`](exports::lockgate::files::operations::Guest).
#[allow(missing_docs)]
pub mod bindings {
    wit_bindgen::generate!({
        world: "lockgate:files/file-guest",
        pub_export_macro: true,
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
use resolve::{Last, Resolution, at, root};

/// The stock guest.
pub struct FileGuest;

impl Guest for FileGuest {
    fn open_read(path: String, links: Links) -> Result<Descriptor, Failure> {
        Resolution::new(path, links).run(Last::Followed, open_read)
    }

    fn open_write(path: String, how: WriteHow, links: Links) -> Result<Descriptor, Failure> {
        // Making a file fails where a link stands, also one that leads nowhere; that is a name which is taken.
        let last = match how.contains(WriteHow::EXCLUSIVE) {
            true => Last::Itself,
            false => Last::Followed,
        };
        Resolution::new(path, links).run(last, |path| open_write(path, how))
    }

    fn open_directory(path: String, links: Links) -> Result<DirectoryEntryStream, Failure> {
        Resolution::new(path, links).run(Last::Followed, |path| extra::list_at(root(), at(path)))
    }

    fn create_directory(path: String, recursive: bool, links: Links) -> Result<(), Failure> {
        create::directory(path, recursive, links)
    }

    fn metadata(path: String, links: Links) -> Result<PathMetadata, Failure> {
        let mut resolution = Resolution::new(path, links);
        let target = resolution.run(Last::Followed, |path| {
            extra::attributes_at(root(), PathFlags::SYMLINK_FOLLOW, at(path))
        })?;
        Ok(PathMetadata {
            target,
            is_symlink: resolution.ended_in_link(),
        })
    }

    fn look(path: String) -> Result<Attributes, Failure> {
        Resolution::new(path, Links::Follow).run(Last::Itself, |path| {
            extra::attributes_at(root(), PathFlags::empty(), at(path))
        })
    }

    fn canonicalize(path: String) -> Result<String, Failure> {
        let mut resolution = Resolution::new(path, Links::Follow);
        resolution.run(Last::Followed, |path| {
            extra::attributes_at(root(), PathFlags::SYMLINK_FOLLOW, at(path))
        })?;
        Ok(resolution.into_path())
    }

    fn remove(path: String, recursive: bool, force: bool, links: Links) -> Result<(), Failure> {
        remove::remove(path, recursive, force, links)
    }

    fn copy(source: String, destination: String, recursive: bool) -> Result<(), Failure> {
        copy::copy(source, destination, recursive)
    }

    fn rename(source: String, destination: String, overwrite: bool) -> Result<(), Failure> {
        rename::rename(source, destination, overwrite)
    }

    fn make_symlink(target: String, path: String, links: Links) -> Result<(), Failure> {
        Resolution::new(path, links).run(Last::Itself, |path| root().symlink_at(&target, at(path)))
    }

    fn read_link(path: String, links: Links) -> Result<String, Failure> {
        Resolution::new(path, links).run(Last::Itself, |path| root().readlink_at(at(path)))
    }

    fn set_mode(path: String, mode: u32, links: Links) -> Result<(), Failure> {
        Resolution::new(path, links).run(Last::Followed, |path| {
            extra::set_mode_at(root(), at(path), mode)
        })
    }

    fn set_times(
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
        links: Links,
    ) -> Result<(), Failure> {
        Resolution::new(path, links).run(Last::Followed, |path| {
            root().set_times_at(PathFlags::SYMLINK_FOLLOW, at(path), accessed, modified)
        })
    }

    fn stage(path: String, name: String, links: Links) -> Result<Staged, Failure> {
        stage::stage(path, &name, links)
    }
}

fn open_read(path: &str) -> Result<Descriptor, ErrorCode> {
    root().open_at(
        PathFlags::empty(),
        at(path),
        OpenFlags::empty(),
        DescriptorFlags::READ,
    )
}

fn open_write(path: &str, how: WriteHow) -> Result<Descriptor, ErrorCode> {
    let when = |asked, flag| {
        if how.contains(asked) {
            flag
        } else {
            OpenFlags::empty()
        }
    };
    let mut access = DescriptorFlags::WRITE;
    if how.contains(WriteHow::READ) {
        access |= DescriptorFlags::READ;
    }
    root().open_at(
        PathFlags::empty(),
        at(path),
        when(WriteHow::CREATE, OpenFlags::CREATE) | when(WriteHow::EXCLUSIVE, OpenFlags::EXCLUSIVE),
        access,
    )
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Failure {
        Failure::System(code)
    }
}
