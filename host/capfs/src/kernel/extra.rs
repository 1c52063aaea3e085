//! Our extension, `lockgate:files/extra`: what the operations need and `wasi:filesystem` lacks.

use std::time::Instant;

use rustix::fs::RenameFlags;
use rustix::io::Errno;
use wasmtime::component::Resource;

use super::bindings::lockgate::files::extra::{Attributes, Host};
use super::bindings::wasi::filesystem::types::{DirectoryEntry, PathFlags};
use super::descriptor::Descriptor;
use super::escape::encode;
use super::listing::{Listing, RawEntry};
use super::look::{from_file_type, links_themselves};
use super::{Answer, Kernel, KernelError, PastDeadline};
use crate::operation::FsError;
use crate::{contents, limits};

impl Host for Kernel {
    fn attributes_at(
        &mut self,
        base: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Answer<Attributes> {
        let path = self.path(&base, &path)?;
        let seen = self.attributes(&path, links_themselves(flags))?;
        let attributes = seen.attributes;
        self.seen = Some(seen);
        Ok(attributes)
    }

    fn list_at(&mut self, base: Resource<Descriptor>, path: String) -> Answer<Resource<Listing>> {
        let path = self.path(&base, &path)?;
        Ok(self.table.push(self.list(&path)?)?)
    }

    fn next_entries(&mut self, of: Resource<Listing>, limit: u32) -> Answer<Vec<DirectoryEntry>> {
        self.in_time()?;
        let listing = self.table.get_mut(&of)?;
        let mut entries = Vec::new();
        while entries.len() < limit.min(limits::ENTRIES_PER_CALL) as usize {
            match listing.next()? {
                Some(entry) => entries.push(directory_entry(&entry)),
                None => break,
            }
        }
        Ok(entries)
    }

    fn copy_contents(
        &mut self,
        source: Resource<Descriptor>,
        destination: Resource<Descriptor>,
    ) -> Answer<()> {
        self.in_time()?;
        let (Descriptor::File(from), Descriptor::File(to)) =
            (self.table.get(&source)?, self.table.get(&destination)?)
        else {
            return Err(Errno::ISDIR.into());
        };
        if !from.readable || !to.writable {
            return Err(Errno::BADF.into());
        }
        let copied = contents::copy(&from.fd, &to.fd, || match Instant::now() < self.deadline {
            true => Ok(()),
            false => Err(FsError::Gate(PastDeadline.to_string())),
        });
        copied.map_err(|error| match error {
            FsError::Os(errno) => errno.into(),
            FsError::Torn { cause, .. } => {
                self.torn = Some(error);
                cause.into()
            }
            FsError::NotRegular => Errno::NXIO.into(),
            _ => KernelError::Trap(wasmtime::Error::new(PastDeadline)),
        })
    }

    fn set_mode_at(&mut self, base: Resource<Descriptor>, path: String, mode: u32) -> Answer<()> {
        let path = self.path(&base, &path)?;
        Ok(self.set_mode(&path, mode)?)
    }

    fn create_directory_with_at(
        &mut self,
        base: Resource<Descriptor>,
        path: String,
        mode: u32,
    ) -> Answer<()> {
        let path = self.path(&base, &path)?;
        Ok(self.make_directory(&path, mode)?)
    }

    fn rename_exclusive_at(
        &mut self,
        old_base: Resource<Descriptor>,
        old: String,
        new_base: Resource<Descriptor>,
        new: String,
    ) -> Answer<()> {
        let (old, new) = (self.path(&old_base, &old)?, self.path(&new_base, &new)?);
        Ok(self.rename(&old, &new, RenameFlags::NOREPLACE)?)
    }

    fn imitate_at(
        &mut self,
        file: Resource<Descriptor>,
        base: Resource<Descriptor>,
        path: String,
    ) -> Answer<()> {
        let path = self.path(&base, &path)?;
        let Descriptor::File(file) = self.table.get(&file)? else {
            return Err(Errno::ISDIR.into());
        };
        Ok(self.imitate(file, &path)?)
    }
}

pub(super) fn directory_entry(entry: &RawEntry) -> DirectoryEntry {
    DirectoryEntry {
        type_: from_file_type(entry.kind),
        name: encode(&entry.name).into_owned(),
    }
}
