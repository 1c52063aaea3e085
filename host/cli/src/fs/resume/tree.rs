//! Directories with all that is in them: merged into what is there, and nothing written through a link.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;

use super::end::{Bits, Broken, CHUNK, End, Found, Kind, Looked, Looks, Version};
use super::itself::Suspect;
use super::names;
use super::transfer::Transfer;
use crate::fs::stream::{OPEN, counted, tell};

/// Files at once: the way to the server is filled also by small ones.
const AT_ONCE: usize = 16;

/// A directory below the one that the tree comes to.
struct Directory {
    path: AbsPath,
    name: String,
    looks: Looks,
}

impl Directory {
    /// As it has to be while something is made in it, also if its owner may not change it when all is there.
    fn open(&self) -> (AbsPath, Looks) {
        (self.path.clone(), self.looks.open())
    }
}

impl<S: End, D: End> Transfer<'_, S, D> {
    /// A directory with all below it, merged into the other one.
    pub(super) async fn tree(
        &self,
        (from, looks): (&AbsPath, Looks),
        to: &AbsPath,
        (mut outline, mut found): (S::Outline, Vec<Found>),
    ) -> Result<(), Broken> {
        let to = self.to.real_or_new(to).await?;
        let suspect = Suspect::by_paths(from, &to, self.machines)?;
        let top = self.top(from, &to, looks).await?;
        if let Some(suspect) = suspect {
            let made = top.made_now();
            suspect.check(self.from, self.to, &made).await?;
        }
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
                    self.not_settled(&directory.name, broken)?;
                }
            }
        }
        self.settle_top(top).await?;
        let left = self.from.end(outline).await?;
        let mut into: Vec<_> = directories.into_iter().map(|one| one.path).collect();
        into.push(to);
        let abandoned = self.abandoned(into).await?;
        self.progress.borrow_mut().hide();
        if let Some(first) = abandoned.first() {
            tell!(
                "lockgate: {} of other transfers, which were cut or are running, {} there, such as {}: to be removed if none of them is to go on",
                counted(abandoned.len() as u64, ["partial file", "partial files"]),
                if abandoned.len() == 1 { "is" } else { "are" },
                printable(&first.to_string())
            );
        }
        let told = tell(&left, &self.report.borrow(), self.there.get());
        told.map_err(|failure| Broken::by(failure.to_string()))
    }

    /// Partials that nobody goes on with: of files that the source does not have any more, if no other transfer comes here. They are not removed, for that nobody here can tell.
    async fn abandoned(&self, mut directories: Vec<AbsPath>) -> Result<Vec<AbsPath>, Broken> {
        let mut found = Vec::new();
        // What was left out may be one of them, and goes on the next time.
        if self.report.borrow().left_out_count > 0 {
            return Ok(found);
        }
        directories.sort();
        directories.dedup();
        for some in directories.chunks(CHUNK) {
            let listed = self.to.names(some).await?;
            for (directory, names) in some.iter().zip(listed) {
                let partials = names.iter().filter(|name| names::is_partial(name));
                found.extend(partials.filter_map(|name| directory.join(name).ok()));
            }
        }
        Ok(found)
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
            let name = printable(&String::from_utf8_lossy(&entry.name)).into_owned();
            if names::is_in_partial(&entry.name) {
                self.leave_out_partial(&name);
                continue;
            }
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
        let new: Vec<_> = made.iter().map(Directory::open).collect();
        let outcomes = self.to.make_directories(&new).await?;
        let before = directories.len();
        for (directory, outcome) in made.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.report.borrow_mut().directories += 1;
                    directories.push(directory);
                }
                Err(broken) => self.leave_out(&directory.name, broken)?,
            }
        }
        self.open(&directories[before..]).await?;
        self.files(files).await?;
        for (path, name, target) in links {
            match self.link(&path, &target).await {
                Ok(()) => self.report.borrow_mut().links += 1,
                Err(broken) => self.leave_out(&name, broken)?,
            }
        }
        Ok(())
    }

    /// A directory that its owner may not change has to be changed all the same, and may be there from the last time. It gets its bits at the end.
    async fn open(&self, directories: &[Directory]) -> Result<(), Broken> {
        let closed = directories
            .iter()
            .filter(|one| one.looks.mode & OPEN != OPEN);
        let looks: Vec<_> = closed.map(Directory::open).collect();
        if !looks.is_empty() {
            // What comes of it shows in what is written into them.
            self.to.settle(&looks).await?;
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
                Looked::File(there) if there == version.arrived() => {
                    self.there.update(|there| there + 1);
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
                let done = self
                    .file(&source, &path, version, Bits::OfSource(mode), beside)
                    .await;
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

    async fn link(&self, path: &AbsPath, target: &[u8]) -> Result<(), Broken> {
        let parent = path.parent().unwrap_or_else(AbsPath::root);
        let looked = self.to.look(std::slice::from_ref(&parent)).await?;
        match looked.into_iter().next() {
            Some(Looked::Directory) => self.to.make_link(target, path).await,
            Some(Looked::Refused(why)) => Err(Broken::by(why)),
            _ => Err(Broken::by("its directory is not there".to_owned())),
        }
    }
}
