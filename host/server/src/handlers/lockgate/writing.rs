//! `lockgate/fs/replaceFile` and `appendFile`: other ways to write than over the old contents.

use lockgate_capfs::operation::Follow;
use lockgate_capfs::{AbsPath, Files, Replacing};
use lockgate_policy_gate::{Access, FileVerb};
use lockgate_wire::lockgate::files::{AppendFileParams, ReplaceFileParams};
use lockgate_wire::{Base64Text, Empty, Method};

use super::names::permission_bits;
use crate::failure::Failure;
use crate::handlers::files::{OneShot, Raw, follow, only_if};
use crate::lane::Order;
use crate::policy::{FileAction, file_verb, file_write};

/// `lockgate/fs/replaceFile`.
pub(crate) struct ReplaceFile {
    path: AbsPath,
    data: Vec<u8>,
    how: Replacing,
    follow: Follow,
}

impl OneShot for ReplaceFile {
    type Params<'a> = ReplaceFileParams<'a, Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let how = Replacing {
            durable: params.durable,
            mode: params.mode.map(permission_bits).transpose()?,
            only_new: params.only_new,
            only_if: params.only_if_sha256.map(only_if).transpose()?,
        };
        if how.only_new && how.only_if.is_some() {
            return Err(Failure::invalid_params(
                "onlyNew and onlyIfSha256 exclude one another: no file is there, or one with these contents".to_owned(),
            ));
        }
        let operation = ReplaceFile {
            path: params.path.path,
            data: data(Method::LockgateFsReplaceFile, &params.data_base64)?,
            how,
            follow: follow(params.follow_symlinks),
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_write(&self.path, self.how.only_if.is_some())
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.replace_file(&self.path, &self.data, self.how, self.follow)?;
        Ok(Empty {})
    }
}

/// `lockgate/fs/appendFile`.
pub(crate) struct AppendFile {
    path: AbsPath,
    data: Vec<u8>,
    follow: Follow,
}

impl OneShot for AppendFile {
    type Params<'a> = AppendFileParams<'a, Raw<'a>>;
    type Result = Empty;
    const ORDER: Order = Order::Alone;

    fn decode<'a>(params: Self::Params<'a>) -> Result<(Self, Option<Raw<'a>>), Failure> {
        let operation = AppendFile {
            path: params.path.path,
            data: data(Method::LockgateFsAppendFile, &params.data_base64)?,
            follow: follow(params.follow_symlinks),
        };
        Ok((operation, params.sandbox))
    }

    fn action(&self) -> FileAction {
        file_verb(FileVerb::Append, &self.path, Access::Write)
    }

    fn run(self, files: &Files) -> Result<Empty, Failure> {
        files.append_file(&self.path, &self.data, self.follow)?;
        Ok(Empty {})
    }
}

/// The code is that of `fs/writeFile`.
fn data(method: Method, text: &Base64Text<'_>) -> Result<Vec<u8>, Failure> {
    text.decode().map_err(|error| {
        Failure::invalid_request(format!(
            "{} requires valid base64 dataBase64: {error}",
            method.name()
        ))
    })
}
