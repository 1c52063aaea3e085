//! The policy gate: before a client's action is done, the operator's policies are asked, and the strictest answer holds.
//!
//! Theory of operation. A policy is a component of the world `lockgate:policy/policy` (`wit/policy`): it is shown a [`Subject`] and
//! an [`Action`] and answers with a [`Verdict`]. It has no authority at all. [`Ruling::of`] joins the answers of a chain of policies: deny
//! over ask over allow over abstain, and every narrowing holds. The types have one JSON form, which is that of the decision log, of
//! the cases that authors write, and of what policy engines see as their input.

mod action;
mod admission;
mod chain;
mod decision_log;
mod empty_wasi;
mod error;
mod evaluator;
mod gate;
mod idle;
mod interfaces;
pub mod limits;
mod loaded;
mod logged_narrowing;
mod logged_url;
mod memory;
mod pace;
mod places;
mod policy;
pub mod printable;
mod program;
mod record;
mod remembered;
pub mod replay;
mod reply;
mod scope;
mod settings;
mod shortened;
mod signature;
mod snapshot;
mod source;
mod timestamp;
mod verdict;
mod version;

pub use action::{
    Access, Action, ActionKind, FileOperation, FilePath, FileVerb, HttpRequest, ProcessStart,
    ProcessWrite, Subject, Transport, WalkOptions,
};
pub use chain::{Answer, Consent, Default, Outcome, Ruling};
pub use decision_log::{LogReport, LogTarget};
pub use error::{Failure, ModuleError, PolicyError};
pub use evaluator::Evaluator;
pub use gate::{Gate, Report};
pub use interfaces::Interfaces;
pub use loaded::{Kept, Reloaded};
pub use lockgate_engine::{CacheChoice, Digest, Fault};
pub use logged_narrowing::LoggedNarrowing;
pub use policy::{Policy, PolicyReport};
pub use settings::{Fail, Instances, ModuleSettings, Settings, Trust, Wasi};
pub use signature::{PublicKey, SecretKey, SignatureError, sign, verify};
pub use source::signature_path;
pub use verdict::{Decision, Description, GrantEntry, Narrowing, Verdict};
pub use version::{NotAVersion, Version};
