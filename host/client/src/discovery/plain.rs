//! One root, by plain calls.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::capability_roots::{Discovery, FoundFile, PLUGIN_MANIFESTS, Root, SKILL};
use lockgate_wire::limits::{
    DISCOVER_DEPTH, DISCOVER_DIRECTORIES, DISCOVER_ENTRIES, DISCOVER_FILE_BYTES, DISCOVER_SKILLS,
};
use lockgate_wire::{WirePath, code};

use super::refusal;
use crate::executor::{Files, Kind, Walk};
use crate::{ClientError, limits};

/// What there is below a root. `room` is what contents may still take.
pub(super) async fn discovery(
    files: &dyn Files,
    root: &Root,
    room: &mut usize,
) -> Result<Discovery, ClientError> {
    let mut look = Look {
        files,
        within: root.sandbox.as_ref(),
        room,
        found: Discovery {
            id: root.id.clone(),
            path: root.path.clone(),
            plugin: None,
            skills: Vec::new(),
            namespace_manifests: Vec::new(),
            warnings: Vec::new(),
            error: None,
        },
    };
    look.found.error = look.at(&root.path.path).await?.err();
    Ok(look.found)
}

struct Look<'a> {
    files: &'a dyn Files,
    within: Option<&'a Sandbox>,
    room: &'a mut usize,
    found: Discovery,
}

/// Where the root is, and what it is called.
struct Place<'a> {
    asked: &'a AbsPath,
    real: AbsPath,
}

impl Place<'_> {
    /// A path below the real directory, below the one that was asked for.
    fn named(&self, path: &AbsPath) -> AbsPath {
        let below = path.as_path().strip_prefix(self.real.as_path());
        below
            .ok()
            .and_then(|below| AbsPath::parse(self.asked.as_path().join(below)).ok())
            .unwrap_or_else(|| path.clone())
    }
}

/// What became of a file: its text, nothing where there is none, or why it was not read.
type Read = Result<Option<String>, String>;

impl Look<'_> {
    /// Why the root itself cannot be looked at, if it cannot.
    async fn at(&mut self, root: &AbsPath) -> Result<Result<(), String>, ClientError> {
        match self.files.metadata(root, self.within).await {
            Ok(found) if found.kind == Kind::Directory => {}
            Ok(_) => return Ok(Err("it is not a directory".to_owned())),
            Err(error) => return refusal(error).map(|(_, reason)| Err(reason)),
        }
        // No link below it is followed out of it, so its own are followed now.
        let real = match self.files.canonicalize(root, self.within).await {
            Ok(real) => real,
            Err(error) => return refusal(error).map(|(_, reason)| Err(reason)),
        };
        let place = Place { asked: root, real };
        let walk = Walk {
            depth: DISCOVER_DEPTH as u64,
            directories: DISCOVER_DIRECTORIES as u64,
            entries: DISCOVER_ENTRIES as u64,
            follows_links: false,
            skips_hidden: true,
        };
        let walked = match self.files.walk(&place.real, walk, self.within).await {
            Ok(walked) => walked,
            Err(error) => return refusal(error).map(|(_, reason)| Err(reason)),
        };
        for (path, reason) in walked.errors {
            self.warn(&place.named(&path), &reason);
        }
        if walked.truncated {
            self.warn(root, "not all of it was looked through");
        }
        let mut skills: Vec<AbsPath> = walked
            .found
            .into_iter()
            .filter(|found| found.kind == Kind::File)
            .map(|found| found.path)
            .filter(|path| path.file_name().is_some_and(|name| name == SKILL))
            .collect();
        skills.sort();
        if skills.len() > DISCOVER_SKILLS {
            let words = format!(
                "it has {} skills, of which the first {DISCOVER_SKILLS} are here",
                skills.len()
            );
            self.warn(root, &words);
            skills.truncate(DISCOVER_SKILLS);
        }
        self.found.plugin = self.manifest(&place, &place.real).await?;
        self.skills(&place, skills).await?;
        Ok(Ok(()))
    }

    async fn skills(&mut self, place: &Place<'_>, paths: Vec<AbsPath>) -> Result<(), ClientError> {
        let mut directories = BTreeSet::new();
        let (files, within) = (self.files, self.within);
        let mut reads = stream::iter(paths)
            .map(|path| async {
                let read = text(files, within, place, &path).await;
                (path, read)
            })
            .buffered(limits::READS_AT_ONCE);
        while let Some((path, read)) = reads.next().await {
            let Some(skill) = self.kept(place, &path, read?) else {
                continue;
            };
            self.found.skills.push(skill);
            let above = std::iter::successors(path.parent(), AbsPath::parent);
            directories.extend(above.take_while(|above| above.starts_with(&place.real)));
        }
        drop(reads);
        for directory in directories {
            let manifest = self.manifest(place, &directory).await?;
            self.found.namespace_manifests.extend(manifest);
        }
        Ok(())
    }

    /// The manifest of a plugin in that directory.
    async fn manifest(
        &mut self,
        place: &Place<'_>,
        directory: &AbsPath,
    ) -> Result<Option<FoundFile>, ClientError> {
        for [folder, name] in PLUGIN_MANIFESTS {
            let path = directory.join(folder).and_then(|folder| folder.join(name));
            let Ok(path) = path else {
                continue;
            };
            let read = text(self.files, self.within, place, &path).await?;
            if let Some(manifest) = self.kept(place, &path, read) {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    /// A file that was read, if there is room for it.
    fn kept(&mut self, place: &Place<'_>, path: &AbsPath, read: Read) -> Option<FoundFile> {
        let named = place.named(path);
        match read {
            Ok(None) => None,
            Ok(Some(contents)) if contents.len() <= *self.room => {
                *self.room -= contents.len();
                Some(FoundFile {
                    path: WirePath::uri(named),
                    contents,
                })
            }
            Ok(Some(_)) => {
                self.warn(&named, "there is no room for it: read it by itself");
                None
            }
            Err(reason) => {
                self.warn(&named, &reason);
                None
            }
        }
    }

    fn warn(&mut self, path: &AbsPath, reason: &str) {
        if self.found.warnings.len() < limits::DISCOVER_WARNINGS {
            self.found.warnings.push(format!("{path}: {reason}"));
        }
    }
}

/// The text of a file that is below the root, also where links are.
async fn text(
    files: &dyn Files,
    within: Option<&Sandbox>,
    place: &Place<'_>,
    path: &AbsPath,
) -> Result<Read, ClientError> {
    let refused = |error| {
        refusal(error).map(|(code, reason)| match code {
            code::NOT_FOUND => Ok(None),
            _ => Err(reason),
        })
    };
    let real = match files.canonicalize(path, within).await {
        Ok(real) => real,
        Err(error) => return refused(error),
    };
    if !real.starts_with(&place.real) {
        let words = "a link leads out of the root, and is not followed";
        return Ok(Err(words.to_owned()));
    }
    let mut blocks = match files.open(&real, 0, within).await {
        Ok(blocks) => blocks,
        Err(error) => return refused(error),
    };
    let most = usize::try_from(DISCOVER_FILE_BYTES).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while let Some(block) = blocks.next().await {
        match block {
            Ok(block) => bytes.extend(block),
            Err(error) => return refused(error),
        }
        if bytes.len() > most {
            return Ok(Err(format!("it has more than {most} bytes")));
        }
    }
    let text = String::from_utf8(bytes);
    Ok(text
        .map(Some)
        .map_err(|_| "it is no text in UTF-8".to_owned()))
}
