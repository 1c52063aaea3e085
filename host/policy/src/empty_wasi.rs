//! WASI with nothing in it, for policies whose language cannot help importing it (`wasi = "empty"`).
//!
//! There are no files, arguments, variables and sockets; what is written goes to the policy's log; the clocks stand still and random numbers are the
//! same in each instance, so that the same question gets the same answer. And nothing waits: an epoch ends only what runs in the guest, so a
//! host call that sleeps would hold a thread up past any deadline. A clock that stands still would never ring; what waits for it, or for
//! anything, is told at once that its time has come.
//!
//! Most of it is wasmtime-wasi's. What there waits, by running an async function to its end on a runtime of its own or of the
//! caller's, is answered here instead: polling, streams, and the making of sockets. So none of it needs a runtime, and none panics inside one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi::p2::bindings::sync::{filesystem as sync_filesystem, sockets as sync_sockets};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, Network, OutputStream, Pollable, SocketError,
    SocketResult, StreamError, StreamResult, TcpSocket, UdpSocket, subscribe,
};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView, async_trait,
};

use crate::limits;
use crate::scope::{Level, Lines, Scope};

/// What an instance has of it. Made when it is first asked for.
pub(crate) struct EmptyWasi {
    context: WasiCtx,
    table: ResourceTable,
    output: Output,
}

impl EmptyWasi {
    fn new() -> EmptyWasi {
        let context = WasiCtx::builder()
            .wall_clock(Frozen)
            .monotonic_clock(Frozen)
            .secure_random(fixed_numbers())
            .insecure_random(fixed_numbers())
            .insecure_random_seed(SEED)
            .max_random_size(limits::REPLY_BYTES as u64)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::HANDLES);
        EmptyWasi {
            context,
            table,
            output: Output::default(),
        }
    }

    fn of(scope: &mut Scope) -> &mut EmptyWasi {
        scope.wasi.get_or_insert_with(|| Box::new(EmptyWasi::new()))
    }

    /// Whether the policy holds something of the host's, which another instance would not have.
    pub(crate) fn is_held(&self) -> bool {
        !self.table.is_empty()
    }

    /// Moves what was written to the lines of this call.
    pub(crate) fn take_output(&self, lines: &mut Lines) {
        self.output.take(lines);
    }
}

impl WasiView for Scope {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = EmptyWasi::of(self);
        WasiCtxView {
            ctx: &mut wasi.context,
            table: &mut wasi.table,
        }
    }
}

/// Gives all interfaces of WASI 0.2 that wasmtime-wasi has.
pub(crate) fn link(linker: &mut Linker<Scope>) -> wasmtime::Result<()> {
    let l = linker;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, Scope::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, Scope::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |scope| scope.ctx().ctx.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, |scope| scope.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, |scope| scope.ctx().ctx.random())?;
    cli::exit::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    cli::stdout::add_to_linker::<_, AtOnce>(l, at_once)?;
    cli::stderr::add_to_linker::<_, AtOnce>(l, at_once)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, Scope::cli)?;
    // There is no directory to begin with, so no function of these two ever has a descriptor to work on; sockets likewise.
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, Scope::filesystem)?;
    sync_filesystem::types::add_to_linker::<_, WasiFilesystem>(l, Scope::filesystem)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, Scope::sockets)?;
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<_, WasiSockets>(l, &options, Scope::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(l, Scope::sockets)?;
    sync_sockets::tcp::add_to_linker::<_, WasiSockets>(l, Scope::sockets)?;
    sync_sockets::udp::add_to_linker::<_, WasiSockets>(l, Scope::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, AtOnce>(l, at_once)?;
    sync_sockets::udp_create_socket::add_to_linker::<_, AtOnce>(l, at_once)?;
    wasmtime_wasi_io::bindings::wasi::io::error::add_to_linker::<_, Table>(l, |scope| {
        scope.ctx().table
    })?;
    poll::add_to_linker::<_, AtOnce>(l, at_once)?;
    streams::add_to_linker::<_, AtOnce>(l, at_once)
}

/// The resources, for what is wasmtime-wasi's.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

/// The resources, for what is answered here.
struct AtOnce;

struct AtOnceView<'a>(&'a mut ResourceTable, &'a Output);

impl HasData for AtOnce {
    type Data<'a> = AtOnceView<'a>;
}

fn at_once(scope: &mut Scope) -> AtOnceView<'_> {
    let wasi = EmptyWasi::of(scope);
    AtOnceView(&mut wasi.table, &wasi.output)
}

impl poll::Host for AtOnceView<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        wasmtime::ensure!(!pollables.is_empty(), "empty poll list");
        for pollable in &pollables {
            self.0.get(pollable)?;
        }
        Ok((0..).take(pollables.len()).collect())
    }
}

impl poll::HostPollable for AtOnceView<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.0.get(&pollable)?;
        Ok(true)
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.0.get(&pollable)?;
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(self.0, pollable)
    }
}

impl streams::Host for AtOnceView<'_> {
    fn convert_stream_error(
        &mut self,
        error: StreamError,
    ) -> wasmtime::Result<streams::StreamError> {
        streams::Host::convert_stream_error(self.0, error)
    }
}

/// There is one kind of input stream: an empty one.
impl streams::HostInputStream for AtOnceView<'_> {
    fn read(&mut self, stream: Resource<DynInputStream>, _: u64) -> StreamResult<Vec<u8>> {
        self.0.get(&stream)?;
        Err(StreamError::Closed)
    }

    fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        self.read(stream, length)
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, _: u64) -> StreamResult<u64> {
        self.0.get(&stream)?;
        Err(StreamError::Closed)
    }

    fn blocking_skip(
        &mut self,
        stream: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.skip(stream, length)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.0, stream)
    }

    fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        self.0.delete(stream)?;
        Ok(())
    }
}

/// And one kind of output stream: [`Said`], which is always ready.
impl streams::HostOutputStream for AtOnceView<'_> {
    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        Ok(self.0.get_mut(&stream)?.check_write()? as u64)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.0.get_mut(&stream)?.write(bytes.into())
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.write(stream, bytes)
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.0.get_mut(&stream)?.flush()
    }

    fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        self.flush(stream)
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.0, stream)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, _: u64) -> StreamResult<()> {
        // Nothing that a log would show.
        self.0.get(&stream)?;
        Ok(())
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        length: u64,
    ) -> StreamResult<()> {
        self.write_zeroes(stream, length)
    }

    fn splice(
        &mut self,
        stream: Resource<DynOutputStream>,
        source: Resource<DynInputStream>,
        _: u64,
    ) -> StreamResult<u64> {
        self.0.get(&stream)?;
        self.0.get(&source)?;
        Err(StreamError::Closed)
    }

    fn blocking_splice(
        &mut self,
        stream: Resource<DynOutputStream>,
        source: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.splice(stream, source, length)
    }

    fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.0.delete(stream)?;
        Ok(())
    }
}

impl cli::stdout::Host for AtOnceView<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Said(self.1.clone(), Level::Info));
        Ok(self.0.push(stream)?)
    }
}

impl cli::stderr::Host for AtOnceView<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Said(self.1.clone(), Level::Warn));
        Ok(self.0.push(stream)?)
    }
}

impl sockets::network::Host for AtOnceView<'_> {
    fn convert_error_code(
        &mut self,
        error: SocketError,
    ) -> wasmtime::Result<sockets::network::ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<streams::Error>,
    ) -> wasmtime::Result<Option<sockets::network::ErrorCode>> {
        self.0.get(&error)?;
        Ok(None)
    }
}

/// Not a socket, and none to be had.
impl sockets::network::HostNetwork for AtOnceView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.0.delete(network)?;
        Ok(())
    }
}

impl sockets::tcp_create_socket::Host for AtOnceView<'_> {
    fn create_tcp_socket(
        &mut self,
        _: sockets::network::IpAddressFamily,
    ) -> SocketResult<Resource<TcpSocket>> {
        Err(sockets::network::ErrorCode::AccessDenied.into())
    }
}

impl sync_sockets::udp_create_socket::Host for AtOnceView<'_> {
    fn create_udp_socket(
        &mut self,
        _: sockets::network::IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        Err(sockets::network::ErrorCode::AccessDenied.into())
    }
}

/// What a policy has written to standard output and standard error, for its log.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    output: Vec<u8>,
    errors: Vec<u8>,
    left_out: usize,
}

impl Output {
    fn add(&self, level: Level, bytes: &[u8]) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match level {
            Level::Info => &mut written.output,
            _ => &mut written.errors,
        };
        let room = limits::OUTPUT_BYTES.saturating_sub(before.len());
        let kept = bytes.len().min(room);
        before.extend_from_slice(&bytes[..kept]);
        written.left_out += bytes.len() - kept;
    }

    fn take(&self, lines: &mut Lines) {
        let written = {
            let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *written)
        };
        for (level, bytes) in [(Level::Info, written.output), (Level::Warn, written.errors)] {
            for line in String::from_utf8_lossy(&bytes).lines() {
                lines.say(level, line);
            }
        }
        if written.left_out > 0 {
            lines.say(
                Level::Warn,
                &format!("{} more bytes were written", written.left_out),
            );
        }
    }
}

/// A stream to the log.
struct Said(Output, Level);

#[async_trait]
impl OutputStream for Said {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.add(self.1, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::OUTPUT_BYTES)
    }
}

#[async_trait]
impl Pollable for Said {
    async fn ready(&mut self) {}
}

/// Clocks that stand still: the wall clock at the beginning of 2020, so that nobody takes it for one that was never set.
struct Frozen;

const WALL_CLOCK: Duration = Duration::from_secs(1_577_836_800);
const MONOTONIC_CLOCK: u64 = 1_000_000_000;

impl HostWallClock for Frozen {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        WALL_CLOCK
    }
}

impl HostMonotonicClock for Frozen {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        MONOTONIC_CLOCK
    }
}

const SEED: u128 = 0x6c6f_636b_6761_7465_2070_6f6c_6963_7920;

/// The same numbers in each instance. Not one number for ever: who looks for one that fits some condition would look for ever.
fn fixed_numbers() -> Deterministic {
    let mut state = SEED as u64;
    let numbers = (0..1024).map(|_| {
        // A step of Knuth's generator; only that they differ matters.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    Deterministic::new(numbers.collect())
}
