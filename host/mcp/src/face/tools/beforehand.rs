//! What is refused before anybody is asked, since it cannot be done: the profile shows it, or what is there. Nobody is to decide about what comes to nothing.
//!
//! The looks are made under the same profile and ask nobody, so they tell no more than may be known; what they do not tell is left to the executor, which decides
//! anew about what is agreed to. The words are those that it would have.

use lockgate_client::ClientError;
use lockgate_client::executor::{Files, Kind};
use lockgate_grant::AbsPath;
use lockgate_wire::code;

use crate::face::answer::Refusal;
use crate::face::granted::Deed;
use crate::face::session::Place;
use crate::face::sight::{self, Seen};

type Told<T = ()> = Result<T, Refusal>;

/// As a system says it.
#[derive(Clone, Copy)]
pub(super) enum No {
    Permitted,
    There,
    Directory,
    File,
    Regular,
    Empty,
    Valid,
}

impl No {
    fn error(self) -> ClientError {
        let (code, message) = match self {
            No::Permitted => (code::INVALID_REQUEST, "Permission denied (os error 13)"),
            No::There => (code::NOT_FOUND, "No such file or directory (os error 2)"),
            No::Directory => (code::INVALID_REQUEST, "Not a directory (os error 20)"),
            No::File => (code::INVALID_REQUEST, "Is a directory (os error 21)"),
            No::Regular => (
                code::INVALID_REQUEST,
                "not a regular file: only regular files can be read or written",
            ),
            No::Empty => (code::INVALID_REQUEST, "Directory not empty (os error 39)"),
            No::Valid => (code::INVALID_REQUEST, "Invalid argument (os error 22)"),
        };
        ClientError::Server {
            code,
            message: message.to_owned(),
        }
    }
}

/// What is at a path itself, whether or not it leads to something.
enum Itself {
    Nothing,
    /// A link that leads nowhere, or to what may not be seen.
    Dangling,
    /// A link, and what it leads to.
    Link(Kind),
    Directory,
    File,
    Other,
    Unknown,
}

async fn itself(place: &Place, path: &AbsPath) -> Itself {
    match sight::look(place, path).await {
        Seen::Nothing if !sight::tells_links(place) => Itself::Unknown,
        Seen::Nothing => match sight::link(place, path).await {
            Some(_) => Itself::Dangling,
            None => Itself::Nothing,
        },
        Seen::Something(there) if there.is_link => Itself::Link(there.kind),
        Seen::Something(there) => match there.kind {
            Kind::Directory => Itself::Directory,
            Kind::File => Itself::File,
            _ => Itself::Other,
        },
        Seen::Unknown(_) => Itself::Unknown,
    }
}

/// Whether the profile lets it be done, by the names alone: what is not granted by its name is not done, wherever that leads.
pub(super) fn granted(place: &Place, deed: Deed, path: &AbsPath, named: &str) -> Told {
    match place.denies(deed, path) {
        true => Err(place.refusing(deed, path, named)(No::Permitted.error())),
        false => Ok(()),
    }
}

/// A slash at the end of a path means a directory, as to the system, and not a link to one where it is the name that counts. Paths of the wire have none there.
fn is_slashed(named: &str) -> bool {
    matches!(named.rsplit('/').next(), Some("" | "." | "..")) && named.contains('/')
}

/// What is named with a slash is a directory, as far as may be seen.
pub(super) async fn slash(place: &Place, deed: Deed, path: &AbsPath, named: &str) -> Told {
    if !is_slashed(named) {
        return Ok(());
    }
    let is_directory = match itself(place, path).await {
        Itself::Unknown | Itself::Directory | Itself::Nothing => true,
        Itself::Link(kind) => deed != Deed::Rename && kind == Kind::Directory,
        Itself::Dangling => deed != Deed::Rename,
        Itself::File | Itself::Other => false,
    };
    match is_directory {
        true => Ok(()),
        false => Err(place.refusing(deed, path, named)(No::Directory.error())),
    }
}

/// Something is to be read there.
pub(super) async fn read(place: &Place, path: &AbsPath, named: &str) -> Told {
    granted(place, Deed::Read, path, named)?;
    slash(place, Deed::Read, path, named).await?;
    if !place.asks() {
        return Ok(());
    }
    match itself(place, path).await {
        Itself::Nothing | Itself::Dangling => Err(place
            .refused(Deed::Read, path, named, No::There.error())
            .await),
        _ => Ok(()),
    }
}

/// The directory in which a name is to be made: false, if it has to be made first.
pub(super) async fn above(place: &Place, path: &AbsPath, named: &str) -> Told<bool> {
    let Some(parent) = path.parent() else {
        return Ok(true);
    };
    let refused = place.refusing(Deed::Write, path, named);
    match sight::look(place, &parent).await {
        Seen::Something(there) if there.kind != Kind::Directory => {
            Err(refused(No::Directory.error()))
        }
        Seen::Something(_) => Ok(true),
        Seen::Nothing if place.leads_nowhere(&parent).await => Err(place
            .refused(Deed::Write, path, named, No::There.error())
            .await),
        Seen::Nothing => Ok(false),
        Seen::Unknown(error) if is_no_directory(&error) => Err(refused(No::Directory.error())),
        // What can be made there is for the executor to say.
        Seen::Unknown(_) => Ok(true),
    }
}

fn is_no_directory(error: &ClientError) -> bool {
    matches!(error, ClientError::Server { message, .. } if message.ends_with("(os error 20)"))
}

/// One thing is to get another name.
pub(super) async fn rename(
    place: &Place,
    (from, to): (&AbsPath, &AbsPath),
    (from_named, to_named): (&str, &str),
    overwrite: bool,
) -> Told {
    granted(place, Deed::Rename, from, from_named)?;
    granted(place, Deed::Rename, to, to_named)?;
    slash(place, Deed::Rename, from, from_named).await?;
    if is_slashed(to_named)
        && !matches!(
            itself(place, from).await,
            Itself::Directory | Itself::Unknown
        )
    {
        return Err(place.refusing(Deed::Rename, to, to_named)(
            No::Directory.error(),
        ));
    }
    if !place.asks() {
        return Ok(());
    }
    let named = format!("{from_named} -> {to_named}");
    let no = |no: No| Err(place.refusing(Deed::Rename, from, &named)(no.error()));
    if from == to {
        return Err(Refusal::new(format!("{named}: it has that name already")));
    }
    let what = itself(place, from).await;
    let is_directory = matches!(what, Itself::Directory);
    if matches!(what, Itself::Nothing) {
        return no(No::There);
    }
    if is_directory && to.starts_with(from) {
        return no(No::Valid);
    }
    if !above(place, to, &named).await? {
        return no(No::There);
    }
    match itself(place, to).await {
        Itself::Nothing | Itself::Unknown => Ok(()),
        _ if !overwrite => Err(taken(&named)),
        // What moves may be anything.
        _ if matches!(what, Itself::Unknown) => Ok(()),
        Itself::Directory if !is_directory => no(No::File),
        Itself::Directory if has_entries(place, to).await => no(No::Empty),
        Itself::Directory => Ok(()),
        _ if is_directory => no(No::Directory),
        _ => Ok(()),
    }
}

/// Something is to be removed.
pub(super) async fn remove(place: &Place, path: &AbsPath, named: &str, recursive: bool) -> Told {
    granted(place, Deed::Rename, path, named)?;
    slash(place, Deed::Rename, path, named).await?;
    if !place.asks() {
        return Ok(());
    }
    let no = |no: No| Err(place.refusing(Deed::Rename, path, named)(no.error()));
    match itself(place, path).await {
        Itself::Nothing => no(No::There),
        Itself::Directory if !recursive && has_entries(place, path).await => no(No::Empty),
        _ => Ok(()),
    }
}

/// What a file that is to be written finds there.
pub(super) enum Target {
    Nothing,
    /// A link, and nothing where it leads, or what may not be seen.
    Dangling,
    File,
    Unknown(ClientError),
}

/// A file is to be written.
pub(super) async fn write(
    place: &Place,
    path: &AbsPath,
    named: &str,
    only_new: bool,
) -> Told<Target> {
    granted(place, Deed::Write, path, named)?;
    if is_slashed(named) {
        // No file has such a name; what is a directory is told as that.
        let no = match sight::look(place, path).await {
            Seen::Something(there) if there.kind == Kind::Directory => No::File,
            _ => No::Directory,
        };
        return Err(place.refusing(Deed::Write, path, named)(no.error()));
    }
    let target = match sight::look(place, path).await {
        Seen::Something(there) if !only_new && place.asks() => {
            let no = |no: No| Err(place.refusing(Deed::Write, path, named)(no.error()));
            match there.kind {
                Kind::File => Target::File,
                Kind::Directory => return no(No::File),
                _ => return no(No::Regular),
            }
        }
        Seen::Something(_) => Target::File,
        Seen::Nothing if !only_new && !place.asks() => return Ok(Target::Nothing),
        Seen::Nothing => match sight::link(place, path).await {
            Some(_) => Target::Dangling,
            None => return Ok(Target::Nothing),
        },
        Seen::Unknown(error) if place.asks() && is_no_directory(&error) => {
            return Err(place.refusing(Deed::Write, path, named)(error));
        }
        Seen::Unknown(error) => return Ok(Target::Unknown(error)),
    };
    match only_new {
        true => Err(only(named)),
        false => Ok(target),
    }
}

pub(super) fn only(named: &str) -> Refusal {
    Refusal::new(format!(
        "{named}: there is something already, and `only_new` is set"
    ))
}

fn taken(named: &str) -> Refusal {
    Refusal::new(format!("{named}: File exists (os error 17)"))
}

async fn has_entries(place: &Place, directory: &AbsPath) -> bool {
    let client = &place.unasked().client;
    let listed = Files::list(client, directory, place.sandbox.as_ref()).await;
    listed.is_ok_and(|entries| !entries.is_empty())
}
