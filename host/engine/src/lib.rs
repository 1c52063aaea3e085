//! wasmtime as both gates use it: loading, pinning, caching, deadlines, ceilings.
//!
//! A gate makes one [`Engine`], loads its component once into a [`Guest`], and from then on makes stores whose
//! data has [`Ceilings`] and calls into them while a [`Running`] guard keeps the deadline's clock going. Whatever
//! goes wrong inside a guest comes out as a [`Fault`] that says which limit or instruction ended it.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use lockgate_engine::{Ceilings, Engine, HasCeilings, Options};
//! struct Scope { ceilings: Ceilings }
//! impl HasCeilings for Scope {
//!     fn ceilings(&mut self) -> &mut Ceilings { &mut self.ceilings }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(&Options::default())?;
//! let guest = engine.load(&std::fs::read("guest.wasm")?, None)?;
//! let ready = guest.ready(&engine.linker::<Scope>())?;
//! let mut store = engine.store(Scope { ceilings: Ceilings::default() });
//! let running = engine.limit_time(&mut store, Duration::from_secs(1));
//! let instance = ready.instantiate(&mut store);
//! drop(running);
//! # Ok(()) }
//! ```

mod binary;
mod cache_dir;
mod ceilings;
mod deadline;
mod digest;
mod engine;
mod error;
mod guest;
mod interface;
pub mod limits;
mod log_line;
mod settings;

pub use binary::Binary;
pub use cache_dir::CacheChoice;
pub use ceilings::{Ceiling, Ceilings, HasCeilings};
pub use deadline::Running;
pub use digest::Digest;
pub use engine::{Allocator, CompiledCode, Engine, Options, Report, Shape};
pub use error::{EngineError, Fault};
pub use guest::Guest;
pub use interface::{interface, version};
pub use log_line::log_line;
