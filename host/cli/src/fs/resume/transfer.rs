//! A transfer from one end to the other: of a single file here, of trees in [`super::tree`]; how a file goes is [`super::file`].

use std::cell::{Cell, RefCell};

use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::lockgate::tree::{LeftOut, TreeResult};

use super::end::{Bits, Broken, End, Kind, Looked, Looks, Version};
use super::itself::Machines;
use crate::fs::stream::tell_looks;
use crate::progress::Progress;

/// What is told of things that were left out, at most; all are counted.
const TOLD: usize = 100;

/// From one end to the other.
pub(super) struct Transfer<'a, S: End, D: End> {
    pub(super) from: &'a S,
    pub(super) to: &'a D,
    pub(super) progress: &'a RefCell<Progress>,
    pub(super) machines: Machines,
    /// The directory that a tree comes to was there before this attempt and all that it follows.
    pub(super) was_there: &'a Cell<bool>,
    /// One file at a time is listed again: a server has few trees open for a connection, and the one that is sent or fetched is one of them.
    pub(super) listing: tokio::sync::Mutex<()>,
    /// That names of partials do not travel is said once.
    told_partials: Cell<bool>,
    /// Files of a tree that were there as they are.
    pub(super) there: Cell<u64>,
    /// What arrived, and what did not.
    pub(super) report: RefCell<TreeResult>,
}

impl<'a, S: End, D: End> Transfer<'a, S, D> {
    pub(super) fn new(
        (from, to): (&'a S, &'a D),
        progress: &'a RefCell<Progress>,
        was_there: &'a Cell<bool>,
        machines: Machines,
    ) -> Self {
        Transfer {
            from,
            to,
            progress,
            machines,
            was_there,
            listing: tokio::sync::Mutex::default(),
            told_partials: Cell::new(false),
            there: Cell::new(0),
            report: RefCell::default(),
        }
    }

    /// `recursive` says what has to be sent, if that was said.
    pub(super) async fn run(
        &self,
        from: &AbsPath,
        to: &AbsPath,
        recursive: Option<bool>,
    ) -> Result<(), Broken> {
        let mut outline = self
            .from
            .outline(from)
            .await
            .map_err(Broken::while_reading)?;
        let mut first = self.from.next(&mut outline).await?.into_iter();
        let root = first.next().filter(|root| root.name.is_empty());
        let name = from.to_string();
        let name = printable(&name);
        match root.map(|root| (root.kind.clone(), root)) {
            Some((Kind::File { size }, root)) if recursive != Some(true) => {
                let version = Version {
                    size,
                    modified_ms: root.modified_ms,
                };
                let left = self.from.end(outline).await?;
                self.progress.borrow_mut().begin(Some(size));
                self.one(from, to, version, root.mode).await?;
                self.progress.borrow_mut().hide();
                tell_looks(&left);
                Ok(())
            }
            Some((Kind::Directory, root)) if recursive != Some(false) => {
                self.progress.borrow_mut().begin(None);
                let looks = Looks {
                    mode: root.mode,
                    modified_ms: root.modified_ms,
                };
                self.tree((from, looks), to, (outline, first.collect()))
                    .await
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
        let bits = match looked.first() {
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
                match found.first() {
                    Some(old) => Bits::Kept(old.mode),
                    None => Bits::OfSource(mode),
                }
            }
            _ => Bits::OfSource(mode),
        };
        if let Some(outline) = outline {
            self.to.end(outline).await?;
        }
        if looked.first() == Some(&Looked::File(version.arrived())) {
            return Ok(());
        }
        let stale = match to.parent() {
            Some(parent) => self.to.names(&[parent]).await?.concat(),
            None => Vec::new(),
        };
        self.file(from, &to, version, bits, &stale).await
    }

    pub(super) fn arrived(&self, version: Version) {
        let mut report = self.report.borrow_mut();
        report.files += 1;
        report.bytes += version.size;
    }

    /// Notes what a directory did not get.
    pub(super) fn not_settled(&self, name: &str, broken: Broken) -> Result<(), Broken> {
        let text = format!("its mode and time were not set: {}", broken.text);
        self.leave_out(name, Broken { text, ..broken })
    }

    /// Notes an entry whose name is that of a partial, or which is in one. All are counted, and the first one is told.
    pub(super) fn leave_out_partial(&self, name: &str) {
        let mut report = self.report.borrow_mut();
        report.left_out_count += 1;
        if !self.told_partials.replace(true) {
            report.left_out.push(LeftOut {
                name: name.to_owned(),
                reason: "names of the partial files of transfers do not travel".to_owned(),
            });
        }
    }

    /// Notes it, unless all that comes after it fares the same.
    pub(super) fn leave_out(&self, name: &str, broken: Broken) -> Result<(), Broken> {
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
