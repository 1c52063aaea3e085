//! `move` and `remove`.

use lockgate_client::executor::Kind;
use lockgate_grant::AbsPath;
use lockgate_wire::Method;
use lockgate_wire::fs::RemoveParams as WireRemove;
use lockgate_wire::lockgate::files::RenameParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::face::answer::{Answer, Outcome, Refusal, named};
use crate::face::call::Call;
use crate::face::deed::Brought;
use crate::face::granted::{Deed, is_taken};
use crate::face::session::Place;
use crate::face::sight::{self, Seen};
use crate::face::tools::beforehand;

pub(super) const MOVE: &str = "Give a file, a link or a directory another name, within a file system. Fails if the new name is taken, unless \
     overwrite is set: then a file there is lost.";

pub(super) const REMOVE: &str = "Remove a file or a link (not what it leads to), or with `recursive` a directory with all that is in it.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveParams {
    /// What gets another name
    from: String,
    /// The new name, not the directory to move into
    to: String,
    /// Replace a file that has the new name
    #[serde(default)]
    overwrite: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveParams {
    /// What to remove
    path: String,
    /// Also a directory, with all that is in it
    #[serde(default)]
    recursive: bool,
}

/// What was done.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// What it was done to; of what was moved the new name
    path: String,
}

pub(super) async fn rename(call: &Call, params: MoveParams) -> Outcome {
    let place = call.place().await?;
    if !place.client.has(Method::LockgateFsRename) {
        return Err(Refusal::new(
            "this executor does not rename: write the file under its new name and remove the old one",
        ));
    }
    let (from, to) = (place.path(&params.from)?, place.path(&params.to)?);
    let names = (params.from.as_str(), params.to.as_str());
    beforehand::rename(&place, (&from, &to), names, params.overwrite).await?;
    let lost = match params.overwrite {
        true => lost(&place, &from).await,
        false => "",
    };
    let rename = async |overwrite| {
        let brought = Brought::becomes(match overwrite {
            true => lost,
            false => "where something has the new name by then, both stay as they are",
        });
        let rename = RenameParams {
            source_path: place.wire(&from),
            destination_path: place.wire(&to),
            overwrite: Some(overwrite),
            sandbox: place.sandbox.clone(),
        };
        call.bringing(&place, brought).client.rename(&rename).await
    };
    // Somebody who agreed where the new name was free has not agreed to the loss of anything.
    let is_free = params.overwrite
        && place.asks()
        && matches!(sight::look(&place, &to).await, Seen::Nothing)
        && sight::link(&place, &to).await.is_none();
    let mut renamed = rename(params.overwrite && !is_free).await;
    if is_free && renamed.as_ref().is_err_and(is_taken) {
        renamed = rename(true).await;
    }
    let refuses = |path| place.denies(Deed::Rename, path);
    let (about, called) = match (refuses(&from), refuses(&to)) {
        (true, _) => (&from, params.from.clone()),
        (false, true) => (&to, params.to.clone()),
        // An error may be about either.
        (false, false) => (&from, format!("{} -> {}", params.from, params.to)),
    };
    renamed.map_err(place.refusing(Deed::Rename, about, &called))?;
    let text = format!("moved {} to {}", named(&params.from), named(&params.to));
    Ok(Answer::new(text, &Result { path: params.to }))
}

/// What the new name costs that is taken by then: a directory takes no file's place, and nothing else that of a directory.
async fn lost(place: &Place, from: &AbsPath) -> &'static str {
    match sight::look(place, from).await {
        Seen::Something(there) if there.kind == Kind::Directory && !there.is_link => {
            "an empty directory that has the new name by then is lost; where anything else has it, both stay as they are"
        }
        Seen::Unknown(_) => {
            "a file that has the new name by then is lost, and so is an empty directory if what is moved is one"
        }
        Seen::Something(_) | Seen::Nothing => {
            "a file or link that has the new name by then is lost; where a directory has it, both stay as they are"
        }
    }
}

pub(super) async fn remove(call: &Call, params: RemoveParams) -> Outcome {
    let place = call.place().await?;
    let path = place.path(&params.path)?;
    if path == place.directory {
        return Err(Refusal::new(
            "this is the working directory itself; remove what is in it by name",
        ));
    }
    beforehand::remove(&place, &path, &params.path, params.recursive).await?;
    let remove = WireRemove {
        path: place.wire(&path),
        recursive: Some(params.recursive),
        force: Some(false),
        sandbox: place.sandbox.clone(),
        follow_symlinks: None,
    };
    call.begins_a_change(&place.client);
    let removed = place.client.remove(&remove).await;
    removed.map_err(place.refusing(Deed::Rename, &path, &params.path))?;
    let text = format!("removed {}", named(&params.path));
    Ok(Answer::new(text, &Result { path: params.path }))
}
