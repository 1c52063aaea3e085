//! What is where a file's deed is to be done, for whoever is asked about it: a path does not tell what is lost, or where a link leads.
//!
//! It is looked at when the question comes up, under the same profile, and nobody is asked about these looks: where policies want that, it is said that it is not
//! known. What is seen can be another thing by the time that somebody agrees.

use lockgate_client::ClientError;
use lockgate_client::executor::{FileKind, Files, Kind, Metadata};
use lockgate_grant::AbsPath;
use lockgate_wire::Method;
use lockgate_wire::lockgate::files::ReadLinkParams;
use serde_json::Value;

use super::deed::{bytes, quoted};
use super::granted::{Deed, is_absence};
use super::limits;
use super::session::Place;

/// What is at a path.
pub(super) enum Seen {
    Nothing,
    Something(Metadata),
    /// It may not be looked at, or cannot be.
    Unknown(ClientError),
}

/// Asking nobody.
pub(super) async fn look(place: &Place, path: &AbsPath) -> Seen {
    match Files::metadata(&place.unasked().client, path, place.sandbox.as_ref()).await {
        Ok(there) => Seen::Something(there),
        // What is outside of the profile is said not to be there, whether or not it is.
        Err(error) if is_absence(&error) && !place.denies(Deed::Read, path) => Seen::Nothing,
        Err(error) => Seen::Unknown(error),
    }
}

/// Whether this executor says what a link is.
pub(super) fn tells_links(place: &Place) -> bool {
    place.client.has(Method::LockgateFsReadLink)
}

/// What the link of that name says; none: it is no link, or that is not told. Asks nobody.
pub(super) async fn link(place: &Place, path: &AbsPath) -> Option<Vec<u8>> {
    let place = place.unasked();
    if !tells_links(&place) {
        return None;
    }
    let params = ReadLinkParams {
        path: place.wire(path),
        sandbox: place.sandbox.clone(),
    };
    let link = place.client.read_link(&params).await.ok()?;
    Some(link.target.as_bytes().to_vec())
}

/// What is at the paths of an action, a line each; of the start of a process where its directory leads. None where it is about neither.
pub(super) async fn lines(place: &Place, action: &Value) -> Vec<String> {
    let paths = match action["kind"].as_str() {
        Some("process-start") => return leads_to(place, action["cwd"].as_str()).await,
        Some("file") => action["paths"].as_array(),
        _ => None,
    };
    let paths = paths.into_iter().flatten();
    let mut paths: Vec<_> = paths.map(|path| path["path"].as_str()).collect();
    paths.dedup();
    let what: &[&str] = match paths.len() {
        0 | 1 => &["there now"],
        _ => &["from", "to"],
    };
    let verb = action["verb"].as_str().unwrap_or_default();
    let is_itself = matches!(verb, "remove" | "rename");
    let mut lines = Vec::new();
    for (what, path) in what.iter().zip(paths) {
        // A name that is not UTF-8 is told as another one.
        let path = path.filter(|path| !path.contains('\u{fffd}'));
        let path = path.and_then(|path| AbsPath::parse(path).ok());
        let words = match &path {
            Some(path) => words(place, path, is_itself).await,
            None => UNKNOWN.to_owned(),
        };
        lines.push(format!("{what}: {words}"));
    }
    if verb == "create-directory"
        && action["recursive"] == true
        && let Some(path) = action["paths"][0]["path"].as_str()
        && let Ok(path) = AbsPath::parse(path)
    {
        lines.extend(above(place, &path).await);
    }
    lines
}

/// Of a directory, if that is another one by its links.
async fn leads_to(place: &Place, directory: Option<&str>) -> Vec<String> {
    let told = directory.filter(|directory| !directory.contains('\u{fffd}'));
    let known = told.and_then(|directory| AbsPath::parse(directory).ok());
    let Some(directory) = known else {
        return Vec::new();
    };
    let within = place.sandbox.as_ref();
    let end = Files::canonicalize(&place.unasked().client, &directory, within).await;
    let words = match end {
        Ok(end) if end == directory => return Vec::new(),
        Ok(end) => quoted(&end.to_string(), limits::SHOWN_ACTION),
        Err(_) => UNKNOWN.to_owned(),
    };
    vec![format!("which leads to: {words}")]
}

/// In place of all of them.
pub(super) fn not_in_time() -> String {
    "there now: not known, as looking took too long".to_owned()
}

const UNKNOWN: &str = "not known, as it may not be looked at without asking, or cannot be";

/// `is_itself`: of a link it is done to that, not to what it leads to.
async fn words(place: &Place, path: &AbsPath, is_itself: bool) -> String {
    let seen = look(place, path).await;
    let says = match &seen {
        Seen::Something(there) if !there.is_link => None,
        Seen::Unknown(_) => None,
        _ => link(place, path).await,
    };
    let says = says.map(|says| {
        let says = String::from_utf8_lossy(&says);
        format!(" that says {}", quoted(&says, limits::SHOWN_VALUE))
    });
    let link = match is_itself {
        true => "a symbolic link (it itself, not what it leads to)",
        false => "a symbolic link",
    };
    match (seen, says) {
        (Seen::Nothing, None) => "nothing".to_owned(),
        (Seen::Nothing, Some(says)) => {
            format!("{link}{says} and leads to nothing, or to what may not be seen")
        }
        (Seen::Something(there), says) if there.is_link => {
            let says = says.unwrap_or_default();
            let within = place.sandbox.as_ref();
            let end = Files::canonicalize(&place.unasked().client, path, within).await;
            let end = match end {
                Ok(end) => format!(", {}", quoted(&end.to_string(), limits::SHOWN_VALUE)),
                Err(_) => String::new(),
            };
            format!("{link}{says} and leads to {}{end}", thing(&there))
        }
        (Seen::Something(there), _) => thing(&there),
        (Seen::Unknown(_), _) => UNKNOWN.to_owned(),
    }
}

/// Of a directory that is made with those above it: where that begins.
async fn above(place: &Place, path: &AbsPath) -> Option<String> {
    let mut first = path.clone();
    for _ in 0..limits::LOOKED_ABOVE {
        let parent = first.parent()?;
        match look(place, &parent).await {
            Seen::Nothing => first = parent,
            Seen::Something(_) if first == *path => return None,
            Seen::Something(_) => {
                let first = quoted(&first.to_string(), limits::SHOWN_VALUE);
                return Some(format!("the first that is missing: {first}"));
            }
            Seen::Unknown(_) => return None,
        }
    }
    None
}

fn thing(there: &Metadata) -> String {
    let size = there.size;
    let sized = |what: &str| match size {
        Some(size) => format!("{what} of {}", bytes(size)),
        None => what.to_owned(),
    };
    match there.exact {
        Some(FileKind::Fifo) => "a named pipe".to_owned(),
        Some(FileKind::Socket) => "a socket".to_owned(),
        Some(FileKind::BlockDevice | FileKind::CharacterDevice) => "a device".to_owned(),
        _ => match there.kind {
            Kind::File => sized("a file"),
            Kind::Directory => "a directory".to_owned(),
            _ => "something that is neither a file nor a directory".to_owned(),
        },
    }
}
