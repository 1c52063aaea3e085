//! `fs get --resume` and `fs put --resume`: a transfer that was cut goes on when the same command is run again.
//!
//! Each file is written under a name of its own beside the one that it will have, and gets that when it is whole. The partial's name has
//! the version of the source in it (size and time of modification, [`names::Partial`]), so what was begun of another version is never
//! continued. Before one is continued its last bytes are compared with the source's, and afterwards the source must still be what it was.
//! A file that is there already with the source's size and time is taken for the same.
//!
//! Both directions are one, between two [`End`]s.

mod end;
mod local;
mod names;
mod remote;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use lockgate_grant::AbsPath;
use lockgate_wire::Method;
use lockgate_wire::limits::BLOCK_BYTES;
use lockgate_wire::lockgate::tree::{LeftOut, TreeResult};

use super::granted::Granted;
use super::look::printable;
use super::stream::{here, needs, tell};
use super::{Place, about};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::server::Server;
use end::{Broken, CHUNK, End, Found, Kind, Looked, Looks, Purpose, Version};
use names::Partial;

/// Up to here a file goes in one piece, and begins again if that was cut: it is no more than a block.
const SMALL: u64 = 256 * 1024;

/// Files at once: the way to the server is filled also by small ones.
const AT_ONCE: usize = 16;

/// How much of the end of what had arrived is compared: as much as a power failure may leave as zeros, and a moment's transfer.
const TAIL: u64 = 256 * 1024;

/// Between a lost connection and the next attempt: a moment at first, then twice as long each time up to this.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What is told of things that were left out, at most; all are counted.
const TOLD: usize = 100;

/// Where to, and how often to go on by itself after a lost connection.
pub(super) struct Again<'a> {
    pub(super) server: &'a Server,
    pub(super) retries: u32,
}

/// A path of the server to one here.
pub(super) async fn get(
    again: &Again<'_>,
    place: &Place<'_>,
    path: &Path,
    local: &Path,
) -> Result<(), Failure> {
    needs(place, Method::LockgateFsListTree)?;
    if local == Path::new("-") {
        return Err(Failure::usage("--resume needs a file: stdout cannot go on"));
    }
    let (from, to) = (place.path(path)?.path, here(local)?);
    let progress = RefCell::new(Progress::hidden());
    let done = again.until_done(place, &progress, async |place: &Place<'_>| {
        let server = remote::Remote::new(place);
        // Where there is nothing, listing it says so.
        let from = server.real(&from).await?.unwrap_or_else(|| from.clone());
        let transfer = Transfer::new(&server, &local::Local, &progress);
        transfer.run(&from, &to, None).await
    });
    done.await.map_err(|broken| said(place, path, broken))
}

/// A path here to one of the server; a directory with `recursive` only.
pub(super) async fn put(
    again: &Again<'_>,
    place: &Place<'_>,
    (local, path): (&Path, &Path),
    recursive: bool,
) -> Result<(), Failure> {
    needs(place, Method::LockgateFsListTree)?;
    if local == Path::new("-") {
        return Err(Failure::usage(
            "--resume needs a file: stdin cannot be read again",
        ));
    }
    let from = std::fs::canonicalize(local)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    let (from, to) = (here(&from)?, place.path(path)?.path);
    let progress = RefCell::new(Progress::hidden());
    let done = again.until_done(place, &progress, async |place: &Place<'_>| {
        let server = remote::Remote::new(place);
        let transfer = Transfer::new(&local::Local, &server, &progress);
        transfer.run(&from, &to, Some(recursive)).await
    });
    done.await.map_err(|broken| {
        let granted = place.sandbox.as_ref().map(Granted::by);
        let alone = granted.is_some_and(|granted| granted.is_root(&to));
        let beside = alone && broken.text.ends_with("(os error 13)");
        let failure = said(place, path, broken);
        match beside {
            true => failure.and(
                "; what is not whole yet is written beside it: grant its directory with --write",
            ),
            false => failure,
        }
    })
}

impl Again<'_> {
    /// Does the work over this connection, and over new ones as long as those are lost. What arrives in between counts: the retries are of
    /// attempts that came to nothing.
    async fn until_done(
        &self,
        place: &Place<'_>,
        progress: &RefCell<Progress>,
        work: impl AsyncFn(&Place<'_>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let mut outcome = work(place).await;
        let (mut tried, mut arrived) = (0, 0);
        loop {
            let travelled = progress.borrow().travelled();
            if travelled > arrived {
                (tried, arrived) = (0, travelled);
            }
            match outcome {
                Err(broken) if broken.lost && tried < self.retries => {
                    // What is drawn would stand in the way.
                    progress.borrow_mut().hide();
                    let wait = FIRST_WAIT
                        .saturating_mul(1 << tried.min(16))
                        .min(LONGEST_WAIT);
                    eprintln!("lockgate: {}; going on", broken.text);
                    tokio::time::sleep(wait).await;
                    tried += 1;
                }
                outcome => return outcome,
            }
            outcome = match self.server.connect().await {
                Ok(client) => {
                    let place = Place {
                        client: &client,
                        sandbox: place.sandbox.clone(),
                    };
                    let outcome = work(&place).await;
                    client.close().await;
                    outcome
                }
                // It worked before, so it is the way that is gone.
                Err(failure) => Err(Broken {
                    lost: true,
                    ..Broken::from(failure)
                }),
            };
        }
    }
}

/// What stopped it, and what a profile may have to do with that.
fn said(place: &Place<'_>, path: &Path, broken: Broken) -> Failure {
    match broken.ends {
        true => Failure::new(broken.text).and("; the same command goes on from here"),
        false => about(place, path)(lockgate_client::ClientError::Server {
            code: lockgate_wire::code::INTERNAL,
            message: broken.text,
        }),
    }
}

/// A directory that was made.
struct Directory {
    path: AbsPath,
    name: String,
    looks: Looks,
}

/// From one end to the other.
struct Transfer<'a, S: End, D: End> {
    from: &'a S,
    to: &'a D,
    progress: &'a RefCell<Progress>,
    /// What arrived, or was there, and what did not.
    report: RefCell<TreeResult>,
}

impl<'a, S: End, D: End> Transfer<'a, S, D> {
    fn new(from: &'a S, to: &'a D, progress: &'a RefCell<Progress>) -> Self {
        Transfer {
            from,
            to,
            progress,
            report: RefCell::default(),
        }
    }

    /// `recursive` says what has to be sent, if that was said.
    async fn run(
        &self,
        from: &AbsPath,
        to: &AbsPath,
        recursive: Option<bool>,
    ) -> Result<(), Broken> {
        let mut outline = self.from.outline(from).await.map_err(reading)?;
        let mut first = self.from.next(&mut outline).await?.into_iter();
        let root = first.next().filter(|root| root.name.is_empty());
        let name = printable(&from.to_string());
        match root.map(|root| (root.kind.clone(), root)) {
            Some((Kind::File { size }, root)) if recursive != Some(true) => {
                let version = Version {
                    size,
                    modified_ms: root.modified_ms,
                };
                self.from.end(outline).await?;
                self.progress.borrow_mut().begin(Some(size));
                self.one(from, to, version, root.mode).await
            }
            Some((Kind::Directory, _)) if recursive != Some(false) => {
                self.progress.borrow_mut().begin(None);
                self.tree(from, to, (outline, first.collect())).await
            }
            Some((Kind::Directory, _)) => Err(Broken::by(format!(
                "{name} is a directory: send it with --recursive"
            ))),
            Some((Kind::File { .. }, _)) => Err(Broken::by(format!(
                "{name} is no directory: leave out --recursive"
            ))),
            _ => Err(Broken::by(format!(
                "{name} is neither a file nor a directory"
            ))),
        }
    }

    /// A single file, which takes the place of what the other path leads to.
    async fn one(
        &self,
        from: &AbsPath,
        to: &AbsPath,
        version: Version,
        mode: u32,
    ) -> Result<(), Broken> {
        let to = match self.to.real(to).await? {
            Some(real) => real,
            None => {
                // Its directory must be there.
                let parent = match to.parent() {
                    Some(parent) => self.to.real(&parent).await?,
                    None => None,
                };
                let name = to.file_name().unwrap_or_default();
                match parent.and_then(|parent| parent.join(name).ok()) {
                    Some(path) => path,
                    None => {
                        return Err(Broken::by(
                            "No such file or directory (os error 2): its directory is not there"
                                .to_owned(),
                        ));
                    }
                }
            }
        };
        let mut outline = None;
        let looked = self.to.look(std::slice::from_ref(&to)).await?;
        let mode = match looked.first() {
            Some(Looked::Directory) => {
                return Err(Broken::by(
                    "there is a directory: name the file to make".to_owned(),
                ));
            }
            Some(Looked::Refused(why)) => return Err(Broken::by(why.clone())),
            // The bits of the one that is replaced stay.
            Some(Looked::File(_)) => {
                let old = outline.insert(self.to.outline(&to).await?);
                let found = self.to.next(old).await?;
                found.first().map_or(mode, |old| old.mode)
            }
            _ => mode,
        };
        if let Some(outline) = outline {
            self.to.end(outline).await?;
        }
        if looked.first() == Some(&Looked::File(version)) {
            return Ok(());
        }
        let stale = match to.parent() {
            Some(parent) => self.to.names(&[parent]).await?.concat(),
            None => Vec::new(),
        };
        self.file(from, &to, version, mode, &stale).await
    }

    /// A directory with all below it, merged into the other one.
    async fn tree(
        &self,
        from: &AbsPath,
        to: &AbsPath,
        (mut outline, mut found): (S::Outline, Vec<Found>),
    ) -> Result<(), Broken> {
        let to = self.real_or_new(to).await?;
        let made = self.to.make_directories(std::slice::from_ref(&to)).await?;
        made.into_iter().collect::<Result<(), _>>()?;
        // They get their looks at the end: each file that is made in them changes their times.
        let mut directories = Vec::new();
        loop {
            if found.is_empty() {
                found = self.from.next(&mut outline).await?;
            }
            if found.is_empty() {
                break;
            }
            self.some(from, &to, std::mem::take(&mut found), &mut directories)
                .await?;
        }
        // The inner ones first: an outer one may be closed to its owner.
        directories.reverse();
        for some in directories.chunks(CHUNK) {
            let looks: Vec<_> = some
                .iter()
                .map(|one| (one.path.clone(), one.looks))
                .collect();
            let settled = self.to.settle(&looks).await?;
            for (directory, settled) in some.iter().zip(settled) {
                if let Err(broken) = settled {
                    let text = format!("its mode and time were not set: {}", broken.text);
                    self.leave_out(&directory.name, Broken { text, ..broken })?;
                }
            }
        }
        let left = self.from.end(outline).await?;
        self.progress.borrow_mut().hide();
        tell(&left, &self.report.borrow()).map_err(|failure| Broken {
            text: failure.to_string(),
            ends: false,
            lost: false,
        })
    }

    /// The path without links, as far as it is there.
    async fn real_or_new(&self, path: &AbsPath) -> Result<AbsPath, Broken> {
        let (mut there, mut missing) = (path.clone(), Vec::new());
        let mut real = loop {
            if let Some(real) = self.to.real(&there).await? {
                break real;
            }
            match (there.parent(), there.file_name()) {
                (Some(parent), Some(name)) => {
                    missing.push(name.to_owned());
                    there = parent;
                }
                // Not even the root may be looked at.
                _ => return Ok(path.clone()),
            }
        };
        while let Some(name) = missing.pop() {
            let longer = real.join(name);
            real = longer.map_err(|error| Broken::by(error.to_string()))?;
        }
        Ok(real)
    }

    /// Some entries of a tree: first directories, then files, links last, so that nothing goes through one of them.
    async fn some(
        &self,
        from: &AbsPath,
        to: &AbsPath,
        found: Vec<Found>,
        directories: &mut Vec<Directory>,
    ) -> Result<(), Broken> {
        let (mut made, mut files, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for entry in found {
            let name = printable(&String::from_utf8_lossy(&entry.name));
            let paths = names::below(from, &entry.name)
                .and_then(|source| Ok((source, names::below(to, &entry.name)?)));
            let (source, path) = match paths {
                Ok(paths) => paths,
                Err(why) => {
                    self.leave_out(&name, Broken::by(why.to_owned()))?;
                    continue;
                }
            };
            let looks = Looks {
                mode: entry.mode,
                modified_ms: entry.modified_ms,
            };
            match entry.kind {
                Kind::Directory => made.push(Directory { path, name, looks }),
                Kind::File { size } => {
                    let modified_ms = entry.modified_ms;
                    let version = Version { size, modified_ms };
                    files.push((source, path, name, version, looks.mode));
                }
                Kind::Link { target } => links.push((path, name, target)),
            }
        }
        let paths: Vec<_> = made.iter().map(|one| one.path.clone()).collect();
        let outcomes = self.to.make_directories(&paths).await?;
        for (directory, outcome) in made.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.report.borrow_mut().directories += 1;
                    directories.push(directory);
                }
                Err(broken) => self.leave_out(&directory.name, broken)?,
            }
        }
        self.files(files).await?;
        for (path, name, target) in links {
            match self.link(&path, &target).await {
                Ok(()) => self.report.borrow_mut().links += 1,
                Err(broken) => self.leave_out(&name, broken)?,
            }
        }
        Ok(())
    }

    async fn files(
        &self,
        files: Vec<(AbsPath, AbsPath, String, Version, u32)>,
    ) -> Result<(), Broken> {
        let paths: Vec<_> = files.iter().map(|(_, path, ..)| path.clone()).collect();
        let looked = self.to.look(&paths).await?;
        let mut wanted = Vec::new();
        for ((source, path, name, version, mode), looked) in files.into_iter().zip(looked) {
            match looked {
                Looked::File(there) if there == version => {
                    self.arrived(version);
                    self.progress.borrow_mut().skip(version.size);
                    continue;
                }
                Looked::Directory => {
                    let text = "there is a directory of that name".to_owned();
                    self.leave_out(&name, Broken::by(text))?;
                    continue;
                }
                Looked::Refused(why) => {
                    self.leave_out(&name, Broken::by(why))?;
                    continue;
                }
                Looked::File(_) | Looked::Nothing => {}
            }
            wanted.push((source, path, name, version, mode));
        }
        let parents: BTreeSet<AbsPath> = wanted
            .iter()
            .filter_map(|(_, path, ..)| path.parent())
            .collect();
        let parents: Vec<AbsPath> = parents.into_iter().collect();
        let beside = self.to.names(&parents).await?;
        let beside: BTreeMap<AbsPath, Vec<String>> = parents.into_iter().zip(beside).collect();
        let mut running = futures_util::stream::iter(wanted)
            .map(async |(source, path, name, version, mode)| {
                let parent = path.parent().unwrap_or_else(AbsPath::root);
                let beside = beside.get(&parent).map_or(&[][..], Vec::as_slice);
                let done = self.file(&source, &path, version, mode, beside).await;
                (name, version, done)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((name, version, done)) = running.next().await {
            match done {
                Ok(()) => self.arrived(version),
                Err(broken) => self.leave_out(&name, broken)?,
            }
        }
        Ok(())
    }

    /// One file, whole or not at all; `beside` are names in its directory.
    async fn file(
        &self,
        source: &AbsPath,
        path: &AbsPath,
        version: Version,
        mode: u32,
        beside: &[String],
    ) -> Result<(), Broken> {
        let partial = Partial::new(path, source, version).map_err(Broken::by)?;
        for name in beside.iter().filter(|name| partial.is_stale(name)) {
            if let Some(stale) = path.parent().and_then(|parent| parent.join(name).ok()) {
                self.to.remove(&stale).await?;
            }
        }
        let looks = Looks {
            mode,
            modified_ms: version.modified_ms,
        };
        let done = match version.size <= SMALL {
            true => {
                self.small(source, path, &partial.path, version, looks)
                    .await
            }
            false => {
                self.large(source, path, &partial.path, version, looks)
                    .await
            }
        };
        match done {
            // Of a source that is another one by now nothing can be continued.
            Err(Stopped::Changed) => {
                self.to.remove(&partial.path).await?;
                Err(Broken::by(
                    "it changed while it was read; run the same command again".to_owned(),
                ))
            }
            Err(Stopped::Broken(broken)) => Err(broken),
            Ok(()) => Ok(()),
        }
    }

    async fn small(
        &self,
        source: &AbsPath,
        path: &AbsPath,
        partial: &AbsPath,
        version: Version,
        looks: Looks,
    ) -> Result<(), Stopped> {
        let (bytes, looked) = self.from.contents(source).await.map_err(reading)?;
        if looked != Looked::File(version) || bytes.len() as u64 != version.size {
            return Err(Stopped::Changed);
        }
        self.to.place(partial, path, bytes, looks).await?;
        self.progress.borrow_mut().add(version.size);
        Ok(())
    }

    async fn large(
        &self,
        source: &AbsPath,
        path: &AbsPath,
        partial: &AbsPath,
        version: Version,
        looks: Looks,
    ) -> Result<(), Stopped> {
        let looked = self.to.look(std::slice::from_ref(partial)).await?;
        let had = match looked.first() {
            Some(Looked::File(found)) if found.size <= version.size => found.size,
            _ => 0,
        };
        let reader = self
            .from
            .open(source, Purpose::Read)
            .await
            .map_err(reading)?;
        let copied = async {
            let (writer, at) = self.begin(&reader, partial, had).await?;
            if at > 0 {
                tracing::info!("{}: going on at {at} of {}", path, version.size);
            }
            self.progress.borrow_mut().skip(at);
            let copied = self.copy(&reader, &writer, at, version.size).await;
            let closed = self.to.close(writer).await;
            copied.and(closed.map_err(Stopped::from))
        };
        let copied = copied.await;
        // What was read is read, whatever comes of the closing.
        let _ = self.from.close(reader).await;
        copied?;
        let source = self.from.look(std::slice::from_ref(source)).await?;
        if source.first() != Some(&Looked::File(version)) {
            return Err(Stopped::Changed);
        }
        match self.to.look(std::slice::from_ref(partial)).await?.first() {
            Some(Looked::File(found)) if found.size == version.size => {}
            found => {
                let text = format!(
                    "its partial {} is not what was written ({found:?}); run the same command again",
                    printable(&partial.to_string())
                );
                return Err(Broken::by(text).into());
            }
        }
        self.to.finish(partial, path, looks).await?;
        Ok(())
    }

    /// The partial, opened, and where to go on: after what it has, if that ends as the source has it there.
    async fn begin(
        &self,
        reader: &S::File,
        partial: &AbsPath,
        had: u64,
    ) -> Result<(D::File, u64), Broken> {
        if had > 0 {
            let writer = self.to.open(partial, Purpose::GoOn).await?;
            let len = had.min(TAIL);
            let (there, here) = (
                self.to.read(&writer, had - len, len).await?,
                self.from
                    .read(reader, had - len, len)
                    .await
                    .map_err(reading)?,
            );
            if there == here && here.len() as u64 == len {
                return Ok((writer, had));
            }
            self.to.close(writer).await?;
        }
        let writer = self.to.open(partial, Purpose::Begin).await?;
        self.to.hide(partial).await?;
        Ok((writer, 0))
    }

    /// The next block is read while the one before is written.
    async fn copy(
        &self,
        reader: &S::File,
        writer: &D::File,
        mut at: u64,
        size: u64,
    ) -> Result<(), Stopped> {
        let block = |at: u64| {
            let len = size.saturating_sub(at).min(BLOCK_BYTES);
            async move {
                match len {
                    0 => Ok(Vec::new()),
                    len => self.from.read(reader, at, len).await.map_err(reading),
                }
            }
        };
        let mut next = block(at).await?;
        while at < size {
            let len = next.len() as u64;
            if len < (size - at).min(BLOCK_BYTES) {
                return Err(Stopped::Changed);
            }
            let write = self.to.write(writer, at, next);
            let (written, read) = tokio::join!(write, block(at + len));
            written?;
            at += len;
            self.progress.borrow_mut().add(len);
            next = read?;
        }
        Ok(())
    }

    async fn link(&self, path: &AbsPath, target: &[u8]) -> Result<(), Broken> {
        let parent = path.parent().unwrap_or_else(AbsPath::root);
        let looked = self.to.look(std::slice::from_ref(&parent)).await?;
        match looked.into_iter().next() {
            Some(Looked::Directory) => self.to.make_link(target, path).await,
            Some(Looked::Refused(why)) => Err(Broken::by(why)),
            _ => Err(Broken::by("its directory is not there".to_owned())),
        }
    }

    fn arrived(&self, version: Version) {
        let mut report = self.report.borrow_mut();
        report.files += 1;
        report.bytes += version.size;
    }

    /// Notes it, unless all that comes after it fares the same.
    fn leave_out(&self, name: &str, broken: Broken) -> Result<(), Broken> {
        if broken.ends {
            return Err(broken.of(name));
        }
        let mut report = self.report.borrow_mut();
        report.left_out_count += 1;
        if report.left_out.len() < TOLD {
            report.left_out.push(LeftOut {
                name: name.to_owned(),
                reason: broken.text,
            });
        }
        Ok(())
    }
}

/// It was the end that is read.
fn reading(broken: Broken) -> Broken {
    match broken.ends {
        true => broken,
        false => broken.of("it cannot be read"),
    }
}

/// Why a file did not arrive.
enum Stopped {
    /// The source is not what it was.
    Changed,
    Broken(Broken),
}

impl From<Broken> for Stopped {
    fn from(broken: Broken) -> Stopped {
        Stopped::Broken(broken)
    }
}
