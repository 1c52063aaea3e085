//! What a policy's instance has in the host, and the interfaces that it may call: `config`, `log` and `options`.

use std::sync::Arc;

use lockgate_engine::{Ceilings, HasCeilings, log_line};
use wasmtime::component::{ComponentType, Lift, Linker, WasmStr};
use wasmtime::{Result, StoreContextMut};

use crate::action::WalkOptions;
use crate::empty_wasi::EmptyWasi;
use crate::limits;
use crate::memory::Memory;

/// The interfaces as this version has them.
pub(crate) const CONFIG: &str = "lockgate:policy/config@0.1.1";
pub(crate) const LOG: &str = "lockgate:policy/log@0.1.1";
pub(crate) const OPTIONS: &str = "lockgate:policy/options@0.1.1";

/// A store's data.
pub(crate) struct Scope {
    pub(crate) memory: Memory,
    config: Arc<str>,
    /// How often it was read.
    pub(crate) config_reads: u64,
    lines: Lines,
    /// Of the walk that is being decided.
    pub(crate) walk: Option<WalkOptions>,
    /// Where the operator chose to give it, and it was asked for something.
    pub(crate) wasi: Option<Box<EmptyWasi>>,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "policies make them")]
pub(crate) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// What a policy has said in one call. Kept until the call is over, so that it holds nobody up.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    said: Vec<(Level, String)>,
    left_out: u64,
}

impl Scope {
    pub(crate) fn new(memory_bytes: usize, config: Arc<str>) -> Scope {
        Scope {
            memory: Memory::at_most(memory_bytes),
            config,
            config_reads: 0,
            lines: Lines::default(),
            walk: None,
            wasi: None,
        }
    }

    /// Whether the policy holds something of the host's, which another instance would not have.
    pub(crate) fn is_held(&self) -> bool {
        self.wasi.as_ref().is_some_and(|wasi| wasi.is_held())
    }

    /// Writes what the policy has said in this call. False if that was nothing.
    pub(crate) fn write_lines(&mut self, policy: &str) -> bool {
        if let Some(wasi) = &self.wasi {
            wasi.take_output(&mut self.lines);
        }
        let has_said = !self.lines.said.is_empty() || self.lines.left_out > 0;
        self.lines.write(policy);
        has_said
    }
}

impl HasCeilings for Scope {
    fn ceilings(&mut self) -> &mut Ceilings {
        self.memory.ceilings()
    }
}

/// Gives the interfaces.
pub(crate) fn link(linker: &mut Linker<Scope>) -> Result<()> {
    linker.instance(CONFIG)?.func_wrap(
        "text",
        |mut store: StoreContextMut<'_, Scope>, (): ()| -> Result<(Arc<str>,)> {
            let scope = store.data_mut();
            scope.config_reads += 1;
            Ok((scope.config.clone(),))
        },
    )?;
    linker.instance(OPTIONS)?.func_wrap(
        "walk",
        |store: StoreContextMut<'_, Scope>, (): ()| -> Result<(Option<WalkOptions>,)> {
            Ok((store.data().walk,))
        },
    )?;
    linker.instance(LOG)?.func_wrap(
        "log",
        |mut store: StoreContextMut<'_, Scope>, (level, message): (Level, WasmStr)| {
            // Beyond what is kept, a message is not even looked at.
            let line = match store.data().lines.is_full() {
                true => None,
                false => Some(log_line(&message.to_str(&store)?, limits::LOG_LINE_BYTES)),
            };
            store.data_mut().lines.add(level, line);
            Ok(())
        },
    )
}

impl Lines {
    fn is_full(&self) -> bool {
        self.said.len() >= limits::LOG_LINES_PER_CALL
    }

    /// Keeps a line, if there is room for it.
    pub(crate) fn say(&mut self, level: Level, message: &str) {
        let line = (!self.is_full()).then(|| log_line(message, limits::LOG_LINE_BYTES));
        self.add(level, line);
    }

    fn add(&mut self, level: Level, line: Option<String>) {
        match line.filter(|_| !self.is_full()) {
            Some(line) => self.said.push((level, line)),
            None => self.left_out += 1,
        }
    }

    /// Writes them as events of `lockgate::policy`.
    fn write(&mut self, policy: &str) {
        macro_rules! event {
            ($level:ident, $line:expr) => {
                tracing::$level!(target: "lockgate::policy", policy, "{}", $line)
            };
        }
        for (level, line) in self.said.drain(..) {
            match level {
                Level::Debug => event!(debug, line),
                Level::Info => event!(info, line),
                Level::Warn => event!(warn, line),
                Level::Error => event!(error, line),
            }
        }
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            event!(
                warn,
                format_args!("{left_out} more lines of this call were left out")
            );
        }
    }
}
