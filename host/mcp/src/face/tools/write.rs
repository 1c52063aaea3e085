//! `write`: a whole file.

use lockgate_client::ClientError;
use lockgate_grant::AbsPath;
use lockgate_wire::Base64;
use lockgate_wire::fs::CreateDirectoryParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::face::answer::{Answer, Outcome, Refusal, named};
use crate::face::call::Call;
use crate::face::deed::{Brought, bytes, quoted};
use crate::face::granted::{Deed, is_absence, is_not_permitted, is_taken};
use crate::face::limits;
use crate::face::session::Place;
use crate::face::sight::{self, Seen};
use crate::face::tools::beforehand::{self, Target};
use crate::face::writing::{self, Written};

pub(super) const DESCRIPTION: &str = "Create a file, or replace all of its contents. Missing directories above it are made. Others see the old \
     file or the new one, never a part. To change a part of a file use `edit`.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// The file; relative paths begin in the working directory
    path: String,
    /// The new contents
    content: String,
    /// How the contents are given: `text` (if absent), or `base64` for what is no text
    #[serde(default)]
    encoding: Encoding,
    /// Refuse if there is something at the path already
    #[serde(default)]
    only_new: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    /// As it is
    #[default]
    Text,
    /// Base64 with padding
    Base64,
}

/// What was written.
#[derive(Serialize, JsonSchema)]
pub(super) struct Result {
    /// The file
    path: String,
    /// Bytes that it has now
    bytes: u64,
    /// There was none before; null where that is not known, because nobody may look
    created: Option<bool>,
    /// The old contents were there until the new ones were. Otherwise they were written over, because the directory cannot be changed
    at_once: bool,
}

pub(super) async fn write(call: &Call, mut params: Params) -> Outcome {
    let decoded;
    let data = match params.encoding {
        Encoding::Text => params.content.as_bytes(),
        Encoding::Base64 => {
            let text = std::mem::take(&mut params.content).into();
            let Base64(data) = serde_json::from_value(text)
                .map_err(|error| Refusal::new(format!("`content` is no base64: {error}")))?;
            decoded = data;
            &decoded
        }
    };
    let place = call.place().await?;
    let path = place.path(&params.path)?;
    let _turn = writing::turn(&path).await;
    let target = beforehand::write(&place, &path, &params.path, params.only_new).await?;
    let (is_there, link) = match target {
        Target::File => (true, None),
        Target::Nothing => (false, None),
        Target::Dangling(end) => (false, Some(end)),
        // Whoever is asked is asked about a new file first.
        Target::Unknown(_) if place.asks() || params.only_new => (false, None),
        Target::Unknown(error) => {
            return Err(place.refusing(Deed::Read, &path, &params.path)(error));
        }
    };
    let is_link = link.is_some();
    let mut file = File {
        link,
        is_unknown: false,
        call,
        place: &place,
        path: &path,
        data,
    };
    // Somebody who agreed to a new file has not agreed to the loss of one.
    let is_new = params.only_new
        || (place.asks() && !is_there && file.link.as_ref().is_none_or(Option::is_some));
    let mut created = Some(!is_there);
    let mut made_parents = false;
    if place.asks() && !is_there && !is_link {
        made_parents = !beforehand::above(&place, &path, &params.path).await?;
        if made_parents {
            file.made_above().await?;
        }
    }
    let mut written = file.put(is_new).await;
    if !is_there
        && !made_parents
        && !is_link
        && matches!(&written, Err(NotPut::Failed(error)) if is_absence(error))
    {
        // A link that leads nowhere has its directory.
        if sight::link(&place, &path).await.is_none() && !place.leads_nowhere(&path).await {
            file.made_above().await?;
            made_parents = true;
            written = file.put(is_new).await;
        }
    }
    let is_taken = matches!(written, Err(NotPut::Taken));
    // Nothing can be made in a directory that is not granted: making one does not tell then whether a file of it is there, which may be granted by itself.
    let is_refused = matches!(&written, Err(NotPut::Failed(error)) if is_new && is_not_permitted(error))
        && place.granted.is_some()
        && !place.denies(Deed::Write, &path);
    if !params.only_new && (is_taken || is_refused) {
        let was_there = match sight::look(&place, &path).await {
            Seen::Nothing => Some(false),
            Seen::Something(_) => Some(true),
            Seen::Unknown(_) => None,
        };
        if is_taken || was_there != Some(false) {
            created = was_there.map(|was_there| !was_there);
            file.is_unknown = was_there.is_none();
            written = file.put(false).await;
        }
    }
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            let refusal = match error {
                NotPut::Taken => beforehand::only(&params.path),
                NotPut::Failed(error) => {
                    place.refused(Deed::Write, &path, &params.path, error).await
                }
            };
            return Err(match made_parents {
                true => refusal.and("the missing directories above it were made"),
                false => refusal,
            });
        }
    };
    let result = Result {
        bytes: data.len() as u64,
        created,
        at_once: written == Written::AtOnce,
        path: params.path,
    };
    let (deed, unknown) = match created {
        Some(true) => ("created", ""),
        Some(false) => ("replaced", ""),
        None => (
            "wrote",
            "; whether there was a file before is not known, as nobody may look",
        ),
    };
    let (name, bytes) = (named(&result.path), bytes(result.bytes));
    let text = format!("{deed} {name} ({bytes}){unknown}");
    Ok(Answer::new(text, &result))
}

/// What is to be written, and where.
struct File<'a> {
    /// A link that leads nowhere has its name, and leads there, if that is known.
    link: Option<Option<AbsPath>>,
    /// Something has its name, and nobody may look what.
    is_unknown: bool,
    call: &'a Call,
    place: &'a Place,
    path: &'a AbsPath,
    data: &'a [u8],
}

enum NotPut {
    /// There is something of that name, and there must not be.
    Taken,
    Failed(ClientError),
}

impl File<'_> {
    /// Puts it there; `is_new` where nothing is.
    async fn put(&self, is_new: bool) -> std::result::Result<Written, NotPut> {
        let File {
            call, path, data, ..
        } = *self;
        let bytes = bytes(data.len() as u64);
        let (path, becomes) = match (is_new, &self.link) {
            // There, whatever the link says by then: nobody has agreed to the loss of what it leads to then.
            (true, Some(Some(end))) => (
                end,
                format!(
                    "makes a new file of {bytes}, where the link {} leads; where something has that name by then, it stays as it is",
                    quoted(&path.to_string(), limits::SHOWN_VALUE)
                ),
            ),
            (true, _) => (
                path,
                format!(
                    "makes a new file of {bytes}; where something has that name by then, it stays as it is"
                ),
            ),
            (false, Some(None)) => (
                path,
                format!(
                    "a file of {bytes} is made where the link leads, if its directory is there; what is there by then is lost"
                ),
            ),
            (false, None) if self.is_unknown => (
                path,
                format!(
                    "a file of {bytes} takes the place of what is there by then, which is lost; where that is a link that leads to nothing, it is made there, \
                     if its directory is there"
                ),
            ),
            (false, _) => (
                path,
                format!(
                    "a file of {bytes} takes the place of what is there by then, which is lost"
                ),
            ),
        };
        let place = &call.bringing(self.place, Brought::becomes(becomes));
        if is_new {
            if let Some(created) = writing::create(place, path, data).await {
                return match created {
                    Ok(()) => Ok(Written::AtOnce),
                    Err(error) if is_taken(&error) => Err(NotPut::Taken),
                    Err(error) => Err(NotPut::Failed(error)),
                };
            }
            // Looking first is what there is then: another program may come in between.
            match sight::look(place, path).await {
                Seen::Something(_) => return Err(NotPut::Taken),
                Seen::Nothing => {}
                Seen::Unknown(error) => return Err(NotPut::Failed(error)),
            }
        }
        let put = writing::put(place, path, data).await;
        put.map_err(NotPut::Failed)
    }

    /// Makes the directories above it, which is a question of its own.
    async fn made_above(&self) -> std::result::Result<(), Refusal> {
        let Some(parent) = self.path.parent() else {
            return Ok(());
        };
        let brought = Brought::becomes(format!(
            "for writing {}",
            quoted(&self.path.to_string(), limits::SHOWN_ACTION)
        ));
        let place = self.call.bringing(self.place, brought);
        let params = CreateDirectoryParams {
            path: place.wire(&parent),
            recursive: Some(true),
            sandbox: place.sandbox.clone(),
            follow_symlinks: None,
            mode: None,
        };
        let made = place.client.create_directory(&params).await;
        made.map_err(place.refusing(Deed::Write, &parent, &place.shown(&parent)))
    }
}
