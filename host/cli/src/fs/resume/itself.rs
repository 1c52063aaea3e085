//! A directory is not sent or fetched into itself: what arrives would travel as well, without end.
//!
//! With an executor of our own both ends are this machine, and the paths tell. Any other one may be on this machine, or on one that has the
//! same paths: that is seen by a file of our own, which is made at one end and looked for at the other. It is tried where the paths
//! say that it could be so, and nowhere else. The same directory under another path (a bind mount, a container) is not noticed.

use std::path::Path;

use lockgate_grant::AbsPath;

use super::end::{Broken, End, Looked, Purpose};
use super::local::Local;
use super::names;
use super::remote::Remote;
use crate::failure::Failure;
use crate::fs::Place;

/// The directory that a tree comes to, where that may be the one that it is of, or in it.
#[derive(Debug)]
pub(in crate::fs) struct Suspect(AbsPath);

impl Suspect {
    /// By the real paths, before anything is made: refused where both are of this machine.
    pub(super) fn by_paths(
        from: &AbsPath,
        to: &AbsPath,
        is_own: bool,
    ) -> Result<Option<Suspect>, Broken> {
        match (to.starts_with(from), is_own) {
            (true, true) => Err(into_itself()),
            (true, false) => Ok(Some(Suspect(to.clone()))),
            (false, _) => Ok(None),
        }
    }

    /// By what the source has at that path, now that the directory is there. What was made for it goes again, in this order.
    pub(super) async fn check<S: End, D: End>(
        &self,
        source: &S,
        target: &D,
        made: &[AbsPath],
    ) -> Result<(), Broken> {
        let Some(sign) = names::sign(&self.0) else {
            return Ok(());
        };
        let tried = async {
            let file = target.open(&sign, Purpose::Begin).await?;
            target.close(file).await
        };
        match tried.await {
            Err(broken) if broken.ends => return Err(broken),
            // Then nothing of the tree is made there either, and that is told.
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        let found = source.look(std::slice::from_ref(&sign)).await;
        target.remove(&sign).await?;
        match found?.first() {
            Some(Looked::File(_)) => {}
            _ => return Ok(()),
        }
        for path in made {
            target.remove(path).await?;
        }
        Err(into_itself())
    }
}

/// A directory that travels as one stream, without `--resume`.
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
                let suspect = Suspect::by_paths(&from, &to, place.is_own);
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
}

fn into_itself() -> Broken {
    Broken::by("cannot copy a directory to itself or one of its descendants".to_owned())
}
