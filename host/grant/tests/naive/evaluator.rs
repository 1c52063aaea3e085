//! What a profile means, written down from the protocol's text alone and as plainly as can be: lists that are searched from
//! one end to the other, paths that are strings. It shares no code with the crate but the profile's types. Slow on purpose.

use lockgate_grant::Allowed;
use lockgate_grant::narrowing::{self, GrantEntry};
use lockgate_grant::profile::{
    Access, Entry, EntryPath, FileSystem, Permissions, Sandbox, Special,
};

use crate::glob;
use crate::world::{Walked, World};

/// What the profile comes to.
pub enum Meaning {
    /// No gate.
    Direct,
    /// It cannot be enforced.
    Refused,
    /// These rules.
    Rules(Rules),
}

/// Everything that was found out when the scope was made.
#[derive(Debug, Default)]
pub struct Rules {
    /// From entries, both spellings.
    entries: Vec<(String, Allowed)>,
    /// No more than this where something wider would allow it: protected names, and links that are not to be trusted.
    holds: Vec<(String, Allowed)>,
    /// Readable unless something else allows more.
    minimal: Vec<String>,
    globs: Vec<String>,
    own: Vec<String>,
}

const PROTECTED: [&str; 3] = [".git", ".agents", ".codex"];

/// `minimal`, as far as the worlds of these tests have any of it.
const MINIMAL: [&str; 3] = ["/usr", "/bin", "/lib"];

pub fn meaning(sandbox: &Sandbox, world: &World) -> Meaning {
    let Permissions::Managed {
        file_system: FileSystem::Restricted { entries, .. },
        ..
    } = &sandbox.permissions
    else {
        return Meaning::Direct;
    };
    let mut narrows = false;
    let (mut literal, mut minimal, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let adds_only = entry.path == EntryPath::Special(Special::Minimal);
        narrows |= entry.access == Access::Deny
            || (entry.access == Access::Read && entry.skip_missing && !adds_only);
        match places(entry, sandbox, world) {
            None => return Meaning::Refused,
            Some(Places::Paths(paths)) => {
                for path in paths {
                    let missing = world.walk(&path).is_ok_and(|walked| !walked.exists);
                    if !(entry.skip_missing && missing) {
                        literal.push((path, says(entry.access)));
                    }
                }
            }
            Some(Places::Minimal) => {
                let here = MINIMAL.iter().map(|path| (*path).to_owned());
                let there = here.filter(|path| {
                    !(entry.skip_missing && world.walk(path).is_ok_and(|walked| !walked.exists))
                });
                if entry.access == Access::Deny {
                    literal.extend(there.map(|path| (path, Allowed::Nothing)));
                } else {
                    minimal.extend(there);
                }
            }
            Some(Places::Pattern(pattern)) => patterns.push(pattern),
        }
    }
    rules(literal, minimal, patterns, narrows, world)
}

/// What a policy's list comes to by itself.
pub fn meaning_of_list(list: &[GrantEntry], world: &World) -> Meaning {
    let says = |entry: &GrantEntry| match entry.access {
        None => Allowed::Nothing,
        Some(narrowing::Access::Look) => Allowed::Seen,
        Some(narrowing::Access::Read) => Allowed::Read,
        Some(narrowing::Access::Write) => Allowed::Write,
    };
    let literal = list.iter().map(|entry| (entry.path.clone(), says(entry)));
    let narrows = list.iter().any(|entry| entry.access.is_none());
    rules(literal.collect(), Vec::new(), Vec::new(), narrows, world)
}

fn rules(
    literal: Vec<(String, Allowed)>,
    minimal: Vec<String>,
    patterns: Vec<String>,
    narrows: bool,
    world: &World,
) -> Meaning {
    let shadowed = |path: &str| literal.contains(&(path.to_owned(), Allowed::Write));
    if shadowed("/")
        && !narrows
        && patterns.is_empty()
        && literal
            .iter()
            .all(|(path, allowed)| *allowed == Allowed::Write || shadowed(path))
    {
        return Meaning::Direct;
    }
    match Rules::make(literal, minimal, patterns, world) {
        Ok(rules) => Meaning::Rules(rules),
        Err(_) => Meaning::Refused,
    }
}

fn says(access: Access) -> Allowed {
    match access {
        Access::Deny => Allowed::Nothing,
        Access::Read => Allowed::Read,
        Access::Write => Allowed::Write,
    }
}

enum Places {
    Paths(Vec<String>),
    Minimal,
    Pattern(String),
}

/// What an entry is about; none when it cannot be told or enforced.
fn places(entry: &Entry, sandbox: &Sandbox, world: &World) -> Option<Places> {
    let text = |path: &lockgate_grant::AbsPath| path.to_string();
    let one = |path: String| Some(Places::Paths(vec![path]));
    match &entry.path {
        EntryPath::Path(path) => one(text(path)),
        EntryPath::Glob(_) if entry.access != Access::Deny => None,
        EntryPath::Glob(pattern) if pattern.starts_with('/') => {
            Some(Places::Pattern(pattern.clone()))
        }
        EntryPath::Glob(pattern) => Some(Places::Pattern(format!(
            "{}/{pattern}",
            text(sandbox.cwd.as_ref()?)
        ))),
        EntryPath::Special(Special::Root) => one("/".into()),
        EntryPath::Special(Special::Minimal) => Some(Places::Minimal),
        EntryPath::Special(Special::ProjectRoots { subpath }) => {
            let roots = match &sandbox.workspace_roots {
                Some(roots) => roots.iter().map(text).collect(),
                None => vec![text(sandbox.cwd.as_ref()?)],
            };
            let below = |root: String| match subpath {
                Some(subpath) => format!("{}/{subpath}", root.trim_end_matches('/')),
                None => root,
            };
            Some(Places::Paths(roots.into_iter().map(below).collect()))
        }
        EntryPath::Special(Special::Tmpdir) => {
            Some(Places::Paths(world.tmpdir.iter().cloned().collect()))
        }
        EntryPath::Special(Special::SlashTmp) => one("/tmp".into()),
        EntryPath::Special(Special::Unknown { .. }) if entry.access == Access::Deny => None,
        EntryPath::Special(Special::Unknown { .. }) => Some(Places::Paths(Vec::new())),
    }
}

impl Rules {
    fn make(
        literal: Vec<(String, Allowed)>,
        minimal: Vec<String>,
        patterns: Vec<String>,
        world: &World,
    ) -> Result<Rules, String> {
        let mut rules = Rules {
            entries: literal.clone(),
            own: world.own.iter().map(ToString::to_string).collect(),
            ..Rules::default()
        };

        // A link inside of what the profile makes writable may be the work of whoever the profile is to restrain.
        let mut writable = Vec::new();
        for (path, allowed) in &literal {
            if *allowed == Allowed::Write {
                writable.push(path.clone());
                writable.extend(world.walk(path).map(|walked| walked.end));
            }
        }
        let planted = |link: &String| {
            writable
                .iter()
                .any(|root| root != link && is_below(link, root))
        };

        // Both spellings of every entry; and where the directory of its name really is, so that a link there is under it, too.
        let as_written = Rules {
            entries: literal.clone(),
            ..Rules::default()
        };
        for (path, _) in &literal {
            let allowed = as_written.winner(path).expect("its own entry");
            let real_name = parent(path).and_then(|(above, name)| {
                Some(format!(
                    "{}/{name}",
                    world.walk(above).ok()?.end.trim_end_matches('/')
                ))
            });
            let walked = match world.walk(path) {
                Ok(walked) => walked,
                // A grant of what cannot be reached may stand as it is written. A restriction must not miss.
                Err(_) if allowed != Allowed::Nothing && !as_written.narrows(path, allowed) => {
                    if allowed != Allowed::Write {
                        rules.holds.extend(real_name.map(|name| (name, allowed)));
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let own_link = real_name.filter(|name| walked.links.contains(name));
            match allowed {
                Allowed::Nothing => rules.entries.extend(own_link.map(|name| (name, allowed))),
                allowed => rules.holds.extend(own_link.map(|name| (name, allowed))),
            }
            let trusted = !walked.links.iter().any(planted);
            if trusted || allowed == Allowed::Nothing {
                rules.entries.push((walked.end.clone(), allowed));
            }
            if matches!(allowed, Allowed::Seen | Allowed::Read) && !trusted {
                rules.holds.push((walked.end.clone(), allowed));
            }
            if allowed != Allowed::Write {
                let links = walked.links.into_iter();
                rules.holds.extend(links.map(|link| (link, Allowed::Read)));
            }
        }
        for path in minimal {
            if let Ok(walked) = world.walk(&path)
                && !walked.links.iter().any(planted)
            {
                rules.minimal.push(walked.end);
            }
            rules.minimal.push(path);
        }

        // The names directly below a writable root.
        for (root, _) in rules.entries.clone() {
            if rules.winner(&root) != Some(Allowed::Write) {
                continue;
            }
            for name in PROTECTED {
                let path = format!("{}/{name}", root.trim_end_matches('/'));
                let explicit = rules.entries.iter().any(|(entry, _)| *entry == path);
                if !explicit {
                    let walked = world.walk(&path)?;
                    rules.hold_all(path.clone(), walked);
                }
                if name == ".git"
                    && rules.winner(&path) != Some(Allowed::Write)
                    && let Some(target) = world.pointer(&path)
                {
                    let walked = world.walk(&target)?;
                    rules.hold_all(target, walked);
                }
            }
        }

        for pattern in patterns {
            let (fixed, rest) = glob::fixed_part(&pattern);
            let real = world.walk(&format!("/{}", fixed.join("/")))?.end;
            if real == "/" && rest.is_empty() {
                return Err("all of it".into());
            }
            rules.globs.push(format!("{real}/{}", rest.join("/")));
            // Without wildcards it names one thing, which can be a link: by the name that it has where its directory really is, too.
            if let (Some((name, above)), []) = (fixed.split_last(), &rest[..]) {
                let above = world.walk(&format!("/{}", above.join("/")))?.end;
                rules.globs.push(format!("{above}/{name}"));
            }
            rules.globs.push(pattern);
        }
        Ok(rules)
    }

    /// A path, the links on the way to it, and where they lead.
    fn hold_all(&mut self, path: String, walked: Walked) {
        let all = walked.links.into_iter().chain([path, walked.end]);
        self.holds.extend(all.map(|path| (path, Allowed::Read)));
    }

    /// What the entries for exactly this path say.
    fn winner(&self, path: &str) -> Option<Allowed> {
        [
            Allowed::Nothing,
            Allowed::Write,
            Allowed::Read,
            Allowed::Seen,
        ]
        .into_iter()
        .find(|allowed| self.entries.contains(&(path.to_owned(), *allowed)))
    }

    /// More is allowed around the path.
    fn narrows(&self, path: &str, allowed: Allowed) -> bool {
        parent(path).is_some_and(|(above, _)| self.by_path(above, false) > allowed)
    }

    /// The least that a hold leaves at just this path.
    fn held(&self, path: &str) -> Option<Allowed> {
        let here = self.holds.iter().filter(|(held, _)| held == path);
        here.map(|(_, most)| *most).min()
    }

    pub fn allowed(&self, path: &str) -> Allowed {
        let denied = |path: &String| self.globs.iter().any(|glob| glob::matches(glob, path));
        if upwards(path).iter().any(denied) {
            return Allowed::Nothing;
        }
        // Another case of a protected name that is under a rule is held to what that says.
        let (mut spelled, mut usual) = (String::new(), None::<String>);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let lower = name.to_lowercase();
            let another_case = PROTECTED.contains(&lower.as_str()) && lower != name;
            let above = usual.as_ref().unwrap_or(&spelled);
            let as_usual = Some(format!("{above}/{lower}"))
                .filter(|path| another_case && self.is_under_own_rule(path));
            usual = as_usual.or(usual.map(|above| format!("{above}/{name}")));
            spelled = format!("{spelled}/{name}");
        }
        let allowed = self.as_spelled(path);
        usual.map_or(allowed, |usual| allowed.min(self.as_spelled(&usual)))
    }

    /// Some rule is for just this path and makes a difference.
    fn is_under_own_rule(&self, path: &str) -> bool {
        let around = parent(path).map_or(Allowed::Nothing, |(above, _)| self.without_seeing(above));
        let here = |paths: &[String]| paths.iter().any(|rule| rule == path);
        self.winner(path).is_some()
            || self.held(path).is_some_and(|most| around > most)
            || here(&self.own) && around == Allowed::Write
            || here(&self.minimal) && around == Allowed::Nothing
    }

    fn without_seeing(&self, path: &str) -> Allowed {
        let allowed = self.by_path(path, false).max(self.by_path(path, true));
        match self.own.iter().any(|own| is_below(path, own)) {
            true => allowed.min(Allowed::Read),
            false => allowed,
        }
    }

    fn as_spelled(&self, path: &str) -> Allowed {
        let allowed = self.without_seeing(path);
        let leads_to_a_grant = self
            .entries
            .iter()
            .filter(|(entry, _)| {
                self.winner(entry)
                    .is_some_and(|allowed| allowed > Allowed::Nothing)
            })
            .map(|(entry, _)| entry)
            .chain(
                self.minimal
                    .iter()
                    .filter(|path| self.winner(path) != Some(Allowed::Nothing)),
            )
            .any(|entry| entry != path && is_below(entry, path));
        if allowed == Allowed::Nothing && leads_to_a_grant {
            return Allowed::Seen;
        }
        allowed
    }

    /// The most specific entry that is about the path.
    fn by_path(&self, path: &str, minimal: bool) -> Allowed {
        let mut most = Allowed::Write;
        for path in upwards(path) {
            let found = match self.winner(&path) {
                None if minimal && self.minimal.contains(&path) => Some(Allowed::Read),
                found => found,
            };
            match found {
                Some(allowed) => return allowed.min(most),
                None => most = self.held(&path).map_or(most, |held| held.min(most)),
            }
        }
        Allowed::Nothing
    }
}

/// The path, what holds it, and so on up to `/`.
fn upwards(path: &str) -> Vec<String> {
    let mut all = vec![path.to_owned()];
    let mut path = path;
    while let Some((above, _)) = path.rsplit_once('/').filter(|_| path != "/") {
        path = if above.is_empty() { "/" } else { above };
        all.push(path.to_owned());
    }
    all
}

/// The directory of a path, and its name there; none of `/`.
fn parent(path: &str) -> Option<(&str, &str)> {
    let (above, name) = path.rsplit_once('/').filter(|_| path != "/")?;
    Some((if above.is_empty() { "/" } else { above }, name))
}

fn is_below(path: &str, above: &str) -> bool {
    upwards(path).iter().any(|path| path == above)
}
