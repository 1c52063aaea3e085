//! What a policy leaves of a profile: lists of paths with what may be done there, each of which holds beside the profile itself.
//!
//! A list is read as a profile's entries are, on this host: the longest path wins, both spellings of a path mean the same, a link that
//! the list lets somebody replace widens nothing, and the protected names below what may be written stay as they are until an entry
//! names them. What no entry covers is nothing. The lists become [`Grants`] of their own, and a request may do what all of them allow.

use serde::{Deserialize, Serialize};

use crate::confinement::{Confined, Confinement, Host};
use crate::error::ProfileError;
use crate::globs::Globs;
use crate::grants::{Allowed, Grants};
use crate::limits;
use crate::path::{AbsPath, PathError};
use crate::rules::Rules;

/// What a name is wanted for, or what a list allows: each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// That it exists, and facts about it; where a link leads.
    Look,
    /// Its contents; the names in a directory.
    Read,
    /// To change it, to make it or to remove it.
    Write,
}

/// What a list allows at a path and below, unless an entry with a longer path says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantEntry {
    /// Absolute.
    pub path: String,
    /// None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
}

impl GrantEntry {
    /// Its path, if it is one.
    pub fn place(&self) -> Result<AbsPath, PathError> {
        AbsPath::parse(&self.path)
    }

    fn allowed(&self) -> Allowed {
        match self.access {
            None => Allowed::Nothing,
            Some(Access::Look) => Allowed::Seen,
            Some(Access::Read) => Allowed::Read,
            Some(Access::Write) => Allowed::Write,
        }
    }
}

/// True when one of these lists takes something away: when it says anything but that all may be written.
pub fn restricts(lists: &[Vec<GrantEntry>]) -> bool {
    let whole = |list: &Vec<GrantEntry>| {
        list.iter().all(|entry| entry.access == Some(Access::Write))
            && list
                .iter()
                .any(|entry| entry.place().is_ok_and(|path| path.is_root()))
    };
    !lists.iter().all(whole)
}

impl Confinement {
    /// What these lists leave of it on this host.
    pub fn within(
        self,
        lists: &[Vec<GrantEntry>],
        host: &impl Host,
    ) -> Result<Confinement, ProfileError> {
        let mut left = self;
        for list in lists {
            let Some(grants) =
                of_list(list, host).map_err(|error| ProfileError::Narrowing(Box::new(error)))?
            else {
                continue;
            };
            left = Confinement::Confined(match left {
                Confinement::Direct => Confined {
                    grants,
                    absent: Vec::new(),
                },
                Confinement::Confined(confined) => Confined {
                    grants: confined.grants.within(grants),
                    ..confined
                },
            });
        }
        Ok(left)
    }
}

/// What one list allows; none when it takes nothing away.
fn of_list(list: &[GrantEntry], host: &impl Host) -> Result<Option<Grants>, ProfileError> {
    if list.len() > limits::ENTRIES {
        return Err(ProfileError::TooManyEntries(list.len()));
    }
    let mut rules = Rules::new(host);
    for entry in list {
        let path = entry.place().map_err(|error| ProfileError::Path {
            path: entry.path.chars().take(limits::SHOWN_PATH_CHARS).collect(),
            error,
        })?;
        rules.narrowed |= entry.access.is_none();
        rules.say(path, entry.allowed());
    }
    rules.check_size()?;
    if rules.full_write() {
        return Ok(None);
    }
    rules.follow_links()?;
    rules.settle()?;
    Ok(Some(Grants::new(rules.plain(), Globs::default())))
}
