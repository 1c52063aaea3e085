//! A file system in memory, as little as a profile's meaning asks for: where links lead, what is there, which `.git` is a pointer.

use std::collections::BTreeMap;

use lockgate_grant::{AbsPath, Host, Place};

/// What is at a path. What is not in the [`World`] is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    Plain,
    Link(String),
    GitPointer(String),
}

/// Things by their real paths.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub things: BTreeMap<String, Thing>,
    pub tmpdir: Option<String>,
    pub own: Vec<AbsPath>,
}

/// A path, the links passed on the way to it, and whether something is there.
#[derive(Clone, Debug)]
pub struct Walked {
    pub end: String,
    pub links: Vec<String>,
    pub exists: bool,
}

impl World {
    /// Follows every link. A loop is an error.
    pub fn walk(&self, path: &str) -> Result<Walked, String> {
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut at, mut links) = (String::new(), Vec::new());
        while let Some(name) = todo.pop() {
            if name.is_empty() {
                continue;
            }
            let next = format!("{at}/{name}");
            match self.things.get(&next) {
                Some(Thing::Link(target)) => {
                    links.push(next);
                    if links.len() > 40 {
                        return Err("too many links".into());
                    }
                    at.clear();
                    todo.extend(target.split('/').rev().map(str::to_owned));
                }
                _ => at = next,
            }
        }
        let exists = at.is_empty() || self.things.contains_key(&at);
        Ok(Walked {
            end: if at.is_empty() { "/".into() } else { at },
            links,
            exists,
        })
    }

    /// Where the pointer file at `path` leads, if there is one.
    pub fn pointer(&self, path: &str) -> Option<String> {
        match self.things.get(&self.walk(path).ok()?.end) {
            Some(Thing::GitPointer(target)) => Some(target.clone()),
            _ => None,
        }
    }
}

pub fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).expect("a path")
}

impl Host for World {
    fn place(&self, of: &AbsPath) -> Result<Place, String> {
        let walked = self.walk(&of.to_string())?;
        Ok(Place {
            canonical: path(&walked.end),
            links: walked.links.iter().map(|link| path(link)).collect(),
            exists: walked.exists,
        })
    }

    fn git_directories(&self, of: &AbsPath) -> Vec<AbsPath> {
        let target = self.pointer(&of.to_string());
        target.iter().map(|target| path(target)).collect()
    }

    fn temporary_directory(&self) -> Option<AbsPath> {
        self.tmpdir.as_deref().map(path)
    }

    fn own_directories(&self) -> &[AbsPath] {
        &self.own
    }
}
