//! What Cedar is asked about an action: a principal, an action, a resource and a context for each of its paths.
//!
//! Everything that comes from a client goes into entities and values by Cedar's constructors. No text is ever put together and
//! parsed, so nothing in a path or a word of a command can be taken for Cedar.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use lockgate_policy::{
    Access, Action, FileOperation, FilePath, HttpRequest, ProcessStart, ProcessWrite, Subject,
    Transport, options::WalkOptions, path,
};

use crate::words::command_line;

/// The types of entities that come from the request, so that no configuration may bring them.
pub(crate) const FROM_THE_REQUEST: [&str; 7] = [
    "Client",
    "Directory",
    "Program",
    "Process",
    "File",
    "Host",
    "Url",
];

pub(crate) type Values = Vec<(String, RestrictedExpression)>;

/// One question.
pub(crate) struct Question {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) context: Values,
    /// The entities that it is about.
    pub(crate) entities: Vec<Entity>,
    /// For people: `file-write of "/etc/passwd"`.
    pub(crate) words: String,
}

/// The questions about an action; at least one. A walk may be asked with its options.
pub(crate) fn questions(
    subject: &Subject,
    action: &Action,
    walk: Option<WalkOptions>,
) -> Result<Vec<Question>, String> {
    match action {
        Action::ProcessStart(start) => Ok(vec![process_start(subject, start)?]),
        Action::ProcessWrite(write) => Ok(vec![process_write(subject, write)?]),
        Action::Http(request) => Ok(vec![http(subject, request)?]),
        Action::File(operation) if operation.paths.is_empty() => {
            Err("a file operation without a path".to_owned())
        }
        Action::File(operation) => {
            let one = |path| file(subject, operation, path, walk);
            operation.paths.iter().map(one).collect()
        }
    }
}

fn process_start(subject: &Subject, start: &ProcessStart) -> Result<Question, String> {
    let argv0 = start.argv.first().map_or("", String::as_str);
    let found = start.program.as_deref();
    let cwd = uid("Directory", &start.cwd)?;
    let mut attributes = vec![
        text("name", path::name(found.unwrap_or(argv0))),
        text("argv0", argv0),
        set("argv", &start.argv),
        text("command", &command_line(&start.argv)),
        value("cwd", RestrictedExpression::new_entity_uid(cwd.clone())),
        set("env", &start.env_names),
        truth("tty", start.tty),
    ];
    attributes.extend(found.map(|found| text("path", found)));
    let parents = found.map_or_else(|| Ok(HashSet::new()), |found| directories(above(found)))?;
    let program = entity(
        uid("Program", found.unwrap_or_default())?,
        attributes,
        parents,
    )?;
    let parents = directories(above(&start.cwd))?;
    let directory = entity(cwd, vec![text("path", &start.cwd)], parents)?;
    let context = vec![truth("sandboxed", start.sandboxed)];
    let words = short(found.unwrap_or(argv0));
    question(
        subject,
        "process-start",
        program,
        vec![directory],
        context,
        words,
    )
}

fn process_write(subject: &Subject, write: &ProcessWrite) -> Result<Question, String> {
    let attributes = vec![text("argv0", &write.argv0), truth("tty", write.tty)];
    let process = entity(uid("Process", &write.process)?, attributes, HashSet::new())?;
    let context = vec![
        text("data", &String::from_utf8_lossy(&write.data)),
        number("bytes", write.data.len()),
    ];
    let words = short(&write.argv0);
    question(
        subject,
        "process-write",
        process,
        Vec::new(),
        context,
        words,
    )
}

fn file(
    subject: &Subject,
    operation: &FileOperation,
    asked: &FilePath,
    walk: Option<WalkOptions>,
) -> Result<Question, String> {
    let path = &asked.path;
    let attributes = vec![text("path", path), text("name", path::name(path))];
    // At a directory counts as in it.
    let parents = directories(above(path).chain([&**path]))?;
    let file = entity(uid("File", path)?, attributes, parents)?;
    let access = match asked.access {
        Access::Look => "look",
        Access::Read => "read",
        Access::Write => "write",
    };
    let mut context = vec![
        text("access", access),
        truth("recursive", operation.recursive),
        truth("sandboxed", operation.sandboxed),
    ];
    if let Some(walk) = walk {
        context.push(value("walk", how_far(walk)?));
    }
    let action = format!("file-{}", operation.verb.name());
    question(subject, &action, file, Vec::new(), context, short(path))
}

fn how_far(walk: WalkOptions) -> Result<RestrictedExpression, String> {
    let long = |number: u32| RestrictedExpression::new_long(number.into());
    let truth = RestrictedExpression::new_bool;
    let members = [
        ("max_depth", long(walk.max_depth)),
        ("max_directories", long(walk.max_directories)),
        ("max_entries", long(walk.max_entries)),
        ("follow_directory_links", truth(walk.follow_directory_links)),
        (
            "prune_hidden_directories",
            truth(walk.prune_hidden_directories),
        ),
    ];
    RestrictedExpression::new_record(members.map(|(name, member)| (name.to_owned(), member)))
        .map_err(|error| error.to_string())
}

fn http(subject: &Subject, request: &HttpRequest) -> Result<Question, String> {
    let (scheme, rest) = request
        .url
        .split_once("://")
        .ok_or_else(|| format!("{} is no absolute URL", short(&request.url)))?;
    let after_authority = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
    let path = after_authority
        .split(['?', '#'])
        .next()
        .filter(|path| !path.is_empty())
        .unwrap_or("/");
    let host = request.host.strip_suffix('.').unwrap_or(&request.host);
    let attributes = vec![
        text("url", &request.url),
        text("scheme", scheme),
        text("host", host),
        number("port", request.port.into()),
        text("path", path),
    ];
    let parents = hosts(host)
        .map(|host| uid("Host", host))
        .collect::<Result<_, _>>()?;
    let url = entity(uid("Url", &request.url)?, attributes, parents)?;
    let context = vec![
        text("method", &request.method),
        set("headers", &request.header_names),
        number("hop", request.hop.try_into().map_err(|_| "too many hops")?),
    ];
    question(subject, "http", url, Vec::new(), context, short(host))
}

fn question(
    subject: &Subject,
    action: &str,
    resource: Entity,
    mut entities: Vec<Entity>,
    context: Values,
    about: String,
) -> Result<Question, String> {
    let client = client(subject)?;
    let question = Question {
        principal: client.uid(),
        action: uid("Action", action)?,
        resource: resource.uid(),
        context,
        entities: Vec::new(),
        words: format!("{action} of {about}"),
    };
    entities.extend([client, resource]);
    Ok(Question {
        entities,
        ..question
    })
}

fn client(subject: &Subject) -> Result<Entity, String> {
    let transport = match subject.transport {
        Transport::Websocket => "websocket",
        Transport::Stdio => "stdio",
        Transport::Relay => "relay",
    };
    let mut attributes = vec![
        text("session", &subject.session),
        text("transport", transport),
    ];
    attributes.extend(
        subject
            .environment
            .as_deref()
            .map(|id| text("environment", id)),
    );
    attributes.extend(subject.identity.as_deref().map(|id| text("identity", id)));
    let parents = subject.identity.iter().map(|id| uid("Identity", id));
    let parents = parents.collect::<Result<_, _>>()?;
    entity(uid("Client", &subject.client)?, attributes, parents)
}

/// The directories above an absolute path: `/`, `/work` for `/work/a`. None above `/`.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .filter(move |(at, char)| *char == '/' && path.len() > at + 1)
        .map(|(at, _)| if at == 0 { "/" } else { &path[..at] })
}

/// A host and the domains that it is below; an address alone.
fn hosts(host: &str) -> impl Iterator<Item = &str> {
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let dots = host.match_indices('.').map(|(at, _)| &host[at + 1..]);
    std::iter::once(host).chain(dots.filter(move |_| !is_address))
}

fn directories<'a>(paths: impl Iterator<Item = &'a str>) -> Result<HashSet<EntityUid>, String> {
    paths.map(|path| uid("Directory", path)).collect()
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    thread_local! {
        // Parsing a type's name costs more than all the rest.
        static TYPES: std::cell::RefCell<HashMap<String, EntityTypeName>> = std::cell::RefCell::default();
    }
    let type_name = TYPES.with_borrow_mut(|types| match types.get(kind) {
        Some(name) => Ok(name.clone()),
        None => {
            let name: EntityTypeName = kind.parse().map_err(|error| format!("{kind}: {error}"))?;
            types.insert(kind.to_owned(), name.clone());
            Ok::<_, String>(name)
        }
    })?;
    Ok(EntityUid::from_type_name_and_id(
        type_name,
        EntityId::new(id),
    ))
}

fn entity(
    uid: EntityUid,
    attributes: Values,
    parents: HashSet<EntityUid>,
) -> Result<Entity, String> {
    Entity::new(uid, attributes.into_iter().collect(), parents).map_err(|error| error.to_string())
}

fn value(name: &str, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (name.to_owned(), value)
}

fn text(name: &str, text: &str) -> (String, RestrictedExpression) {
    value(name, RestrictedExpression::new_string(text.to_owned()))
}

fn truth(name: &str, truth: bool) -> (String, RestrictedExpression) {
    value(name, RestrictedExpression::new_bool(truth))
}

fn number(name: &str, number: usize) -> (String, RestrictedExpression) {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    value(name, RestrictedExpression::new_long(number))
}

fn set(name: &str, words: &[String]) -> (String, RestrictedExpression) {
    let words = words
        .iter()
        .map(|word| RestrictedExpression::new_string(word.clone()));
    value(name, RestrictedExpression::new_set(words))
}

/// Quoted, and no longer than a message can bear.
fn short(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_above_a_path_are_whole_names() {
        let of = |path| above(path).collect::<Vec<_>>();
        assert_eq!(of("/"), [""; 0]);
        assert_eq!(of("/work"), ["/"]);
        assert_eq!(of("/work/ä b/c"), ["/", "/work", "/work/ä b"]);
        assert_eq!(of("/workshop/a"), ["/", "/workshop"]);
    }

    #[test]
    fn domains_above_a_host_are_whole_labels() {
        let of = |host| hosts(host).collect::<Vec<_>>();
        assert_eq!(of("a.example.com"), ["a.example.com", "example.com", "com"]);
        assert_eq!(of("badexample.com"), ["badexample.com", "com"]);
        assert_eq!(of("127.0.0.1"), ["127.0.0.1"]);
        assert_eq!(of("::1"), ["::1"]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(short("a\"b"), r#""a\"b""#);
        assert_eq!(short(&"ä".repeat(300)).chars().count(), 203);
    }
}
