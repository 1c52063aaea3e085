//! What one session works in: a choice that holds for all of its turns, and that a single turn may override.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Environment, EnvironmentError, Environments};

/// One environment of a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Which.
    pub id: String,
    /// The directory to work in there, absolute; `None` leaves it to the executor.
    pub cwd: Option<PathBuf>,
}

impl Selected {
    /// Without a directory.
    pub fn new(id: impl Into<String>) -> Selected {
        Selected {
            id: id.into(),
            cwd: None,
        }
    }
}

/// One environment that a turn works in.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where.
    pub environment: Arc<Environment>,
    /// The directory there; `None` leaves it to the executor.
    pub cwd: Option<PathBuf>,
}

/// The choice of a session. It is kept by ids: each turn gets what there is under them then. A session that chose nothing follows what
/// [`Environments::starting`] says, also when that changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    chosen: Option<Vec<Selected>>,
}

impl Selection {
    /// Chooses for all later turns; the first is the one that is meant where none is named. An empty choice is one, too: no environment at
    /// all. What cannot be chosen leaves the choice of before.
    pub fn choose(
        &mut self,
        environments: &Environments,
        chosen: Vec<Selected>,
    ) -> Result<(), EnvironmentError> {
        resolve(environments, &chosen)?;
        self.chosen = Some(chosen);
        Ok(())
    }

    /// Forgets the choice.
    pub fn inherit(&mut self) {
        self.chosen = None;
    }

    /// What was chosen, if anything was.
    pub fn chosen(&self) -> Option<&[Selected]> {
        self.chosen.as_deref()
    }

    /// What a turn works in, the first of them where none is named. `of_turn` holds for this turn alone; without it the session's choice
    /// does. One that is not there any more is an error, and nothing takes its place: it would be another machine.
    pub fn of_turn(
        &self,
        environments: &Environments,
        of_turn: Option<&[Selected]>,
    ) -> Result<Vec<Place>, EnvironmentError> {
        match of_turn.or(self.chosen()) {
            Some(selected) => resolve(environments, selected),
            None => {
                let starting = environments.starting().into_iter();
                Ok(starting
                    .map(|environment| Place {
                        environment,
                        cwd: None,
                    })
                    .collect())
            }
        }
    }
}

fn resolve(
    environments: &Environments,
    selected: &[Selected],
) -> Result<Vec<Place>, EnvironmentError> {
    let mut found: Vec<Place> = Vec::with_capacity(selected.len());
    for Selected { id, cwd } in selected {
        if found.iter().any(|place| place.environment.id() == id) {
            return Err(EnvironmentError::Rule(format!(
                "environment id `{id}` is selected twice"
            )));
        }
        if let Some(cwd) = cwd.as_ref().filter(|cwd| !cwd.is_absolute()) {
            return Err(EnvironmentError::Rule(format!(
                "environment `{id}` cwd `{}` must be absolute",
                cwd.display()
            )));
        }
        found.push(Place {
            environment: environments.resolve(Some(id))?,
            cwd: cwd.clone(),
        });
    }
    Ok(found)
}
