//! Answers that are not what was asked for: handles that are nobody's, paths that are none, numbers that cannot be.
//!
//! Handles are made out of thin air here, with `from_handle`. There is nothing at stake in this guest: whether it holds is what
//! the host is tested for.

use std::cell::{Cell, RefCell};

use crate::bindings::exports::lockgate::files::operations::{Failure, PathMetadata};
use crate::bindings::lockgate::files::extra::{self, Attributes};
use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, DirectoryEntryStream, ErrorCode, OpenFlags,
    PathFlags,
};
use crate::log_bindings::lockgate::files::log;
use crate::root;

thread_local! {
    static KEPT: RefCell<Option<Descriptor>> = const { RefCell::new(None) };
    static LISTING: RefCell<Option<DirectoryEntryStream>> = const { RefCell::new(None) };
    static GIVEN: Cell<u32> = const { Cell::new(0) };
}

/// What is answered in the place of a file, when the path's last name asks for it. Its directory has a file `f`.
pub(crate) fn file(path: &str) -> Option<Result<Descriptor, Failure>> {
    let (directory, deed) = path.rsplit_once('/')?;
    let file = || {
        root().open_at(
            PathFlags::empty(),
            &format!("{}/f", directory.trim_start_matches('/')),
            OpenFlags::empty(),
            DescriptorFlags::READ,
        )
    };
    Some(
        match deed {
            // A handle that was never given to anybody here; one that is another scope's, for all this guest knows.
            "forged" => Ok(unsafe { Descriptor::from_handle(1_000_000) }),
            "low" => Ok(unsafe { Descriptor::from_handle(60) }),
            "zero" => Ok(unsafe { Descriptor::from_handle(0) }),
            // One that was given back.
            "dropped" => file().map(|file| {
                let handle = file.handle();
                drop(file);
                unsafe { Descriptor::from_handle(handle) }
            }),
            // One for something else than a file.
            "listing" => extra::list_at(&root(), directory.trim_start_matches('/'))
                .map(|listing| unsafe { Descriptor::from_handle(listing.take_handle()) }),
            // One that is given to the host a second time.
            "once" => file().inspect(|file| GIVEN.set(file.handle())),
            "again" => Ok(unsafe { Descriptor::from_handle(GIVEN.get()) }),
            // One that is kept from one request for another.
            "keep" => {
                let kept = file();
                KEPT.set(kept.ok());
                Err(ErrorCode::NoEntry)
            }
            "kept" => KEPT.take().ok_or(ErrorCode::NoEntry),
            "chatter" => {
                log::write("plain");
                log::write("two\nlines \u{1b}[31m");
                log::write(&"long ".repeat(100_000));
                Err(ErrorCode::NoEntry)
            }
            "flood" => loop {
                log::write("flood");
            },
            _ => return None,
        }
        .map_err(Failure::System),
    )
}

/// What is answered in the place of a listing.
pub(crate) fn listing(path: &str) -> Option<Result<DirectoryEntryStream, Failure>> {
    let (directory, deed) = path.rsplit_once('/')?;
    let directory = directory.trim_start_matches('/');
    let listing = || extra::list_at(&root(), directory);
    Some(
        match deed {
            "forged" => Ok(unsafe { DirectoryEntryStream::from_handle(1_000_000) }),
            "file" => root()
                .open_at(
                    PathFlags::empty(),
                    &format!("{directory}/f"),
                    OpenFlags::empty(),
                    DescriptorFlags::READ,
                )
                .map(|file| unsafe { DirectoryEntryStream::from_handle(file.take_handle()) }),
            "other" => listing(),
            // Read to its end before it is handed out.
            "spent" => listing()
                .inspect(|listing| while let Ok(Some(_)) = listing.read_directory_entry() {}),
            "keep" => {
                LISTING.set(listing().ok());
                Err(ErrorCode::NoEntry)
            }
            "kept" => LISTING.take().ok_or(ErrorCode::NoEntry),
            _ => return None,
        }
        .map_err(Failure::System),
    )
}

/// What is answered in the place of a path.
pub(crate) fn path(which: &str) -> String {
    match which {
        "relative" => "etc/passwd".to_owned(),
        "dotted" => "/a/../../b/./c//d/".to_owned(),
        "nul" => "/a\0b".to_owned(),
        "empty" => String::new(),
        "long" => format!("/{}", "n".repeat(8 << 20)),
        "elsewhere" => "/etc/shadow".to_owned(),
        other => other.to_owned(),
    }
}

pub(crate) fn lies() -> PathMetadata {
    PathMetadata {
        target: Attributes {
            type_: DescriptorType::Directory,
            size: u64::MAX,
            created_ms: i64::MIN,
            modified_ms: i64::MAX,
            mode: u32::MAX,
        },
        is_symlink: true,
    }
}
