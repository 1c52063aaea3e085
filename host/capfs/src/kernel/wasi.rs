//! `wasi:filesystem/types` and `preopens`: the standard interface of the kernel.
//!
//! All of it that concerns paths is there, so that a guest written against the standard works; streams are not (contents
//! do not pass through guests), and what is not a file operation of anybody's answers `unsupported`.

use lockgate_grant::{AbsPath, Allowed};
use rustix::fs::{RenameFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use wasmtime::Result;
use wasmtime::component::Resource;

use super::bindings::wasi::clocks::wall_clock::Datetime;
use super::bindings::wasi::filesystem::preopens;
use super::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Host,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use super::bindings::wasi::io::error::Error;
use super::bindings::wasi::io::streams::{InputStream, OutputStream};
use super::descriptor::{Descriptor, File};
use super::escape::{decode, encode};
use super::extra::directory_entry;
use super::listing::Listing;
use super::look::{descriptor_stat, links_themselves};
use super::open::Purpose;
use super::{Answer, Kernel, KernelError, may_not_change};
use crate::{change, contents, limits};

impl Kernel {
    fn file(&self, descriptor: &Resource<Descriptor>) -> Answer<&File> {
        self.in_time()?;
        match self.table.get(descriptor)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Directory { .. } => Err(Errno::ISDIR.into()),
        }
    }

    fn writable(&self, descriptor: &Resource<Descriptor>) -> Answer<&File> {
        match self.file(descriptor)? {
            file if file.writable => Ok(file),
            _ => Err(Errno::BADF.into()),
        }
    }

    /// What a descriptor stands for at this moment.
    fn stat_of(&self, descriptor: &Resource<Descriptor>) -> Answer<Stat> {
        self.in_time()?;
        Ok(match self.table.get(descriptor)? {
            Descriptor::File(file) => rustix::fs::fstat(&file.fd)?,
            Descriptor::Directory { path } => self.look(path, false)?.stat,
        })
    }

    fn set_times_of(
        &self,
        path: &AbsPath,
        link_itself: bool,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> Result<(), Errno> {
        let look = self.look(path, link_itself)?;
        if self.allowed(path) < Allowed::Write {
            return Err(may_not_change(self.allowed(path)));
        }
        change::times(&look.fd, &timestamps(access, modification)?)
    }
}

impl HostDescriptor for Kernel {
    fn open_at(
        &mut self,
        base: Resource<Descriptor>,
        _links: PathFlags,
        path: String,
        how: OpenFlags,
        access: DescriptorFlags,
    ) -> Answer<Resource<Descriptor>> {
        let path = self.path(&base, &path)?;
        let opened = self.open(
            &path,
            Purpose {
                read: access.contains(DescriptorFlags::READ),
                write: access.contains(DescriptorFlags::WRITE),
                create: how.contains(OpenFlags::CREATE),
                exclusive: how.contains(OpenFlags::EXCLUSIVE),
                truncate: how.contains(OpenFlags::TRUNCATE),
                directory: how.contains(OpenFlags::DIRECTORY),
            },
        )?;
        Ok(self.table.push(opened)?)
    }

    fn read(
        &mut self,
        file: Resource<Descriptor>,
        length: u64,
        offset: u64,
    ) -> Answer<(Vec<u8>, bool)> {
        let file = self.file(&file)?;
        if !file.readable {
            return Err(Errno::BADF.into());
        }
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(limits::GUEST_READ_BYTES);
        let mut bytes = vec![0; length];
        let read = rustix::io::pread(&file.fd, &mut *bytes, offset)?;
        bytes.truncate(read);
        Ok((bytes, read == 0 && length > 0))
    }

    fn write(&mut self, file: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> Answer<u64> {
        let file = self.writable(&file)?;
        contents::may_reach(offset.saturating_add(bytes.len() as u64))?;
        Ok(rustix::io::pwrite(&file.fd, &bytes, offset)? as u64)
    }

    fn set_size(&mut self, file: Resource<Descriptor>, size: u64) -> Answer<()> {
        let file = self.writable(&file)?;
        contents::may_reach(size)?;
        Ok(rustix::fs::ftruncate(&file.fd, size)?)
    }

    fn sync(&mut self, file: Resource<Descriptor>) -> Answer<()> {
        Ok(rustix::fs::fsync(&self.file(&file)?.fd)?)
    }

    fn sync_data(&mut self, file: Resource<Descriptor>) -> Answer<()> {
        Ok(rustix::fs::fdatasync(&self.file(&file)?.fd)?)
    }

    fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorFlags> {
        self.in_time()?;
        Ok(match self.table.get(&descriptor)? {
            Descriptor::Directory { path } => match self.allowed(path) {
                Allowed::Write => DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
                _ => DescriptorFlags::READ,
            },
            Descriptor::File(file) => {
                let when = |held, flag| if held { flag } else { DescriptorFlags::empty() };
                when(file.readable, DescriptorFlags::READ)
                    | when(file.writable, DescriptorFlags::WRITE)
            }
        })
    }

    fn get_type(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorType> {
        self.in_time()?;
        Ok(match self.table.get(&descriptor)? {
            Descriptor::Directory { .. } => DescriptorType::Directory,
            Descriptor::File(_) => DescriptorType::RegularFile,
        })
    }

    fn stat(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorStat> {
        Ok(descriptor_stat(&self.stat_of(&descriptor)?))
    }

    fn stat_at(
        &mut self,
        base: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Answer<DescriptorStat> {
        let path = self.path(&base, &path)?;
        Ok(descriptor_stat(
            &self.look(&path, links_themselves(flags))?.stat,
        ))
    }

    fn metadata_hash(&mut self, descriptor: Resource<Descriptor>) -> Answer<MetadataHashValue> {
        Ok(metadata_hash(&self.stat_of(&descriptor)?))
    }

    fn metadata_hash_at(
        &mut self,
        base: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> Answer<MetadataHashValue> {
        let path = self.path(&base, &path)?;
        Ok(metadata_hash(
            &self.look(&path, links_themselves(flags))?.stat,
        ))
    }

    fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> Result<bool> {
        match (self.stat_of(&one), self.stat_of(&other)) {
            (Ok(one), Ok(other)) => Ok(super::look::same(&one, &other)),
            (Err(KernelError::Trap(error)), _) | (_, Err(KernelError::Trap(error))) => Err(error),
            _ => Ok(false),
        }
    }

    fn read_directory(&mut self, directory: Resource<Descriptor>) -> Answer<Resource<Listing>> {
        let path = self.path(&directory, ".")?;
        Ok(self.table.push(self.list(&path)?)?)
    }

    fn readlink_at(&mut self, base: Resource<Descriptor>, path: String) -> Answer<String> {
        let path = self.path(&base, &path)?;
        if self.allowed(&path) == Allowed::Nothing {
            return Err(Errno::NOENT.into());
        }
        let (target, link) = self.root.read_link(&path, self.wait())?;
        // Also a link of procfs is one of its files: it tells what this process has open.
        self.admit(&link, rustix::fs::fstat(&link)?.st_dev)?;
        Ok(encode(&target).into_owned())
    }

    fn create_directory_at(&mut self, base: Resource<Descriptor>, path: String) -> Answer<()> {
        let path = self.path(&base, &path)?;
        Ok(self.make_directory(&path, contents::PERMISSION_BITS)?)
    }

    fn remove_directory_at(&mut self, base: Resource<Descriptor>, path: String) -> Answer<()> {
        let path = self.path(&base, &path)?;
        Ok(self.remove_directory(&path)?)
    }

    fn unlink_file_at(&mut self, base: Resource<Descriptor>, path: String) -> Answer<()> {
        let path = self.path(&base, &path)?;
        Ok(self.remove_file(&path)?)
    }

    fn symlink_at(
        &mut self,
        base: Resource<Descriptor>,
        target: String,
        path: String,
    ) -> Answer<()> {
        let path = self.path(&base, &path)?;
        Ok(self.make_link(&decode(&target), &path)?)
    }

    fn link_at(
        &mut self,
        old_base: Resource<Descriptor>,
        _links: PathFlags,
        old: String,
        new_base: Resource<Descriptor>,
        new: String,
    ) -> Answer<()> {
        let (old, new) = (self.path(&old_base, &old)?, self.path(&new_base, &new)?);
        Ok(self.link(&old, &new)?)
    }

    fn rename_at(
        &mut self,
        old_base: Resource<Descriptor>,
        old: String,
        new_base: Resource<Descriptor>,
        new: String,
    ) -> Answer<()> {
        let (old, new) = (self.path(&old_base, &old)?, self.path(&new_base, &new)?);
        Ok(self.rename(&old, &new, RenameFlags::empty())?)
    }

    fn set_times(
        &mut self,
        descriptor: Resource<Descriptor>,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> Answer<()> {
        self.in_time()?;
        match self.table.get(&descriptor)? {
            Descriptor::File(file) if file.writable => Ok(rustix::fs::futimens(
                &file.fd,
                &timestamps(access, modification)?,
            )?),
            Descriptor::File(_) => Err(Errno::BADF.into()),
            Descriptor::Directory { path } => {
                Ok(self.set_times_of(path, false, access, modification)?)
            }
        }
    }

    fn set_times_at(
        &mut self,
        base: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> Answer<()> {
        let path = self.path(&base, &path)?;
        Ok(self.set_times_of(&path, links_themselves(flags), access, modification)?)
    }

    fn advise(
        &mut self,
        _file: Resource<Descriptor>,
        _offset: u64,
        _length: u64,
        _advice: Advice,
    ) -> Answer<()> {
        self.in_time()
    }

    fn read_via_stream(
        &mut self,
        _file: Resource<Descriptor>,
        _offset: u64,
    ) -> Answer<Resource<InputStream>> {
        Err(Errno::NOTSUP.into())
    }

    fn write_via_stream(
        &mut self,
        _file: Resource<Descriptor>,
        _offset: u64,
    ) -> Answer<Resource<OutputStream>> {
        Err(Errno::NOTSUP.into())
    }

    fn append_via_stream(&mut self, _file: Resource<Descriptor>) -> Answer<Resource<OutputStream>> {
        Err(Errno::NOTSUP.into())
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> Result<()> {
        self.table.delete(descriptor)?;
        Ok(())
    }
}

impl HostDirectoryEntryStream for Kernel {
    fn read_directory_entry(
        &mut self,
        listing: Resource<Listing>,
    ) -> Answer<Option<DirectoryEntry>> {
        self.in_time()?;
        Ok(self
            .table
            .get_mut(&listing)?
            .next()?
            .as_ref()
            .map(directory_entry))
    }

    fn drop(&mut self, listing: Resource<Listing>) -> Result<()> {
        self.table.delete(listing)?;
        Ok(())
    }
}

impl Host for Kernel {
    fn filesystem_error_code(&mut self, _error: Resource<Error>) -> Result<Option<ErrorCode>> {
        Ok(None)
    }

    fn convert_error_code(&mut self, error: KernelError) -> Result<ErrorCode> {
        match error {
            KernelError::Code(code) => Ok(code),
            KernelError::Trap(error) => Err(error),
        }
    }
}

impl preopens::Host for Kernel {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        let root = self.table.push(Descriptor::Directory {
            path: AbsPath::root(),
        })?;
        Ok(vec![(root, "/".to_owned())])
    }
}

fn metadata_hash(stat: &Stat) -> MetadataHashValue {
    MetadataHashValue {
        lower: stat.st_ino,
        upper: stat.st_dev,
    }
}

fn timestamps(access: NewTimestamp, modification: NewTimestamp) -> Result<Timestamps, Errno> {
    let special = |tv_nsec| Ok(Timespec { tv_sec: 0, tv_nsec });
    let timespec = |time| match time {
        NewTimestamp::NoChange => special(rustix::fs::UTIME_OMIT),
        NewTimestamp::Now => special(rustix::fs::UTIME_NOW),
        NewTimestamp::Timestamp(Datetime {
            seconds,
            nanoseconds,
        }) if nanoseconds < 1_000_000_000 => Ok(Timespec {
            tv_sec: i64::try_from(seconds).map_err(|_| Errno::OVERFLOW)?,
            tv_nsec: nanoseconds.into(),
        }),
        NewTimestamp::Timestamp(_) => Err(Errno::INVAL),
    };
    Ok(Timestamps {
        last_access: timespec(access)?,
        last_modification: timespec(modification)?,
    })
}
