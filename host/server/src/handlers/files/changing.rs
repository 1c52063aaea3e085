//! What changes something: writing, making, removing, copying.

use lockgate_capfs::operation::Follow;
use lockgate_capfs::{AbsPath, Digest, Files};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::Empty;
use lockgate_wire::fs::{
    CopyParams, CopyResult, CreateDirectoryParams, RemoveParams, WriteFileParams,
};

use super::{OneShot, Raw, follow};
use crate::failure::Failure;
use crate::handlers::lockgate::tree::left_out;
use crate::lane::Order;
use crate::policy::{FileAction, file_verb, file_write};

/// `fs/writeFile`.
pub(crate) struct WriteFile {
    path: AbsPath,
    data: Vec<u8>,
    only_if: Option<Digest>,
    follow: Follow,
}

impl OneShot for WriteFile {
    type Params<'a> = WriteFileParams<'a, Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let data = params.data_base64.decode().map_err(|error| {
            Failure::invalid_request(format!(
                "fs/writeFile requires valid base64 dataBase64: {error}"
            ))
        })?;
        let operation = WriteFile {
            path: params.path.path,
            data,
            only_if: params.only_if_sha256.map(only_if).transpose()?,
            follow: follow(params.follow_symlinks),
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_write(&self.path, self.only_if.is_some())
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        match self.only_if {
            Some(digest) => files.write_file_if(&self.path, digest, &self.data, self.follow)?,
            None => files.write_file(&self.path, &self.data, self.follow)?,
        }
        Ok(Empty {})
    }
}

/// The digest that the contents must have.
pub(crate) fn only_if(sha256: String) -> Result<Digest, Failure> {
    let digest = sha256.parse();
    digest.map_err(|error| Failure::invalid_params(format!("onlyIfSha256: {error}")))
}

/// The permission bits that a new directory has at most.
pub(crate) fn new_mode(asked: Option<u32>) -> Result<u32, Failure> {
    let most = lockgate_wire::limits::MODE;
    match asked.unwrap_or(most) {
        mode if mode > most => Err(Failure::invalid_params(format!(
            "mode must be 0 to {most}, the permission bits, it is {mode}"
        ))),
        mode => Ok(mode),
    }
}

/// `fs/createDirectory`.
pub(crate) struct CreateDirectory {
    path: AbsPath,
    recursive: bool,
    follow: Follow,
    mode: u32,
}

impl OneShot for CreateDirectory {
    type Params<'a> = CreateDirectoryParams<Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let mode = new_mode(params.mode)?;
        let operation = CreateDirectory {
            path: params.path.path,
            recursive: params.recursive.unwrap_or(true),
            follow: follow(params.follow_symlinks),
            mode,
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::CreateDirectory, &self.path, Access::Write).recursive(self.recursive)
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.create_directory_with(&self.path, self.recursive, self.follow, self.mode)?;
        Ok(Empty {})
    }
}

/// `fs/remove`.
pub(crate) struct Remove {
    path: AbsPath,
    recursive: bool,
    force: bool,
    follow: Follow,
}

impl OneShot for Remove {
    type Params<'a> = RemoveParams<Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let operation = Remove {
            path: params.path.path,
            recursive: params.recursive.unwrap_or(true),
            force: params.force.unwrap_or(true),
            follow: follow(params.follow_symlinks),
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Remove, &self.path, Access::Write).recursive(self.recursive)
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.remove(&self.path, self.recursive, self.force, self.follow)?;
        Ok(Empty {})
    }
}

/// `fs/copy`.
pub(crate) struct Copy {
    source: AbsPath,
    destination: AbsPath,
    recursive: bool,
    leave_out: bool,
}

impl OneShot for Copy {
    type Params<'a> = CopyParams<Raw<'a>>;
    type Result = CopyResult;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let operation = Copy {
            source: params.source_path.path,
            destination: params.destination_path.path,
            recursive: params.recursive,
            leave_out: params.leave_out,
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Copy, &self.source, Access::Read)
            .and(&self.destination, Access::Write)
            .recursive(self.recursive)
    }

    fn run(self, files: &Files) -> Result<CopyResult, Failure> {
        if self.recursive && self.leave_out {
            let report = files.copy_leaving_out(&self.source, &self.destination)?;
            return Ok(CopyResult {
                left_out: left_out(report.left_out),
                left_out_count: report.left_out_count,
            });
        }
        files.copy(&self.source, &self.destination, self.recursive)?;
        Ok(CopyResult::default())
    }
}
