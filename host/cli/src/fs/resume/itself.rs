//! A directory is not sent or fetched into itself: what arrives would travel as well, without end. Nor is a file to itself: it is read while it is written.
//!
//! With an executor of our own both ends are this machine, and the paths tell. Any other one may be on this machine, or on one that has the
//! same paths: that is seen by a file of our own, which is made at one end and looked for at the other. It is tried where the paths
//! say that it could be so, and nowhere else: the server learns the path. Where a source is, a server says; so what was typed must lead there on this machine, too. The same directory under another path (a bind mount, a container) is not noticed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lockgate_grant::AbsPath;

use super::end::{Broken, End, Looked, Purpose};
use super::local::Local;
use super::names;
use super::remote::Remote;
use crate::failure::Failure;
use crate::fs::Place;

/// What is known of the machines of both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs) enum Machines {
    /// Both ends are this one.
    Same,
    /// Where the paths say that it could be so, it is tried.
    Unknown,
    /// They are two, or have other paths.
    Two,
}

impl Machines {
    pub(super) fn of_sent(is_own: bool) -> Machines {
        match is_own {
            true => Machines::Same,
            false => Machines::Unknown,
        }
    }

    /// Where the server says that `typed` leads to `real`. It may say anything, `/` as well, in which everything lies.
    pub(super) async fn of_fetched(typed: &AbsPath, real: &AbsPath, is_own: bool) -> Machines {
        if is_own {
            return Machines::Same;
        }
        match Local.real(typed).await {
            Ok(Some(here)) if here == *real => Machines::Unknown,
            _ => Machines::Two,
        }
    }
}

/// The directory that a tree comes to, where that may be the one that it is of, or in it.
#[derive(Debug)]
pub(in crate::fs) struct Suspect(AbsPath);

impl Suspect {
    /// By the real paths, before anything is made: refused where both are of this machine.
    pub(super) fn by_paths(
        from: &AbsPath,
        to: &AbsPath,
        machines: Machines,
    ) -> Result<Option<Suspect>, Broken> {
        match (to.starts_with(from), machines) {
            (true, Machines::Same) => Err(into_itself()),
            (true, Machines::Unknown) => Ok(Some(Suspect(to.clone()))),
            (true, Machines::Two) | (false, _) => Ok(None),
        }
    }

    /// By what the source has at that path, now that the directory is there. What was made for it goes again, in this order.
    pub(super) async fn check<S: End, D: End>(
        &self,
        source: &S,
        target: &D,
        made: &[AbsPath],
    ) -> Result<(), Broken> {
        if !shared(source, target, &self.0).await? {
            return Ok(());
        }
        for path in made {
            target.remove(path).await?;
        }
        Err(into_itself())
    }
}

/// Whether a directory of the target is the source's of that path: what is made there is seen here.
async fn shared<S: End, D: End>(
    source: &S,
    target: &D,
    directory: &AbsPath,
) -> Result<bool, Broken> {
    let Some(sign) = names::sign(directory) else {
        return Ok(false);
    };
    let tried = async {
        let file = target.open(&sign, Purpose::Begin).await?;
        target.close(file).await
    };
    match tried.await {
        Err(broken) if broken.ends => return Err(broken),
        // Then nothing of a tree is made there either, and that is told.
        Err(_) => return Ok(false),
        Ok(()) => {}
    }
    let found = source.look(std::slice::from_ref(&sign)).await;
    target.remove(&sign).await?;
    Ok(matches!(found?.first(), Some(Looked::File(_))))
}

/// What is sent or fetched without `--resume`: a directory as one stream, or a file.
#[derive(Clone, Copy)]
pub(in crate::fs) enum Stream {
    Sent,
    Fetched,
}

impl Stream {
    /// Before anything is made. The paths may lead through links; what cannot be looked at says why when it is used.
    pub(in crate::fs) async fn suspect(
        self,
        place: &Place<'_>,
        local: &AbsPath,
        path: &Path,
    ) -> Result<Option<Suspect>, Failure> {
        let (there, theirs) = (Remote::new(place), place.path(path)?.path);
        let (from, to) = match self {
            Stream::Sent => (Local.real(local).await, there.real_or_new(&theirs).await),
            Stream::Fetched => (there.real(&theirs).await, Local.real_or_new(local).await),
        };
        match (from, to) {
            (Ok(Some(from)), Ok(to)) => {
                let machines = match self {
                    Stream::Sent => Machines::of_sent(place.is_own()),
                    Stream::Fetched => Machines::of_fetched(&theirs, &from, place.is_own()).await,
                };
                let suspect = Suspect::by_paths(&from, &to, machines);
                suspect.map_err(|broken| broken.about(path))
            }
            _ => Ok(None),
        }
    }

    /// When it is made.
    pub(in crate::fs) async fn check(
        self,
        place: &Place<'_>,
        suspect: Option<Suspect>,
        path: &Path,
        is_new: bool,
    ) -> Result<(), Failure> {
        let Some(suspect) = suspect else {
            return Ok(());
        };
        let there = Remote::new(place);
        let made = match is_new {
            true => std::slice::from_ref(&suspect.0),
            false => &[],
        };
        let checked = match self {
            Stream::Sent => suspect.check(&Local, &there, made).await,
            Stream::Fetched => suspect.check(&there, &Local, made).await,
        };
        checked.map_err(|broken| broken.about(path))
    }

    /// Refuses a file that would be written while it is read: its end would be gone, or never come.
    pub(in crate::fs) async fn check_file(
        self,
        place: &Place<'_>,
        local: &Path,
        path: &Path,
    ) -> Result<(), Failure> {
        let typed = place.path(path)?.path;
        let is_same = match place.is_own() {
            true => identity(local).is_some_and(|file| identity(typed.as_path()) == Some(file)),
            false if identity(local).is_none() => false,
            false => {
                let is_same = self.is_same_file(place, local, &typed).await;
                is_same.map_err(|broken| broken.about(path))?
            }
        };
        match is_same {
            true => {
                let (local, path) = (local.display(), path.display());
                Err(Failure::new(format!(
                    "{local} and {path} are the same file"
                )))
            }
            false => Ok(()),
        }
    }

    async fn is_same_file(
        self,
        place: &Place<'_>,
        local: &Path,
        typed: &AbsPath,
    ) -> Result<bool, Broken> {
        let there = Remote::new(place);
        let real = Local.real(&crate::here::path(local)?).await?;
        let (Some(real), Ok(Some(theirs))) = (real, there.real(typed).await) else {
            return Ok(false);
        };
        match real.parent().filter(|_| real == theirs) {
            None => Ok(false),
            Some(parent) => match self {
                Stream::Sent => shared(&Local, &there, &parent).await,
                Stream::Fetched => shared(&there, &Local, &parent).await,
            },
        }
    }
}

/// Of a regular file of this machine, wherever its path leads.
pub(in crate::fs) fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    Some((found.dev(), found.ino()))
}

fn into_itself() -> Broken {
    Broken::by("cannot copy a directory to itself or one of its descendants".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn attack_17_a_server_that_lies_about_a_path_is_not_told_where_it_comes_to() {
        let dir = tempfile::tempdir().expect("a directory");
        let real = dir.path().canonicalize().expect("there");
        std::fs::create_dir(real.join("d")).expect("made");
        std::os::unix::fs::symlink("d", real.join("link")).expect("linked");
        let path = |path: &str| AbsPath::parse(real.join(path)).expect("a path");
        let (source, to) = (path("d"), path("d/new"));
        for (typed, told, tried) in [
            (&source, &source, true),
            (&path("link"), &source, true),
            (&source, &AbsPath::root(), false),
            (&source, &path(""), false),
            (&path("none"), &source, false),
        ] {
            let machines = Machines::of_fetched(typed, told, false).await;
            let suspect = Suspect::by_paths(told, &to, machines).expect("not refused");
            assert_eq!(suspect.is_some(), tried, "{typed} {told}");
        }
        let own = Machines::of_fetched(&source, &source, true).await;
        assert!(Suspect::by_paths(&source, &to, own).is_err());
    }
}
