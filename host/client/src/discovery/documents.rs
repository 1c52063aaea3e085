//! The instruction documents of a project: `AGENTS.md` and its kin, from the project's root down to the working directory.
//!
//! In each of these directories the first of the names that is there counts, and no other: `AGENTS.override.md`, `AGENTS.md`, then those that the caller
//! adds. They are given from the outside in, so that the more particular one has the last word.

use std::fmt;

use futures_util::StreamExt;
use futures_util::stream;
use lockgate_grant::AbsPath;
use lockgate_grant::profile::Sandbox;
use lockgate_wire::code;

use super::refusal;
use crate::executor::{Files, Kind};
use crate::{ClientError, limits};

/// What is looked for.
#[derive(Clone, Debug)]
pub struct ProjectDocuments {
    markers: Vec<String>,
    names: Vec<String>,
    most: usize,
    within: Option<Sandbox>,
    may_lead_out: bool,
}

/// The documents of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
    /// The nearest directory, from the working directory up, that has one of the markers; the working directory where none has. So a `.git` in a home
    /// directory makes that the project of everything below it that has no marker of its own, and links within it lead nowhere outside.
    pub root: AbsPath,
    /// From the root down. Empty ones are left out, and hide what they stand before all the same.
    pub documents: Vec<Document>,
    /// What was left out, in whole or in part, and why. A person should see it: an agent that has not read its instructions does not know that.
    pub warnings: Vec<Warning>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it was found, whether or not that is a link.
    pub path: AbsPath,
    /// What it says. Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// Something that is not among the documents as it is in the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub path: AbsPath,
    /// What happened.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl Documents {
    /// All of them as one text, with an empty line between two.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self
            .documents
            .iter()
            .map(|document| document.text.as_str())
            .collect();
        texts.join("\n\n")
    }
}

impl Default for ProjectDocuments {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        ProjectDocuments {
            markers: names(&[".git"]),
            names: names(&["AGENTS.override.md", "AGENTS.md"]),
            most: limits::DOCUMENT_BYTES,
            within: None,
            may_lead_out: false,
        }
    }
}

impl ProjectDocuments {
    /// `AGENTS.override.md` and `AGENTS.md` below the nearest `.git`, at most 32 KiB.
    pub fn new() -> ProjectDocuments {
        ProjectDocuments::default()
    }

    /// Another name, for directories that have none of those before it.
    #[must_use]
    pub fn or(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// What a project's root has in it, instead of `.git`. Without any, only the working directory is looked at.
    #[must_use]
    pub fn markers(mut self, markers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.markers = markers.into_iter().map(Into::into).collect();
        self
    }

    /// Bytes of all documents together.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// The profile to read them under.
    #[must_use]
    pub fn within(mut self, profile: Sandbox) -> Self {
        self.within = Some(profile);
        self
    }

    /// Also read what links lead to outside of the project. Without this they are not followed, and on an executor of ours also not where the project is changed
    /// under way; others follow a link that is put in a document's place and taken away again just while it is opened. Not for projects that come from somebody else: whoever wrote them chooses what of
    /// this machine the agent reads.
    #[must_use]
    pub fn may_lead_out(mut self) -> Self {
        self.may_lead_out = true;
        self
    }

    /// Looks for them. A failure is one of the executor, or of the working directory; what is the matter with a document is a warning.
    pub async fn find(&self, files: &dyn Files, cwd: &AbsPath) -> Result<Documents, ClientError> {
        let within = self.within.as_ref();
        let cwd = files.canonicalize(cwd, within).await?;
        let up: Vec<AbsPath> = std::iter::successors(Some(cwd.clone()), AbsPath::parent).collect();
        let marked = self.kinds(files, &up, &self.markers).await?;
        let at = marked
            .iter()
            .position(|found| found.iter().any(|found| matches!(found, Ok(Some(_)))));
        let inside = &up[..=at.unwrap_or(0)];
        let mut result = Documents {
            root: inside.last().unwrap_or(&cwd).clone(),
            documents: Vec::new(),
            warnings: Vec::new(),
        };
        let named = self.kinds(files, inside, &self.names).await?;
        let mut left = self.most;
        for (directory, found) in inside.iter().zip(named).rev() {
            let first = found
                .into_iter()
                .zip(&self.names)
                // A directory of that name is no document.
                .find(|(found, _)| !matches!(found, Ok(None | Some(Kind::Directory))));
            let Some((found, name)) = first else {
                continue;
            };
            let Ok(path) = directory.join(name) else {
                continue;
            };
            let read = match found {
                Ok(Some(Kind::File)) => self.read(files, &path, &result.root, &mut left).await?,
                Ok(_) => Err("it is no regular file".to_owned()),
                Err(reason) => Err(reason),
            };
            let (text, reason) = match read {
                Ok((text, reason)) => (text, reason),
                Err(reason) => (String::new(), Some(reason)),
            };
            if let Some(reason) = reason {
                let path = path.clone();
                result.warnings.push(Warning { path, reason });
            }
            if !text.trim().is_empty() {
                result.documents.push(Document { path, text });
            }
        }
        Ok(result)
    }

    /// What each of these names is in each of these directories: nothing, or something, or what the executor says instead.
    async fn kinds(
        &self,
        files: &dyn Files,
        directories: &[AbsPath],
        names: &[String],
    ) -> Result<Vec<Vec<Looked>>, ClientError> {
        let all = directories
            .iter()
            .flat_map(|directory| names.iter().map(move |name| directory.join(name)));
        let looked: Vec<Result<Looked, ClientError>> = stream::iter(all)
            .map(|path| async {
                // A name that is none, or too long to be anywhere.
                let Ok(path) = path else {
                    return Ok(Ok(None));
                };
                match files.metadata(&path, self.within.as_ref()).await {
                    Ok(metadata) => Ok(Ok(Some(metadata.kind))),
                    Err(error) => refusal(error).map(|refused| match refused {
                        (code::NOT_FOUND, _) => Ok(None),
                        (_, reason) => Err(reason),
                    }),
                }
            })
            .buffered(limits::LOOKS_AT_ONCE)
            .collect()
            .await;
        let mut looked = looked.into_iter();
        directories
            .iter()
            .map(|_| looked.by_ref().take(names.len()).collect())
            .collect()
    }

    /// The text of a document as far as there is room for it, and what is missing of it; or why there is nothing of it.
    async fn read(
        &self,
        files: &dyn Files,
        path: &AbsPath,
        root: &AbsPath,
        left: &mut usize,
    ) -> Result<Read, ClientError> {
        if *left == 0 {
            let most = self.most;
            return Ok(Err(format!(
                "not read: the {most} bytes for documents are used up"
            )));
        }
        let within = self.within.as_ref();
        let real = match files.canonicalize(path, within).await {
            Ok(real) => real,
            Err(error) => return refusal(error).map(|(_, reason)| Err(reason)),
        };
        if !real.starts_with(root) && !self.may_lead_out {
            return Ok(Err("not read: a link leads out of the project".to_owned()));
        }
        let mut bytes = Vec::new();
        // What was looked at is what is opened: whoever writes to the project may exchange it for a link meanwhile.
        let opened = match self.may_lead_out {
            true => files.open(&real, 0, within).await.map(Some),
            false => files.open_unlinked(&real, within).await,
        };
        let mut blocks = match opened {
            Ok(Some(blocks)) => blocks,
            Ok(None) => {
                return Ok(Err(
                    "not read: a link was put in its way while it was looked at".to_owned(),
                ));
            }
            Err(error) => return refusal(error).map(|(_, reason)| Err(reason)),
        };
        while bytes.len() <= *left
            && let Some(block) = blocks.next().await
        {
            match block {
                Ok(block) => bytes.extend(block),
                Err(error) => return refusal(error).map(|(_, reason)| Err(reason)),
            }
        }
        let is_cut = bytes.len() > *left;
        if is_cut {
            bytes.truncate(*left);
            bytes.truncate(whole_characters(&bytes));
        }
        *left = match is_cut {
            true => 0,
            false => *left - bytes.len(),
        };
        let cut = is_cut.then(|| {
            let (count, most) = (bytes.len(), self.most);
            format!("cut after {count} bytes: there are {most} for all documents")
        });
        Ok(Ok(match String::from_utf8(bytes) {
            Ok(text) => (text, cut),
            Err(error) => {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let lossy = "it is no UTF-8: what is none in it is replaced";
                (
                    text,
                    Some(cut.map_or(lossy.to_owned(), |cut| format!("{lossy}; {cut}"))),
                )
            }
        }))
    }
}

type Looked = Result<Option<Kind>, String>;
type Read = Result<(String, Option<String>), String>;

/// How much of it does not end in the middle of a character.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        // Where it ends too early, and not where it is wrong.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}
