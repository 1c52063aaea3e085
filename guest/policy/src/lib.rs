//! For authors of Lockgate policies in Rust.
//!
//! A policy is a WebAssembly component that an operator puts into their executor. It is shown what a client wants to do, and says
//! whether it is done. It can do nothing else: no files, no network, no clock. Implement [`Policy`] and [`export!`] it; this is a whole one:
//!
//! ```
//! use lockgate_policy::{Action, Description, Policy, Subject, Verdict};
//!
//! struct NoPush;
//! impl Policy for NoPush {
//!     fn description() -> Description {
//!         lockgate_policy::description!(ProcessStart)
//!     }
//!     fn load(_config: &str) -> Result<Self, String> {
//!         Ok(NoPush)
//!     }
//!     fn evaluate(&self, _subject: &Subject, action: &Action) -> Result<Verdict, String> {
//!         Ok(match action {
//!             Action::ProcessStart(start) if start.name() == "git" && start.has_word("push") => {
//!                 Verdict::deny("commit only: a person pushes").rule("push")
//!             }
//!             _ => Verdict::abstain(),
//!         })
//!     }
//! }
//! lockgate_policy::export!(NoPush);
//! ```
//!
//! In Cargo.toml it is a library of `crate-type = ["cdylib"]`; it is built for the target `wasm32-unknown-unknown` with the linker `wasm-component-ld`, and
//! tested like any other crate on the author's machine. `README.md` beside this crate has both, and the stock policies' configuration.
//!
//! Theory of operation. The host calls `describe` when it loads a policy: [`Policy::load`] reads the configuration there, once. Then the host takes a snapshot
//! of the component's memory, and each decision starts from it: what `load` made is there, and nothing of an earlier decision. Where
//! a host cannot take the snapshot, `load` runs at the first decision of each instance instead; a policy need not know.

mod action;
pub mod config;
mod describe;
mod export;
mod host;
pub mod log;
pub mod options;
pub mod path;
mod verdict;

/// What wit-bindgen makes of the WIT. The types are at the crate's root under shorter names.
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        world: "lockgate:policy/policy",
        path: "wit",
        pub_export_macro: true,
        additional_derives: [PartialEq, Eq],
    });
}

pub use bindings::lockgate::policy::types::{
    Access, Action, ActionKind, Decision, Description, FileOperation, FilePath, FileVerb,
    GrantEntry, HttpRequest, Narrowing, ProcessStart, ProcessWrite, Subject, Transport, Verdict,
};
#[doc(hidden)]
pub use export::Loaded;
pub use host::HostPattern;

/// A policy.
pub trait Policy: Sized + 'static {
    /// Who it is, and which actions it wants to see. [`description!`] takes most of it from Cargo.toml.
    fn description() -> Description;

    /// Reads the configuration: the text that the operator wrote for this policy, empty if there is none. An error refuses
    /// the policy, and the operator reads it: say what is wrong and where.
    fn load(config: &str) -> Result<Self, String>;

    /// Decides one action. An error is a denial that shows the text.
    fn evaluate(&self, subject: &Subject, action: &Action) -> Result<Verdict, String>;
}
