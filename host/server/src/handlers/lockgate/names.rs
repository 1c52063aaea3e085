//! `lockgate/fs/rename`, `symlink`, `readLink`, `setMode`, `setTimes`: names of files, and what is known of them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_capfs::operation::{Follow, NewTimes};
use lockgate_capfs::{AbsPath, Files};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::Empty;
use lockgate_wire::limits::{LINK_TARGET_BYTES, MODE};
use lockgate_wire::lockgate::files::{
    ReadLinkParams, ReadLinkResult, RenameParams, SetModeParams, SetTimesParams, SymlinkParams,
};
use lockgate_wire::lockgate::tree::FileName;

use crate::failure::Failure;
use crate::handlers::files::{OneShot, Raw, follow};
use crate::lane::Order;
use crate::policy::{FileAction, file_verb};

/// `lockgate/fs/rename`.
pub(crate) struct Rename {
    source: AbsPath,
    destination: AbsPath,
    overwrite: bool,
}

impl OneShot for Rename {
    type Params<'a> = RenameParams<Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let operation = Rename {
            source: params.source_path.path,
            destination: params.destination_path.path,
            overwrite: params.overwrite.unwrap_or(true),
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Rename, &self.source, Access::Write)
            .and(&self.destination, Access::Write)
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.rename(&self.source, &self.destination, self.overwrite)?;
        Ok(Empty {})
    }
}

/// `lockgate/fs/symlink`.
pub(crate) struct Symlink {
    target: OsString,
    path: AbsPath,
}

impl OneShot for Symlink {
    type Params<'a> = SymlinkParams<Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let target = params.target;
        if target.is_empty() || target.len() > LINK_TARGET_BYTES || target.contains('\0') {
            return Err(Failure::invalid_params(format!(
                "target must have 1 to {LINK_TARGET_BYTES} bytes and no NUL, it has {} bytes",
                target.len()
            )));
        }
        let operation = Symlink {
            target: target.into(),
            path: params.path.path,
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Symlink, &self.path, Access::Write).link_to(&self.path, &self.target)
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.symlink(&self.target, &self.path)?;
        Ok(Empty {})
    }
}

/// `lockgate/fs/readLink`. To policies it is a look like any other.
pub(crate) struct ReadLink {
    path: AbsPath,
}

impl OneShot for ReadLink {
    type Params<'a> = ReadLinkParams<Raw<'a>>;
    type Result = ReadLinkResult;
    const ORDER: Order = Order::Shared;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let path = params.path.path;
        Ok((ReadLink { path }, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Metadata, &self.path, Access::Look)
    }

    fn run(self, files: &Files) -> Result<ReadLinkResult, Failure> {
        let target = files.read_link(&self.path)?.into_vec();
        Ok(ReadLinkResult {
            target: FileName::new(target),
        })
    }
}

/// `lockgate/fs/setMode`.
pub(crate) struct SetMode {
    path: AbsPath,
    mode: u32,
    follow: Follow,
}

impl OneShot for SetMode {
    type Params<'a> = SetModeParams<Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let operation = SetMode {
            path: params.path.path,
            mode: permission_bits(params.mode)?,
            follow: follow(params.follow_symlinks),
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::SetMode, &self.path, Access::Write)
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.set_mode(&self.path, self.mode, self.follow)?;
        Ok(Empty {})
    }
}

/// `lockgate/fs/setTimes`.
pub(crate) struct SetTimes {
    path: AbsPath,
    times: NewTimes,
    follow: Follow,
}

impl OneShot for SetTimes {
    type Params<'a> = SetTimesParams<Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let times = NewTimes {
            accessed: time("accessedAtMs", params.accessed_at_ms)?,
            modified: time("modifiedAtMs", params.modified_at_ms)?,
        };
        if times == NewTimes::default() {
            return Err(Failure::invalid_params(
                "there is no time to set: give accessedAtMs, modifiedAtMs or both",
            ));
        }
        let operation = SetTimes {
            path: params.path.path,
            times,
            follow: follow(params.follow_symlinks),
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::SetTimes, &self.path, Access::Write)
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.set_times(&self.path, self.times, self.follow)?;
        Ok(Empty {})
    }
}

pub(super) fn permission_bits(mode: u32) -> Result<u32, Failure> {
    if mode > MODE {
        return Err(Failure::invalid_params(format!(
            "mode must be 0 to {MODE}, the nine permission bits, it is {mode}"
        )));
    }
    Ok(mode)
}

fn time(member: &str, ms: Option<i64>) -> Result<Option<SystemTime>, Failure> {
    let Some(ms) = ms else {
        return Ok(None);
    };
    let refused = |why: &str| Failure::invalid_params(format!("{member} {why}, it is {ms}"));
    let since = u64::try_from(ms).map_err(|_| {
        refused("must not be before 1970 (0): the times that file guests are told begin there")
    })?;
    UNIX_EPOCH
        .checked_add(Duration::from_millis(since))
        .map(Some)
        .ok_or_else(|| refused("is no time that this system can express"))
}
