//! One wasmtime engine with the clock of its deadlines. Each gate has one; components compiled by it run only in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::{Cache, CacheConfig, Config, Store};

use crate::cache_dir::CacheChoice;
use crate::ceilings::HasCeilings;
use crate::deadline::{Clock, Running};
use crate::digest::Digest;
use crate::error::EngineError;
use crate::guest::Guest;
use crate::{limits, settings};

/// What a gate chooses about its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Component instances that may be alive at once; more fail with [`crate::Fault::PoolFull`].
    pub instances: u32,
    /// Bytes of each given-back memory that stay mapped. 0 where instances are kept warm by their gate (the file gate: no idle cost);
    /// the size of what a call touches where each call gets a fresh one (the policy gate: no page faults).
    pub keep_resident: usize,
    /// What of a component the pool has room for.
    pub shape: Shape,
    /// How often a running call's deadline is looked at.
    pub tick: Duration,
    /// Where compiled code is kept.
    pub cache: CacheChoice,
}

/// Of how many parts one component instance may consist in the pool. One that has more can still be instantiated while others have fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Core instances: its modules, and the shims that join them to their imports.
    pub core_instances: u32,
    /// Linear memories. Each costs address space, 4 GiB of it.
    pub memories: u32,
    /// Tables.
    pub tables: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            core_instances: limits::CORE_INSTANCES_PER_COMPONENT,
            memories: 1,
            tables: limits::CORE_INSTANCES_PER_COMPONENT,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            instances: limits::INSTANCES,
            keep_resident: 0,
            shape: Shape::default(),
            tick: limits::TICK,
            cache: CacheChoice::Standard,
        }
    }
}

/// How instances get their memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// Out of a pool with this many slots.
    Pool(u32),
    /// One by one, because the pool could not be made.
    OnDemand {
        /// Why not.
        reason: String,
    },
}

/// What happens to compiled code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompiledCode {
    /// It is kept here. Whoever can write here runs code in this process: no grant may cover it.
    Cached(PathBuf),
    /// It lives in memory only.
    InMemory {
        /// Why.
        reason: String,
    },
}

/// What `doctor` prints of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How instances get their memory.
    pub allocator: Allocator,
    /// What happens to compiled code.
    pub compiled_code: CompiledCode,
    /// Whether swap is off, the condition for `pagemap_scan`.
    pub swap_is_off: bool,
    /// Whether freed memories are cleared by scanning the page map.
    pub pagemap_scan: bool,
}

/// wasmtime as a gate uses it.
#[derive(Debug)]
pub struct Engine {
    inner: wasmtime::Engine,
    clock: Clock,
    report: Report,
}

impl Engine {
    /// Sets up wasmtime: with a pool where the machine gives one, with a cache where one can be trusted.
    pub fn new(options: &Options) -> Result<Engine, EngineError> {
        let swap_is_off = settings::swap_is_off();
        let pagemap_scan = swap_is_off && options.keep_resident > 0;
        let (cache, compiled_code) = match open_cache(&options.cache) {
            Ok((cache, directory)) => (Some(cache), CompiledCode::Cached(directory)),
            Err(reason) => (None, CompiledCode::InMemory { reason }),
        };
        let pooled = settings::pooled(options, pagemap_scan);
        let (inner, allocator) = match start(pooled, cache.clone()) {
            Ok(inner) => (inner, Allocator::Pool(options.instances)),
            Err(error) => {
                let reason = format!("{error:#}");
                let inner = start(settings::on_demand(), cache).map_err(|error| {
                    EngineError::Settings(format!("{error:#}; with a pool: {reason}"))
                })?;
                (inner, Allocator::OnDemand { reason })
            }
        };
        let report = Report {
            pagemap_scan: pagemap_scan && matches!(allocator, Allocator::Pool(_)),
            allocator,
            compiled_code,
            swap_is_off,
        };
        tracing::debug!(?report, "WebAssembly engine");
        Ok(Engine {
            clock: Clock::start(inner.weak(), options.tick).map_err(EngineError::Clock)?,
            inner,
            report,
        })
    }

    /// Loads a component: its bytes must have the digest that was pinned, if one was. Compiling takes tens of
    /// milliseconds, finding it in the cache less than one.
    pub fn load(&self, bytes: &[u8], pinned: Option<Digest>) -> Result<Guest, EngineError> {
        if bytes.len() > limits::MAX_COMPONENT_BYTES {
            return Err(EngineError::TooLarge(bytes.len()));
        }
        let digest = Digest::of(bytes);
        if let Some(expected) = pinned.filter(|pinned| *pinned != digest) {
            return Err(EngineError::Digest {
                expected,
                found: digest,
            });
        }
        // Only binaries: `new` would take text as well if some crate of the build turned that feature on.
        let component = Component::from_binary(&self.inner, bytes)
            .map_err(|error| EngineError::Invalid(format!("{error:#}")))?;
        sealed(|| component.initialize_copy_on_write_image())
            .map_err(|error| EngineError::Image(format!("{error:#}")))?;
        Ok(Guest { component, digest })
    }

    /// A linker that gives nothing yet.
    pub fn linker<T: 'static>(&self) -> Linker<T> {
        Linker::new(&self.inner)
    }

    /// A store whose guest is held to the data's ceilings. Guest code in it traps at once until [`Engine::limit_time`] gives it time.
    pub fn store<T: HasCeilings + 'static>(&self, data: T) -> Store<T> {
        let mut store = Store::new(&self.inner, data);
        store.limiter(|data| data.ceilings());
        store.epoch_deadline_trap();
        store
    }

    /// Gives guest code in `store` this much time from now on. The call fails with [`crate::Fault::Deadline`] when it is
    /// up, at most two ticks ([`Options::tick`]) late. Host functions are not interrupted; they look at their own clocks.
    pub fn limit_time<T>(&self, store: &mut Store<T>, time: Duration) -> Running<'_> {
        let running = self.clock.run();
        store.set_epoch_deadline(self.clock.ticks(time));
        running
    }

    /// wasmtime's own engine.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// What this engine came out as.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Where compiled code is kept. A file gate must refuse writes below it: what lies there runs in this process.
    pub fn cache_directory(&self) -> Option<&Path> {
        match &self.report.compiled_code {
            CompiledCode::Cached(directory) => Some(directory),
            CompiledCode::InMemory { .. } => None,
        }
    }
}

/// Makes the image from which a component's memories begin. Here and not with the first instance, since this may have to be done again: the kernel
/// does not seal a file of whose pages it has one in hand itself (when it moves pages about, say), and says that it is busy.
fn sealed(mut image: impl FnMut() -> wasmtime::Result<()>) -> wasmtime::Result<()> {
    for _ in 1..limits::IMAGE_ATTEMPTS {
        match image() {
            Err(error) if is_busy(&error) => {
                tracing::debug!("the kernel holds pages of a memory image; making it again");
            }
            made => return made,
        }
    }
    image()
}

fn is_busy(error: &wasmtime::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::ResourceBusy)
}

fn start(mut config: Config, cache: Option<Cache>) -> wasmtime::Result<wasmtime::Engine> {
    config.cache(cache);
    wasmtime::Engine::new(&config)
}

fn open_cache(choice: &CacheChoice) -> Result<(Cache, PathBuf), String> {
    let directory = choice.prepare()?;
    let mut config = CacheConfig::new();
    config.with_directory(&directory);
    let cache = Cache::new(config).map_err(|error| format!("{error:#}"))?;
    Ok((cache, directory))
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::sealed;
    use crate::limits::IMAGE_ATTEMPTS;

    /// How often it is made where the first `failures` times end so, and how the last one ended.
    fn attempts(failures: u32, kind: ErrorKind) -> (u32, bool) {
        let mut attempts = 0;
        let end = sealed(|| {
            attempts += 1;
            match attempts <= failures {
                true => Err(Error::from(kind).into()),
                false => Ok(()),
            }
        });
        (attempts, end.is_ok())
    }

    #[test]
    fn an_image_whose_pages_the_kernel_holds_is_made_again() {
        assert_eq!(attempts(0, ErrorKind::ResourceBusy), (1, true));
        assert_eq!(attempts(3, ErrorKind::ResourceBusy), (4, true));
        assert_eq!(
            attempts(u32::MAX, ErrorKind::ResourceBusy),
            (IMAGE_ATTEMPTS, false)
        );
        assert_eq!(attempts(1, ErrorKind::OutOfMemory), (1, false));
    }
}
