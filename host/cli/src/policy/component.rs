//! A policy on the command line: which component, and what it is given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use lockgate_engine::CacheChoice;
use lockgate_policy_gate::{
    ActionKind, Evaluator, Instances, ModuleError, ModuleSettings, Policy, PolicyError, Wasi,
    limits,
};

use crate::config::read_bounded;
use crate::failure::Failure;
use crate::policy::build;
use crate::policy::cases::Cases;

/// A component and its configuration.
#[derive(Clone, clap::Args)]
pub(super) struct Component {
    /// The component, or its project: that is built where it has changed, and gets the configuration of its cases if none is given
    #[arg(value_name = "POLICY.wasm")]
    pub(super) path: PathBuf,
    #[command(flatten)]
    pub(super) given: Given,
}

/// What a policy is given.
#[derive(Clone, clap::Args, Default)]
pub(super) struct Given {
    /// The text that it reads as its configuration
    #[arg(long, value_name = "TEXT", conflicts_with = "config_file")]
    pub(super) config_text: Option<String>,
    /// A file with that text
    #[arg(long, value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,
    /// What it gets of WASI
    #[arg(long, value_enum, default_value_t)]
    pub(super) wasi: WasiChoice,
}

/// `--wasi`.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum WasiChoice {
    /// It may not import any
    #[default]
    None,
    /// All of it, with nothing in it
    Empty,
}

impl Given {
    /// Takes the configuration of a project's cases where none was given.
    pub(super) fn or_of_cases(&mut self, project: &Path) -> Result<(), Failure> {
        if self.is_without_config() {
            let cases = Cases::read(&project.join("cases.toml"))?;
            self.config_text = Some(cases.config).filter(|text| !text.is_empty());
        }
        Ok(())
    }

    /// Whether nothing is said of its configuration.
    pub(super) fn is_without_config(&self) -> bool {
        self.config_text.is_none() && self.config_file.is_none()
    }

    /// Why a policy with this configuration cannot be loaded, and what to do where it has none.
    pub(super) fn advised(&self, error: &PolicyError) -> Failure {
        let problem = match error {
            PolicyError::Module { problem, .. } => Some(problem),
            _ => None,
        };
        Failure::new(match problem {
            Some(ModuleError::Refuses(_)) if self.is_without_config() => format!(
                "{error}; none was given: --config-text TEXT or --config-file FILE gives it one, and the folder of a project brings that of its cases"
            ),
            _ => error.to_string(),
        })
    }

    /// The settings of the component at `path`.
    pub(super) fn settings(&self, path: PathBuf) -> Result<ModuleSettings, Failure> {
        let mut settings = ModuleSettings::new(path);
        settings.wasi = match self.wasi {
            WasiChoice::None => Wasi::None,
            WasiChoice::Empty => Wasi::Empty,
        };
        settings.config = match (&self.config_text, &self.config_file) {
            (Some(text), _) => text.clone(),
            (None, None) => String::new(),
            (None, Some(file)) => {
                let cannot = |reason: String| Failure::new(format!("{}: {reason}", file.display()));
                let bytes = read_bounded(file, limits::CONFIG_BYTES as u64).map_err(cannot)?;
                String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8".to_owned()))?
            }
        };
        Ok(settings)
    }
}

impl Component {
    /// The same with the component of a project in its place.
    pub(super) fn built(&self) -> Result<Component, Failure> {
        let mut component = self.clone();
        if self.path.is_dir() {
            component.given.or_of_cases(&self.path)?;
            component.path = build::current(&self.path)?;
        }
        Ok(component)
    }

    /// Loads it, in instances of this kind.
    pub(super) fn load(
        &self,
        evaluator: &Arc<Evaluator>,
        instances: Instances,
    ) -> Result<Policy, Failure> {
        self.load_for(evaluator, instances, None)
    }

    /// The same, to be asked about some kinds of actions only.
    pub(super) fn load_for(
        &self,
        evaluator: &Arc<Evaluator>,
        instances: Instances,
        actions: Option<&[ActionKind]>,
    ) -> Result<Policy, Failure> {
        let mut settings = self.given.settings(self.path.clone())?;
        settings.instances = instances;
        settings.actions = actions.map(<[ActionKind]>::to_vec);
        evaluator
            .load(&settings)
            .map_err(|error| self.given.advised(&error))
    }
}

/// What runs policies.
pub(super) fn evaluator() -> Result<Arc<Evaluator>, Failure> {
    Evaluator::new(CacheChoice::Standard).map_err(|error| Failure::new(error.to_string()))
}

/// The bytes of a component.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let largest = lockgate_engine::limits::MAX_COMPONENT_BYTES as u64;
    read_bounded(path, largest)
        .map_err(|reason| Failure::new(format!("{} cannot be read: {reason}", path.display())))
}
