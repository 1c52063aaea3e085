//! What can go wrong: with a gate as a whole, with a policy when it is loaded, and with one when it is asked.

use std::path::PathBuf;

use lockgate_engine::{EngineError, Fault};

use crate::signature::SignatureError;
use crate::version::{NotAVersion, Version};

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A policy of the chain cannot be loaded.
    #[error("policy {}: {problem}", path.display())]
    Module {
        /// Its component.
        path: PathBuf,
        /// What is wrong.
        problem: ModuleError,
    },
    /// Two policies of one name: nobody could tell whose reason is shown.
    #[error("two policies are called {0:?}; give one of them another `name`")]
    SameName(String),
    /// The decision log cannot be opened.
    #[error("the decision log {} cannot be opened: {error}", path.display())]
    Log {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// A chain without an end.
    #[error("{0} policies are too many; a chain has at most {limit}", limit = crate::limits::POLICIES)]
    TooMany(usize),
    /// A chain with fewer links, where that was not asked for.
    #[error("the configuration does not name {0} any more")]
    NotNamed(String),
}

/// Why a policy cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(std::io::Error),
    /// The file is too large, or no regular file.
    #[error("{0}")]
    File(String),
    /// Nothing says which component is meant.
    #[error(
        "nothing says which component this must be: give its `sha256`, or the key that it is `signed_by`"
    )]
    Unpinned,
    /// The signature is missing or wrong.
    #[error("its signature in {}: {problem}", path.display())]
    Signature {
        /// The signature's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: SignatureError,
    },
    /// The signature's file cannot be read.
    #[error("its signature in {} cannot be read: {error}", path.display())]
    SignatureFile {
        /// The signature's file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// Older than what is accepted.
    #[error("it is version {found}, and nothing before {least} is accepted{because}")]
    Older {
        /// Its version.
        found: Version,
        /// The oldest that would do.
        least: Version,
        /// Who says so.
        because: &'static str,
    },
    /// Another policy, by what it says of itself.
    #[error("it calls itself {found:?}, and only {expected:?} is accepted{because}")]
    Another {
        /// What it calls itself.
        found: String,
        /// What would do.
        expected: String,
        /// Who says so.
        because: &'static str,
    },
    /// A core module and no component.
    #[error(
        "it is a core WebAssembly module and no component (docs/policies.md says how a policy is built)"
    )]
    CoreModule,
    /// Neither.
    #[error("it is no WebAssembly component")]
    NotWebAssembly,
    /// The engine does not take it.
    #[error(transparent)]
    Engine(EngineError),
    /// It calls what no policy is given.
    #[error("it asks for {0}, and a policy gets its configuration, a log, and nothing else{1}")]
    Imports(String, &'static str),
    /// Made against another version of the contract.
    #[error(
        "it is made for {found}, and this is {expected}; build it against this version's wit folder, or run a newer lockgate"
    )]
    Contract {
        /// The interface as the component names it.
        found: String,
        /// As it is here.
        expected: String,
    },
    /// Not a policy at all.
    #[error("it is no policy: it does not export {0}")]
    NoEvaluator(String),
    /// The right names with other types.
    #[error("it does not fit the contract ({0}); build it against this version's wit folder")]
    Misfit(String),
    /// It came to grief as it started or described itself.
    #[error("it fails when it is {0}: {1}")]
    Start(&'static str, Fault),
    /// It refuses to be used like this.
    #[error("it refuses its configuration: {0}")]
    Refuses(String),
    /// What it says of itself cannot be.
    #[error("it describes itself wrongly: {0}")]
    Description(String),
    /// Its version is none.
    #[error("it describes itself wrongly: {0}")]
    Version(#[from] NotAVersion),
    /// The configuration of it cannot be.
    #[error("{0}")]
    Settings(String),
}

/// Why a policy that was asked did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was ended.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// It answered something that is no answer.
    #[error("its answer is not valid: {0}")]
    Answer(String),
    /// It answered an error.
    #[error("it answered an error: {0}")]
    Error(String),
    /// As many decisions as there may be at once were being made.
    #[error("too many decisions were being made at once")]
    Busy,
}
