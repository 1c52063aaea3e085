//! What is refused before anybody is asked, since it cannot be done: the profile shows it, or what is there. Nobody is to decide about what comes to nothing.
//!
//! The looks are made under the same profile and ask nobody, so they tell no more than may be known; what they do not tell is left to the executor, which decides
//! anew about what is agreed to. The words are those that it would have.

use lockgate_client::ClientError;
use lockgate_client::executor::{Files, Kind};
use lockgate_grant::AbsPath;

use crate::face::answer::Refusal;
use crate::face::granted::Deed;
use crate::face::real;
use crate::face::session::Place;
use crate::face::sight::{self, Seen};
use crate::face::tools::no::{No, is_impossible};

type Told<T = ()> = Result<T, Refusal>;

/// What is at a path itself, whether or not it leads to something.
enum Itself {
    Nothing,
    /// A link that leads nowhere, or to what may not be seen.
    Dangling,
    /// A link that leads to where nothing can be, such as in a circle.
    Endless(ClientError),
    /// A link, and what it leads to.
    Link(Kind),
    Directory,
    File,
    Other,
    /// Nothing can be there.
    Impossible(ClientError),
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
        Seen::Unknown(error) if is_impossible(&error) => match sight::link(place, path).await {
            Some(_) => Itself::Endless(error),
            None => Itself::Impossible(error),
        },
        Seen::Unknown(_) => Itself::Unknown,
    }
}

/// Whether the profile lets it be done, by the names alone: what is not granted by its name is not done, wherever that leads.
fn granted(place: &Place, deed: Deed, path: &AbsPath, named: &str) -> Told {
    match place.denies(deed, path) {
        true => Err(place.refusing(deed, path, named)(No::Permitted.error())),
        false => Ok(()),
    }
}

/// The same of where the links on the way lead, as far as that is seen.
async fn reached(
    place: &Place,
    deed: Deed,
    end: Option<&AbsPath>,
    path: &AbsPath,
    named: &str,
) -> Told {
    match end {
        Some(end) if place.denies(deed, end) && !real::grants_by_links(place).await => {
            let is_read_only = place.denies(Deed::Write, end) && !place.denies(Deed::Read, end);
            let no = match is_read_only {
                true => No::ReadOnly,
                false => No::Permitted,
            };
            Err(place.refusing(deed, path, named)(no.error()))
        }
        _ => Ok(()),
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
        Itself::Unknown if deed == Deed::Rename => asked(place, path, named).await?,
        Itself::Unknown | Itself::Directory | Itself::Nothing | Itself::Impossible(_) => true,
        Itself::Link(kind) => deed != Deed::Rename && kind == Kind::Directory,
        Itself::Dangling | Itself::Endless(_) => deed != Deed::Rename,
        Itself::File | Itself::Other => false,
    };
    match is_directory {
        true => Ok(()),
        false => Err(place.refusing(deed, path, named)(No::Directory.error())),
    }
}

/// What was found there is no directory, so it is not what is named with a slash.
pub(super) fn no_directory(place: &Place, path: &AbsPath, named: &str) -> Told {
    match is_slashed(named) {
        true => Err(place.refusing(Deed::Read, path, named)(
            No::Directory.error(),
        )),
        false => Ok(()),
    }
}

/// Whether what has that name is a directory, where only a look that somebody may be asked about tells it.
async fn asked(place: &Place, path: &AbsPath, named: &str) -> Told<bool> {
    match Files::metadata(&place.client, path, place.sandbox.as_ref()).await {
        Ok(there) => Ok(there.kind == Kind::Directory && !there.is_link),
        Err(error) => Err(place.refusing(Deed::Rename, path, named)(error)),
    }
}

/// The contents of a file are to be read there.
pub(super) async fn read(place: &Place, path: &AbsPath, named: &str) -> Told {
    granted(place, Deed::Read, path, named)?;
    slash(place, Deed::Read, path, named).await?;
    if !place.asks() {
        return Ok(());
    }
    let error = match itself(place, path).await {
        Itself::Nothing | Itself::Dangling => No::There.error(),
        Itself::Endless(error) | Itself::Impossible(error) => error,
        Itself::Directory | Itself::Link(Kind::Directory) => No::File.error(),
        Itself::Other | Itself::Link(Kind::Other) => No::Regular.error(),
        Itself::Unknown if is_slashed(named) => {
            return Err(Refusal::new(format!(
                "{named}: a path that ends like this is a directory's, and no file is read there"
            )));
        }
        Itself::File | Itself::Link(Kind::File) | Itself::Unknown => return Ok(()),
    };
    Err(place.refused(Deed::Read, path, named, error).await)
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
        Seen::Unknown(error) if is_impossible(&error) => Err(refused(error)),
        // What can be made there is for the executor to say.
        Seen::Unknown(_) => Ok(true),
    }
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
    if is_slashed(to_named) {
        let is_directory = match itself(place, from).await {
            // What is not there is told as that.
            Itself::Directory | Itself::Nothing | Itself::Impossible(_) => true,
            Itself::Unknown => asked(place, from, from_named).await?,
            _ => false,
        };
        if !is_directory {
            return Err(place.refusing(Deed::Rename, to, to_named)(
                No::Directory.error(),
            ));
        }
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
    let is_unknown = matches!(what, Itself::Unknown);
    let refused = place.refusing(Deed::Rename, from, &named);
    match what {
        Itself::Nothing => return no(No::There),
        Itself::Impossible(error) => return Err(refused(error)),
        _ => {}
    }
    let ends = (real::name(place, from).await, real::name(place, to).await);
    for end in [&ends.0, &ends.1] {
        reached(place, Deed::Rename, end.as_ref(), from, &named).await?;
    }
    let is_within = match &ends {
        (Some(from), Some(to)) => to.starts_with(from),
        _ => to.starts_with(from),
    };
    if is_directory && is_within {
        return no(No::Valid);
    }
    if !above(place, to, &named).await? {
        return no(No::There);
    }
    match itself(place, to).await {
        Itself::Nothing | Itself::Unknown => Ok(()),
        Itself::Impossible(error) => Err(refused(error)),
        _ if !overwrite => Err(taken(&named)),
        // What moves may be anything.
        _ if is_unknown => Ok(()),
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
    let end = real::name(place, path).await;
    reached(place, Deed::Rename, end.as_ref(), path, named).await?;
    match itself(place, path).await {
        Itself::Nothing => no(No::There),
        Itself::Impossible(error) => Err(place.refusing(Deed::Rename, path, named)(error)),
        Itself::Directory if !recursive && has_entries(place, path).await => no(No::Empty),
        _ => Ok(()),
    }
}

/// A file is to be read, and written as another one.
pub(super) async fn edit(place: &Place, path: &AbsPath, named: &str) -> Told {
    granted(place, Deed::Write, path, named)?;
    read(place, path, named).await?;
    if !place.asks() {
        return Ok(());
    }
    let end = real::real(place, path).await.map(|end| end.path);
    reached(place, Deed::Write, end.as_ref(), path, named).await
}

/// What a file that is to be written finds there.
pub(super) enum Target {
    Nothing,
    /// A link, and nothing where it leads, or what may not be seen; and where that is, if it is known and somebody is asked.
    Dangling(Option<AbsPath>),
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
    let asks = place.asks();
    let refused = |error| Err(place.refusing(Deed::Write, path, named)(error));
    let target = match sight::look(place, path).await {
        Seen::Something(there) if !only_new && asks => match there.kind {
            Kind::File => Target::File,
            Kind::Directory => return refused(No::File.error()),
            Kind::Other => return refused(No::Regular.error()),
        },
        Seen::Something(_) => Target::File,
        Seen::Nothing if !only_new && !asks => return Ok(Target::Nothing),
        Seen::Nothing => match sight::link(place, path).await {
            Some(_) => Target::Dangling(None),
            None => Target::Nothing,
        },
        Seen::Unknown(error) if asks && is_impossible(&error) => {
            // A link that leads in a circle has the name all the same.
            let is_taken = only_new && sight::link(place, path).await.is_some();
            return if is_taken {
                Err(only(named))
            } else {
                refused(error)
            };
        }
        Seen::Unknown(error) => return Ok(Target::Unknown(error)),
    };
    if only_new && !matches!(target, Target::Nothing) {
        return Err(only(named));
    }
    let end = match asks {
        true => real::real(place, path).await,
        false => None,
    };
    let Some(end) = end else {
        return Ok(target);
    };
    reached(place, Deed::Write, Some(&end.path), path, named).await?;
    match target {
        Target::Dangling(_) if end.missing > 1 => {
            let error = No::There.error();
            Err(place.refused(Deed::Write, path, named, error).await)
        }
        Target::Dangling(_) => Ok(Target::Dangling(Some(end.path))),
        target => Ok(target),
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

/// A command is to run in that directory; the profile of files does not hold for it. The error is in the executor's words.
pub(super) async fn directory(place: &Place, path: &AbsPath) -> Result<(), String> {
    if !place.asks() {
        return Ok(());
    }
    let no = match sight::look(place, path).await {
        Seen::Something(there) if there.kind != Kind::Directory => No::Directory.error(),
        Seen::Nothing => match real::real(place, path).await {
            // What may be seen, and is not there.
            Some(end) if end.missing > 0 && !place.denies(Deed::Read, &end.path) => {
                No::There.error()
            }
            _ => return Ok(()),
        },
        Seen::Unknown(error) if is_impossible(&error) => error,
        Seen::Something(_) | Seen::Unknown(_) => return Ok(()),
    };
    let reason = Refusal::from(no).text;
    Err(format!("cannot use cwd {path}: {reason}"))
}

async fn has_entries(place: &Place, directory: &AbsPath) -> bool {
    let client = &place.unasked().client;
    let listed = Files::list(client, directory, place.sandbox.as_ref()).await;
    listed.is_ok_and(|entries| !entries.is_empty())
}
