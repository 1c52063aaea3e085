//! `lockgate fs`: files of a server, directly or through the gate.

mod about;
mod args;
mod cat;
mod change;
mod get;
mod granted;
mod into;
mod long;
mod look;
mod names;
mod parents;
mod pieces;
mod put;
mod resume;
mod settle;
mod several;
mod slash;
mod stat;
mod stream;
mod tree;
mod write;

use std::path::Path;
use std::process::ExitCode;

use lockgate_client::{Client, ClientError};
use lockgate_grant::{AbsPath, Sandbox};
use lockgate_wire::WirePath;
use lockgate_wire::fs::{GetMetadataParams, MetadataResult};

use crate::failure::Failure;
use crate::here::Beginning;
use crate::runtime;
use crate::server;
use about::about;
pub(crate) use args::Args;
use args::{Common, GoesOn, What};
use resume::Again;
use write::Old;

/// A connection and what may be done over it.
struct Place<'a> {
    client: &'a Client,
    begins: Beginning,
    sandbox: Option<Sandbox>,
}

impl Place<'_> {
    /// The server is one of our own, on this machine.
    fn is_own(&self) -> bool {
        matches!(self.begins, Beginning::Here(_))
    }

    /// A typed path of the server.
    fn at(&self, text: &Path) -> Result<AbsPath, Failure> {
        self.begins.path(text)
    }

    /// The same, for the wire.
    fn path(&self, text: &Path) -> Result<WirePath, Failure> {
        Ok(self.client.path(self.at(text)?))
    }

    /// All that the server tells of what a path leads to.
    async fn metadata(&self, path: WirePath) -> Result<MetadataResult, ClientError> {
        let params = GetMetadataParams {
            path,
            sandbox: self.sandbox.clone(),
            follow_symlinks: None,
            every_attribute: self.client.tells_every_attribute(),
        };
        self.client.metadata(&params).await
    }
}

fn again(common: &Common, retries: u32) -> Again<'_> {
    Again {
        server: &common.server,
        retries,
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let Common { server, profile } = args.what.common();
    profile.foretold(server.is_own())?;
    runtime::run(server::with(
        server,
        // Open files go with their link: `--resume` goes on from what is there instead.
        None,
        async |client: &Client| {
            let begins = server.beginning(client)?;
            let place = Place {
                client,
                sandbox: profile.sandbox_on(&begins)?,
                begins,
            };
            match &args.what {
                What::Ls {
                    long: true,
                    json,
                    path,
                    ..
                } => long::ls(&place, path, *json).await,
                What::Ls { json, path, .. } => look::ls(&place, path, *json).await,
                What::Stat { json, paths, .. } => stat::stat(&place, paths, *json).await,
                What::Cat { paths, .. } => cat::cat(&place, paths).await,
                What::Get {
                    common,
                    goes_on:
                        GoesOn {
                            resume: true,
                            retries,
                        },
                    recursive,
                    parents,
                    path,
                    local,
                } => {
                    slash::check(&place, path).await?;
                    let local = into::here(&place, path, local, *recursive).await?;
                    parents::local(&local, *parents)?;
                    let again = again(common, *retries);
                    resume::get(&again, &place, (path, &local), *recursive).await
                }
                What::Get {
                    recursive,
                    parents,
                    path,
                    local,
                    ..
                } => get::get(&place, path, local, (*recursive, *parents)).await,
                What::Put {
                    common,
                    goes_on:
                        GoesOn {
                            resume: true,
                            retries,
                        },
                    recursive,
                    parents,
                    local,
                    path,
                    ..
                } => {
                    let again = again(common, *retries);
                    let path = &match recursive {
                        true => {
                            put::check(local, true)?;
                            parents::there(&place, path, *parents).await?;
                            path.clone()
                        }
                        false => into::sent(&place, local, path).await?,
                    };
                    resume::put(&again, &place, (local, path), *recursive).await
                }
                What::Put {
                    recursive: true,
                    parents,
                    local,
                    path,
                    ..
                } => {
                    put::check(local, false)?;
                    parents::there(&place, path, *parents).await?;
                    put::tree(&place, local, path).await
                }
                What::Put {
                    atomic,
                    durable,
                    local,
                    path,
                    ..
                } => {
                    let old = match atomic {
                        true => Old::Replaced { durable: *durable },
                        false => Old::Overwritten,
                    };
                    let path = into::sent(&place, local, path).await?;
                    write::write(&place, local, &path, old).await
                }
                What::Append { local, path, .. } => {
                    slash::check_file(&place, path).await?;
                    write::write(&place, local, path, Old::Kept).await
                }
                What::Mv {
                    no_clobber,
                    from,
                    to,
                    ..
                } => names::mv(&place, from, to, *no_clobber).await,
                What::Ln { target, path, .. } => names::ln(&place, target, path).await,
                What::Chmod { mode, paths, .. } => names::chmod(&place, *mode, paths).await,
                What::Touch {
                    accessed,
                    modified,
                    paths,
                    ..
                } => names::touch(&place, (*accessed, *modified), paths).await,
                What::Mkdir { parents, path, .. } => change::mkdir(&place, path, *parents).await,
                What::Rm {
                    recursive,
                    force,
                    paths,
                    ..
                } => change::rm(&place, paths, *recursive, *force).await,
                What::Cp {
                    recursive,
                    parents,
                    from,
                    to,
                    ..
                } => {
                    let recursive = recursive.then_some(change::Recursive { make: *parents });
                    change::cp(&place, from, to, recursive).await
                }
                What::Tree {
                    json,
                    depth,
                    no_hidden,
                    path,
                    ..
                } => tree::tree(&place, path, *depth, *no_hidden, *json).await,
            }?;
            Ok(ExitCode::SUCCESS)
        },
    ))
}
