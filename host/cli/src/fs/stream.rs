//! What `fs get` and `fs put` have in common where whole trees travel. The local end is the same code as the server's: a hostile server
//! gets nothing written outside the directory that was named.

use std::path::Path;

use lockgate_capfs::{TreeReport, limits};
use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::Method;
use lockgate_wire::fs::CloseParams;
use lockgate_wire::limits::MODE;
use lockgate_wire::lockgate::tree::{FinishTreeParams, LeftOut, OpenTreeParams, TreeResult};

use super::{Place, about};
use crate::failure::Failure;

/// What the owner of a directory needs to change what is in it.
pub(super) const OPEN: u32 = 0o700;

/// A path of this machine.
pub(super) fn here(path: &Path) -> Result<AbsPath, Failure> {
    crate::here::path(path)
}

/// Runs what blocks beside the connection.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(format!("it was broken off: {error}")))
}

pub(super) fn needs(place: &Place<'_>, method: Method) -> Result<(), Failure> {
    match place.client.has(method) {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "this server does not have `{}`: directories cannot be sent or fetched whole",
            method.name()
        ))),
    }
}

/// With `mode`, a directory that is made has no more permission bits than these.
pub(super) async fn open(
    place: &Place<'_>,
    path: &Path,
    method: Method,
    mode: Option<u32>,
) -> Result<String, Failure> {
    let params = OpenTreeParams {
        handle_id: "tree".to_owned(),
        path: place.path(path)?,
        sandbox: place.sandbox.clone(),
        mode,
    };
    let opened = match method {
        Method::LockgateFsReadTree => place.client.read_tree(&params).await,
        _ => place.client.write_tree(&params).await,
    };
    Ok(opened.map_err(about(place, path))?.handle_id)
}

/// The bits of a directory that was made for another one, as long as its owner writes into it: where `made`, which it has, are not known or are too many.
pub(super) fn closed(made: Option<u32>, other: u32) -> Option<u32> {
    match made {
        None => Some(other & MODE | OPEN),
        Some(made) => {
            let closed = made & (other | OPEN) & MODE;
            (closed != made & MODE).then_some(closed)
        }
    }
}

/// Gives the handle back when something went wrong.
pub(super) async fn or_closed<T>(
    place: &Place<'_>,
    handle_id: &str,
    outcome: Result<T, Failure>,
) -> Result<T, Failure> {
    if outcome.is_err() {
        let handle_id = handle_id.to_owned();
        let _: Result<(), ClientError> = place.client.close_file(&CloseParams { handle_id }).await;
    }
    outcome
}

pub(super) async fn finish(
    place: &Place<'_>,
    path: &Path,
    handle_id: String,
) -> Result<TreeResult, Failure> {
    let params = FinishTreeParams { handle_id };
    let finished = place.client.finish_tree(&params).await;
    finished.map_err(about(place, path))
}

/// A report of our own end in the words of the other.
pub(super) fn told(report: &TreeReport) -> TreeResult {
    TreeResult {
        files: report.files,
        directories: report.directories,
        links: report.links,
        bytes: report.bytes,
        left_out: report
            .left_out
            .iter()
            .map(|left| LeftOut {
                name: left.name.to_string_lossy().into_owned(),
                reason: left.reason.clone(),
            })
            .collect(),
        left_out_count: report.left_out_count,
        special_bits: report.special_bits,
        times_before_1970: report.times_before_1970,
    }
}

/// Says that bits and times did not travel, if there were some. Nothing is amiss: such bits would give away the rights of somebody else, and such times go through no gate.
pub(super) fn tell_looks(left: &TreeResult) {
    if left.special_bits > 0 {
        let entries = counted(left.special_bits, ["entry", "entries"]);
        tell!(
            "lockgate: set-user-id, set-group-id and sticky bits do not travel: {entries} without"
        );
    }
    if left.times_before_1970 > 0 {
        let entries = counted(left.times_before_1970, ["entry has", "entries have"]);
        tell!("lockgate: times before 1970 do not travel: {entries} 1970-01-01");
    }
}

/// Notes what a directory that was made did not get.
pub(super) fn not_settled(arrived: &mut TreeResult, path: &Path, why: &str) {
    arrived.left_out_count += 1;
    arrived.left_out.push(LeftOut {
        name: path.to_string_lossy().into_owned(),
        reason: format!("its mode and time were not set: {why}"),
    });
}

pub(super) fn tell_left_out(left_out: &[LeftOut]) {
    for LeftOut { name, reason } in left_out {
        tell!("lockgate: {}: {}", printable(name), printable(reason));
    }
}

/// Says what did not leave, and what did not arrive. So many files did not have to.
pub(super) fn tell(left: &TreeResult, arrived: &TreeResult, there: u64) -> Result<(), Failure> {
    tell_looks(left);
    let there = match there {
        0 => String::new(),
        _ => format!(
            ", {} there already",
            counted(there, ["file was", "files were"])
        ),
    };
    let mut count = 0;
    for end in [left, arrived] {
        count += end.left_out_count;
        tell_left_out(&end.left_out);
    }
    match count {
        0 => Ok(()),
        count => Err(Failure::new(format!(
            "{count} left out; {}, {} and {} arrived{there}",
            counted(arrived.files, ["file", "files"]),
            counted(arrived.directories, DIRECTORIES),
            counted(arrived.links, ["link", "links"])
        ))),
    }
}

/// Fails for a single file that became shorter while it was read, as a tree tells of one: what was read of it has arrived. What says that it has little need not say the truth.
pub(super) fn all_was_read(path: &Path, said: Option<u64>, read: u64) -> Result<(), Failure> {
    match said {
        Some(said) if said > limits::TREE_AHEAD_BYTES && read < said => Err(Failure::new(format!(
            "{}: it became shorter while it was read; {read} bytes of it were",
            path.display()
        ))
        .of_one()),
        _ => Ok(()),
    }
}

pub(super) const DIRECTORIES: [&str; 2] = ["directory", "directories"];

/// So many of them: what one is called, and what more are.
pub(super) fn counted(count: u64, [one, more]: [&str; 2]) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
