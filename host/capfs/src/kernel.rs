//! The capability kernel: our own host for `wasi:filesystem` over [`Grants`] (DESIGN.md section 3).
//!
//! The guest sees one preopen, `/`. Each call that names a path goes the same way: the path is put together and checked as text,
//! Grants say what may be done with it, and one system call from the root's descriptor does it without following any link. So the
//! path that was checked is the path that is used, and a link, a rename or a mount in between changes nothing but the answer.
//! Directories are held as paths, not as descriptors: one that is moved away while it is held gives nothing any more.
//!
//! [`root`] makes the system calls, [`look`] says what is at a path, [`open`] opens it, [`name`] gives and takes names,
//! [`attributes`] changes what is known of a thing besides its contents;
//! [`wasi`] and [`extra`] are the guest's side of these.

mod attributes;
mod code;
mod descriptor;
mod escape;
mod extra;
mod listing;
pub(crate) mod log;
mod look;
mod magic;
mod name;
mod open;
mod place;
pub(crate) mod root;
mod wasi;

use std::sync::Arc;
use std::time::Instant;

use lockgate_engine::{Ceilings, HasCeilings};
use lockgate_grant::{AbsPath, Allowed, Grants};
use rustix::io::Errno;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result};

use crate::operation::FsError;
use crate::own::Own;
use crate::{limits, workers};
use root::Root;

pub(crate) use code::to_errno;
pub(crate) use escape::{decode, encode};
pub(crate) use look::{Seen, file_kind};
pub(crate) use place::Place;
#[allow(unreachable_pub)] // The generated code re-exports the two types.
pub use {descriptor::Descriptor, listing::Listing};

/// The generated side of the WIT: traits that this module implements, and the guest's exports.
#[allow(unreachable_pub, missing_docs)]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io.wit", "../../wit/deps/clocks.wit", "../../wit/deps/filesystem.wit", "../../wit/files"],
        world: "lockgate:files/file-guest",
        imports: { default: trappable },
        trappable_error_type: { "wasi:filesystem/types.error-code" => crate::kernel::KernelError },
        with: {
            "wasi:filesystem/types.descriptor": crate::kernel::Descriptor,
            "wasi:filesystem/types.directory-entry-stream": crate::kernel::Listing,
        },
    });
}

/// What one guest instance holds: the store's data.
pub(crate) struct Kernel {
    grants: Arc<Grants>,
    root: Arc<Root>,
    own: Own,
    pub(crate) table: ResourceTable,
    pub(crate) memory: Memory,
    /// Host calls after this moment end the guest: it cannot be interrupted while in one.
    deadline: Instant,
    /// Look-ups that would have to wait for a disk or a network answer `would-block` instead.
    pub(crate) cached_only: bool,
    /// Permission bits of the directories that the guest makes, before the umask.
    pub(crate) new_directory: u32,
    /// What a copy has left behind that failed in the middle: an error code cannot say it.
    pub(crate) torn: Option<FsError>,
    /// What the guest looked at last in this call: its answer has no room for whose it is.
    pub(crate) seen: Option<Seen>,
    /// What the guest has told its operator in this call.
    pub(crate) lines: log::Lines,
}

/// The guest's linear memory: held to its ceilings, and how far it has grown.
pub(crate) struct Memory {
    ceilings: Ceilings,
    /// Bytes. Memories never shrink.
    pub(crate) bytes: usize,
}

/// A host call's failure: an answer to the guest, or the end of the guest.
#[derive(Debug)]
pub(crate) enum KernelError {
    Code(bindings::wasi::filesystem::types::ErrorCode),
    Trap(wasmtime::Error),
}

/// The request's time is up; found by a host call.
#[derive(Debug, thiserror::Error)]
#[error("it ran past its deadline")]
pub(crate) struct PastDeadline;

type Answer<T> = Result<T, KernelError>;

impl Kernel {
    pub(crate) fn new(grants: Arc<Grants>, root: Arc<Root>, own: Own) -> Kernel {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES);
        let ceilings = Ceilings {
            memory_bytes: limits::GUEST_MEMORY_BYTES,
            ..Ceilings::default()
        };
        Kernel {
            grants,
            root,
            own,
            table,
            memory: Memory { ceilings, bytes: 0 },
            deadline: Instant::now(),
            cached_only: false,
            new_directory: crate::contents::PERMISSION_BITS,
            torn: None,
            seen: None,
            lines: log::Lines::default(),
        }
    }

    /// The grants of the scope, which may have become less since the call before.
    pub(crate) fn hold_to(&mut self, grants: &Arc<Grants>) {
        if !Arc::ptr_eq(&self.grants, grants) {
            self.grants = Arc::clone(grants);
        }
    }

    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Every host call begins with this, which is a sign that the one before it came back.
    fn in_time(&self) -> Result<(), KernelError> {
        let now = Instant::now();
        workers::alive_at(now);
        match now < self.deadline {
            true => Ok(()),
            false => Err(KernelError::Trap(wasmtime::Error::new(PastDeadline))),
        }
    }

    /// The path that a guest means with `path` below the directory `base`.
    fn path(&self, base: &Resource<Descriptor>, path: &str) -> Answer<AbsPath> {
        self.in_time()?;
        let Descriptor::Directory { path: base } = self.table.get(base)? else {
            return Err(Errno::NOTDIR.into());
        };
        let path = decode(path);
        if *path == *b"." {
            return Ok(base.clone());
        }
        if path.len() + base.as_bytes().len() >= lockgate_grant::limits::PATH_BYTES {
            return Err(Errno::NAMETOOLONG.into());
        }
        // What is no plain sequence of names is not normalized here but refused: there is one spelling of a path.
        let plain = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
        if !path.split(|byte| *byte == b'/').all(plain) {
            return Err(Errno::PERM.into());
        }
        let mut whole = Vec::with_capacity(base.as_bytes().len() + 1 + path.len());
        if !base.is_root() {
            whole.extend_from_slice(base.as_bytes());
        }
        whole.push(b'/');
        whole.extend_from_slice(&path);
        AbsPath::from_bytes(&whole).map_err(|_| Errno::INVAL.into())
    }

    fn allowed(&self, path: &AbsPath) -> Allowed {
        self.grants.allowed(path)
    }
}

/// The answer to a change where not enough is granted: no permission, or a file system that is read-only there.
fn may_not_change(allowed: Allowed) -> Errno {
    match allowed {
        Allowed::Nothing | Allowed::Seen => Errno::ACCESS,
        Allowed::Read | Allowed::Write => Errno::ROFS,
    }
}

impl HasCeilings for Kernel {
    fn ceilings(&mut self) -> &mut Ceilings {
        &mut self.memory.ceilings
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let may = self.ceilings.memory_growing(current, desired, maximum)?;
        self.bytes = self.bytes.max(desired);
        Ok(may)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.ceilings.table_growing(current, desired, maximum)
    }

    fn instances(&self) -> usize {
        self.ceilings.instances()
    }

    fn tables(&self) -> usize {
        self.ceilings.tables()
    }

    fn memories(&self) -> usize {
        self.ceilings.memories()
    }
}

impl From<Errno> for KernelError {
    fn from(errno: Errno) -> Self {
        KernelError::Code(code::from_errno(errno))
    }
}

impl From<wasmtime::component::ResourceTableError> for KernelError {
    /// A handle that does not exist, or one too many: nothing that a sound guest does.
    fn from(error: wasmtime::component::ResourceTableError) -> Self {
        KernelError::Trap(error.into())
    }
}
