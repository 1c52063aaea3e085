//! `fs get --resume` and `fs put --resume`: a transfer that was cut goes on when the same command is run again.
//!
//! Each file is written under a name of its own beside the one that it will have, and gets that when it is whole. The partial's name has
//! the version of the source in it (size and time of modification, [`names::Partial`]), so what was begun of another version is never
//! continued. Before one is continued its last bytes are compared with the source's, and afterwards the source must still be what it was.
//! A file that is there already with the source's size and time is taken for the same.
//!
//! Both directions are one, between two [`End`]s.

mod end;
mod file;
mod itself;
mod local;
mod names;
mod remote;
mod top;
mod transfer;
mod tree;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use lockgate_policy_gate::printable::printable;
use lockgate_wire::Method;

use super::granted::Granted;
use super::into;
use super::stream::{here, needs};
use super::{Place, about};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::server::Server;
use end::{Broken, End};
use itself::Machines;
pub(super) use itself::{Stream, identity};
use local::Local;
use remote::Remote;
use transfer::Transfer;

/// Between a lost connection and the next attempt: a moment at first, then twice as long each time up to this.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Where to, and how often to go on by itself after a lost connection.
pub(super) struct Again<'a> {
    pub(super) server: &'a Server,
    pub(super) retries: u32,
}

/// A path of the server to one here; a directory into one that is there with `recursive` only.
pub(super) async fn get(
    again: &Again<'_>,
    place: &Place<'_>,
    (path, local): (&Path, &Path),
    recursive: bool,
) -> Result<(), Failure> {
    needs(place, Method::LockgateFsListTree)?;
    if local == Path::new("-") {
        return Err(Failure::usage("--resume needs a file: stdout cannot go on"));
    }
    let (typed, to) = (place.path(path)?.path, here(local)?);
    // Settled before anything arrives: what a lost link leaves there is of this transfer, and the next look at the server may find something else.
    let takes = (!into::may_merge(recursive, local)).then_some(false);
    let (progress, was_there) = (RefCell::new(Progress::hidden()), Cell::new(false));
    let done = again.until_done(place, &progress, async |place: &Place<'_>| {
        let server = Remote::new(place);
        // Where there is nothing, listing it says so.
        let from = server.real(&typed).await?.unwrap_or_else(|| typed.clone());
        let machines = Machines::of_fetched(&typed, &from, place.is_own()).await;
        let transfer = Transfer::new((&server, &Local), &progress, &was_there, machines);
        transfer.run(&from, &to, takes).await
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
    if std::fs::metadata(local).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(Failure::usage(format!(
            "--resume needs a file or directory: `{}` is neither, and cannot be read again",
            local.display()
        )));
    }
    let from = std::fs::canonicalize(local)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", local.display())))?;
    let (from, to) = (here(&from)?, place.path(path)?.path);
    let (progress, was_there) = (RefCell::new(Progress::hidden()), Cell::new(false));
    let done = again.until_done(place, &progress, async |place: &Place<'_>| {
        let server = Remote::new(place);
        let machines = Machines::of_sent(place.is_own());
        let transfer = Transfer::new((&Local, &server), &progress, &was_there, machines);
        transfer.run(&from, &to, Some(recursive)).await
    });
    done.await.map_err(|broken| {
        let granted = place.sandbox.as_ref().map(Granted::by);
        let alone = granted.is_some_and(|granted| granted.is_root(&to));
        let beside = alone && !broken.of_source && broken.text.ends_with("(os error 13)");
        if broken.of_source && !broken.ends {
            return broken.about(local);
        }
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
                    tell!("{}", going_on(&broken));
                    tokio::time::sleep(wait).await;
                    tried += 1;
                }
                outcome => return outcome,
            }
            outcome = match self.server.connect(None).await {
                Ok(client) => {
                    let place = Place {
                        client: &client,
                        begins: place.begins.clone(),
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

/// Why a connection was lost is the server's own text.
fn going_on(broken: &Broken) -> String {
    format!("lockgate: {}; going on", printable(&broken.text))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_29_why_a_connection_was_lost_drives_no_terminal() {
        let told = going_on(&Broken::by("gone\u{1b}[2J\nlockgate: done".to_owned()));
        assert!(!told.contains(['\u{1b}', '\n']), "{told:?}");
        assert!(told.starts_with("lockgate: gone") && told.ends_with("; going on"));
    }
}
