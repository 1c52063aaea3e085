//! The directory that a tree comes to. One that a transfer makes gets bits and time of the source's when all has arrived, also where the transfer was cut and
//! the same command ends it later, perhaps as another process: that it was made is said by a mark in it, an empty file with a name like those of partials.

use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;

use super::end::{Broken, End, Looked, Looks};
use super::names;
use super::transfer::Transfer;

pub(super) struct Top {
    path: AbsPath,
    mark: AbsPath,
    looks: Looks,
    came: Came,
}

/// How it came to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It was there: it keeps its bits and its time.
    Before,
    /// It was made by a transfer from the same source, which did not come to its end.
    Begun,
    Now,
}

impl Top {
    /// What is to be removed, in this order, if nothing is to come into it.
    pub(super) fn made_now(&self) -> Vec<AbsPath> {
        match self.came {
            Came::Now => vec![self.mark.clone(), self.path.clone()],
            Came::Before | Came::Begun => Vec::new(),
        }
    }
}

impl<S: End, D: End> Transfer<'_, S, D> {
    /// Makes it, if need be. Nobody looks into it who may not look into the source.
    pub(super) async fn top(
        &self,
        from: &AbsPath,
        to: &AbsPath,
        looks: Looks,
    ) -> Result<Top, Broken> {
        let mark = names::mark(to, from).map_err(Broken::by)?;
        let looked = self.to.look(&[to.clone(), mark.clone()]).await?;
        let came = match &looked[..] {
            [Looked::Nothing, _] => Came::Now,
            [Looked::Directory, mark] if is_mark(mark) && !self.was_there.get() => Came::Begun,
            _ => Came::Before,
        };
        self.was_there.set(came == Came::Before);
        let top = Top {
            path: to.clone(),
            mark,
            looks,
            came,
        };
        match came {
            Came::Now => self.to.make_marked(to, &top.mark, looks.open()).await?,
            Came::Begun => one(self.to.settle(&[(to.clone(), looks.open())]).await?)?,
            Came::Before => one(self
                .to
                .make_directories(&[(to.clone(), looks.open())])
                .await?)?,
        }
        Ok(top)
    }

    /// Gives it what it is to have, now that all is there.
    pub(super) async fn settle_top(&self, top: Top) -> Result<(), Broken> {
        if top.came == Came::Before {
            return Ok(());
        }
        // Somebody else's file may have that name. It stays, as it is none of ours.
        let looked = self.to.look(std::slice::from_ref(&top.mark)).await?;
        let mark = looked.first().is_some_and(is_mark).then_some(&top.mark);
        match self.to.settle_marked(&top.path, mark, top.looks).await {
            Ok(()) => Ok(()),
            Err(broken) => {
                let name = top.path.to_string();
                self.not_settled(&printable(&name), broken)
            }
        }
    }
}

fn is_mark(looked: &Looked) -> bool {
    matches!(looked, Looked::File(version) if version.size == 0)
}

fn one(outcomes: Vec<Result<(), Broken>>) -> Result<(), Broken> {
    outcomes.into_iter().collect()
}
