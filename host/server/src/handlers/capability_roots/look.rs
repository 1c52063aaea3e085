//! A look at one root.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lockgate_capfs::operation::WalkKind;
use lockgate_capfs::{AbsPath, Files, Follow, FsError};
use lockgate_policy_gate::{Access, ActionKind, FileVerb};
use lockgate_wire::capability_roots::{Discovery, FoundFile, PLUGIN_MANIFESTS, SKILL};
use lockgate_wire::{WirePath, code};
use rustix::io::Errno;

use super::WALK;
use crate::failure::Failure;
use crate::handlers::files::Gate;
use crate::limits;
use crate::policy::{Decision, FileAction, Guard, Permit, file_verb, file_walk};

/// What one request may cost.
pub(super) struct Room {
    /// Bytes that the answer may still have, as JSON.
    answer: usize,
    /// Bytes that may still be read, whether or not they find room.
    reads: usize,
    /// When nothing more is begun.
    end: Instant,
}

impl Room {
    pub(super) fn new(bytes: usize, time: Duration) -> Room {
        Room {
            answer: bytes,
            reads: 4 * bytes,
            end: Instant::now() + time,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    fn take(&mut self, bytes: usize) -> bool {
        match self.answer.checked_sub(bytes) {
            Some(left) => {
                self.answer = left;
                true
            }
            None => false,
        }
    }
}

pub(super) struct Look<'a> {
    gate: &'a Gate,
    guard: &'a Guard,
    room: &'a mut Room,
    found: &'a mut Discovery,
}

/// Where the root is, and what it is called.
struct Place<'a> {
    asked: &'a AbsPath,
    real: AbsPath,
}

impl Place<'_> {
    /// A path below the real directory, below the one that was asked for.
    fn named(&self, path: &AbsPath) -> AbsPath {
        let below = path.components().skip(self.real.components().count());
        below.fold(self.asked.clone(), |path, name| {
            use std::os::unix::ffi::OsStrExt;
            let name = std::ffi::OsStr::from_bytes(name);
            // Only a name that is too long could fail, and it is there.
            path.join(name).unwrap_or(path)
        })
    }
}

impl<'a> Look<'a> {
    pub(super) fn new(
        gate: &'a Gate,
        guard: &'a Guard,
        room: &'a mut Room,
        found: &'a mut Discovery,
    ) -> Look<'a> {
        Look {
            gate,
            guard,
            room,
            found,
        }
    }

    /// A failure where the root itself cannot be looked at.
    pub(super) fn at(mut self, root: &AbsPath, permit: &Permit) -> Result<(), Failure> {
        let files = self.gate.files_to_look_at(permit)?;
        let explained = |failure: Failure| permit.explained_under(&files, failure);
        let metadata = files.metadata(root, Follow::Links);
        if !metadata
            .map_err(|error| explained(error.into()))?
            .is_directory
        {
            return Err(Failure::invalid_request("it is not a directory"));
        }
        // From here on no link is followed, so the root's own are followed now.
        let real = files.canonicalize(root);
        let real = real.map_err(|error| explained(error.into()))?;
        let place = Place { asked: root, real };
        let elsewhere = match place.real == *root {
            true => None,
            false => Some(self.permitted(file_walk(&place.real, &WALK))?),
        };
        let files = match &elsewhere {
            Some(permit) => self.gate.files_to_look_at(permit)?,
            None => files,
        };
        self.plugin(&place);
        let skills = self.walked(&files, &place).map_err(|failure| {
            elsewhere
                .as_ref()
                .unwrap_or(permit)
                .explained_under(&files, failure)
        })?;
        self.skills(&place, skills);
        Ok(())
    }

    /// The skills' paths.
    fn walked(&mut self, files: &Files, place: &Place<'_>) -> Result<Vec<AbsPath>, Failure> {
        let outcome = files.walk(&place.real, &WALK)?;
        for (path, message) in outcome.errors {
            self.warn(&place.named(&path), &message);
        }
        if outcome.truncated {
            self.warn(
                place.asked,
                &format!(
                    "not all of it was looked through: at most {} directories and {} entries are",
                    limits::DISCOVER_DIRECTORIES,
                    limits::DISCOVER_ENTRIES
                ),
            );
        }
        let mut skills: Vec<AbsPath> = outcome
            .entries
            .into_iter()
            .filter(|entry| entry.kind == WalkKind::File)
            .map(|entry| entry.path)
            .filter(|path| path.file_name().is_some_and(|name| name == SKILL))
            .collect();
        skills.sort();
        if skills.len() > limits::DISCOVER_SKILLS {
            let count = skills.len();
            skills.truncate(limits::DISCOVER_SKILLS);
            let most = limits::DISCOVER_SKILLS;
            self.warn(
                place.asked,
                &format!("it has {count} skills, of which the first {most} are here"),
            );
        }
        Ok(skills)
    }

    fn plugin(&mut self, place: &Place<'_>) {
        self.found.plugin = self.manifest(place, &place.real);
    }

    fn skills(&mut self, place: &Place<'_>, skills: Vec<AbsPath>) {
        let mut directories = BTreeSet::new();
        for path in skills {
            lockgate_capfs::workers::alive();
            if self.room.is_over() {
                self.warn(place.asked, TIME);
                break;
            }
            let Some(skill) = self.read(place, &path) else {
                continue;
            };
            self.found.skills.push(skill);
            let above = std::iter::successors(path.parent(), AbsPath::parent);
            directories.extend(above.take_while(|above| above.starts_with(&place.real)));
        }
        for directory in directories {
            lockgate_capfs::workers::alive();
            if self.room.is_over() {
                self.warn(place.asked, TIME);
                break;
            }
            let manifest = match directory == place.real {
                true => self.found.plugin.clone().filter(|plugin| {
                    let fits = self.room.take(bytes_of(plugin));
                    fits || {
                        self.found.warnings.push(NO_ROOM.to_owned());
                        false
                    }
                }),
                false => self.manifest(place, &directory),
            };
            self.found.namespace_manifests.extend(manifest);
        }
    }

    /// The manifest of a plugin in that directory.
    fn manifest(&mut self, place: &Place<'_>, directory: &AbsPath) -> Option<FoundFile> {
        PLUGIN_MANIFESTS.iter().find_map(|names| {
            let path = names
                .iter()
                .try_fold(directory.clone(), |path, name| path.join(name));
            self.read(place, &path.ok()?)
        })
    }

    /// A file, if it is there and can be read and there is room for it.
    fn read(&mut self, place: &Place<'_>, path: &AbsPath) -> Option<FoundFile> {
        let named = place.named(path);
        if self.room.reads == 0 {
            self.warn(&named, NO_ROOM);
            return None;
        }
        match self.contents(place, path) {
            Ok(contents) => {
                self.room.reads = self.room.reads.saturating_sub(contents.len());
                let file = FoundFile {
                    path: WirePath::uri(named.clone()),
                    contents,
                };
                if self.room.take(bytes_of(&file)) {
                    return Some(file);
                }
                self.warn(&named, NO_ROOM);
            }
            Err(failure) if failure.code == code::NOT_FOUND => {}
            Err(failure) => self.warn(&named, &failure.message),
        }
        None
    }

    /// A link is followed where it stays below the root.
    fn contents(&self, place: &Place<'_>, path: &AbsPath) -> Result<String, Failure> {
        if let Some(text) = self.text(path)? {
            return Ok(text);
        }
        let permit = self.permitted(file_verb(FileVerb::Canonicalize, path, Access::Look))?;
        let files = self.gate.files_to_look_at(&permit)?;
        let real = files
            .canonicalize(path)
            .map_err(|error| permit.explained_under(&files, error.into()))?;
        let text = match real.starts_with(&place.real) {
            true => self.text(&real)?,
            false => None,
        };
        text.ok_or_else(|| {
            Failure::invalid_request("a link leads out of the root, and is not followed")
        })
    }

    /// None where a link is on the way.
    fn text(&self, path: &AbsPath) -> Result<Option<String>, Failure> {
        let permit = self.permitted(file_verb(FileVerb::Read, path, Access::Read))?;
        let files = self.gate.files_to_look_at(&permit)?;
        let most = permit.at_most(limits::DISCOVER_FILE_BYTES);
        let read = match files.open(path, Follow::Nothing) {
            Err(FsError::SymbolicLink | FsError::Os(Errno::LOOP)) => return Ok(None),
            opened => opened.and_then(|file| file.read_all(most)),
        };
        let bytes = permit
            .read(most, read)
            .map_err(|failure| permit.explained_under(&files, failure))?;
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| Failure::invalid_request("it is no text in UTF-8"))
    }

    /// What policies leave of this, where nobody has to agree first.
    fn permitted(&self, action: FileAction) -> Result<Permit, Failure> {
        let held_to = self.gate.is_held_to_a_profile();
        let question = self
            .guard
            .question(ActionKind::File, || vec![action.into_action(held_to)]);
        match question.decide()? {
            Decision::Settled(permit) => Ok(permit),
            Decision::Asks(_) => Err(Failure::invalid_request(
                "somebody has to agree to this: ask for it by a request of its own",
            )),
        }
    }

    fn warn(&mut self, path: &AbsPath, message: &str) {
        let warnings = &mut self.found.warnings;
        if warnings.len() < limits::DISCOVER_WARNINGS {
            let message: String = message.chars().take(512).collect();
            warnings.push(format!("{path}: {message}"));
        } else if warnings.len() == limits::DISCOVER_WARNINGS {
            warnings.push("and more that is not told".to_owned());
        }
    }
}

pub(super) const TIME: &str = "the time of the request was over before all of it was looked at";

const NO_ROOM: &str = "there is no room for it in the answer: read it by itself";

/// What a file takes in the answer.
fn bytes_of(file: &FoundFile) -> usize {
    serde_json::to_string(file).map_or(usize::MAX, |json| json.len())
}
