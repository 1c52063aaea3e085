//! What is measured. A probe is one thing done to a server, giving one or more rows of the table; each row knows its
//! floor (what the same work costs at least, taken in the same round) and its budgets (DESIGN.md section 7).
//! Probes that belong together are a group: their rounds alternate, and they share a placement on CPUs.

use std::time::{Duration, Instant};

use rustix::thread::CpuSet;

use crate::failure::Failure;
use crate::floor::local::Cat;
use crate::ground::Ground;
use crate::limits;
use crate::remote::World;
use crate::server::Server;
use crate::subject::Subject;
use crate::tree;

pub(crate) mod decisions;
pub(crate) mod files;
pub(crate) mod floors;
pub(crate) mod interrupt;
pub(crate) mod listings;
pub(crate) mod output;
pub(crate) mod policies;
pub(crate) mod processes;
pub(crate) mod remote;
pub(crate) mod scopes;
pub(crate) mod standing;

/// How a value is shown, and which direction is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds; less is better.
    Time,
    /// KiB; less is better.
    Memory,
    /// Per second; more is better.
    Rate,
    /// MiB per second; more is better.
    Throughput,
}

impl Unit {
    /// Whether a larger value is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::Rate | Self::Throughput)
    }
}

/// A budget of DESIGN.md section 7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Budget {
    /// At most so many times the floor (or at least that share of it, where more is better).
    Floor(f64),
    /// The same against another row of the same server.
    Row(&'static str, f64),
    /// At most so much more than the floor, in the row's unit.
    Above(f64),
    /// The median is at most (or at least) this.
    Median(f64),
    /// The 99th percentile is at most this.
    P99(f64),
    /// Not worse than the peer.
    Peer,
    /// At least so many times better than the peer.
    PeerTimes(f64),
}

/// One line of the table.
pub(crate) struct Row {
    /// Its name for `--only`, budgets and JSON.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) title: &'static str,
    /// Unit.
    pub(crate) unit: Unit,
    /// Sum of these floors, each so many times.
    pub(crate) floor: &'static [(Floor, f64)],
    /// Budgets.
    pub(crate) budgets: &'static [Budget],
}

/// The floors there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Floor {
    /// Round trip of a small message.
    Echo,
    /// CPU time of the echo server for one.
    EchoCpu,
    /// Round trips a second with several in flight.
    EchoRate,
    /// Connect and upgrade.
    EchoConnect,
    /// Memory of the echo server for an idle connection.
    EchoMemory,
    /// Open, fstat, pread, close of the small file.
    Read,
    /// The same for the large one.
    ReadLarge,
    /// Open, write, close of 4 KiB.
    Write,
    /// Echo of a message with 4 KiB in base64.
    EchoPage,
    /// A message of 1 MiB in base64.
    Bulk,
    /// posix_spawn and wait.
    Spawn,
    /// Fifty of them at once.
    SpawnMany,
    /// Bytes through `cat`.
    Pipe,
    /// A child's output from a pipe to a websocket.
    PipeToSocket,
    /// A child's output from a terminal.
    Terminal,
}

/// What a probe gives: the samples of each of its rows, in their order.
pub(crate) type Series = Vec<Vec<f64>>;

/// One thing done to a server.
pub(crate) struct Probe {
    /// Its rows.
    pub(crate) rows: &'static [Row],
    /// Takes one batch.
    pub(crate) take: fn(&mut Scene<'_>, &Subject) -> Result<Series, Failure>,
}

/// Which CPUs client, server and floor have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Whatever the system gives them.
    Free,
    /// One for all: for round trips, which otherwise measure wake-ups.
    Together,
    /// The client others than the server, as on another machine: what a server does after its answer costs nobody a round trip. Together where there is only one.
    Apart,
}

/// Probes whose rounds alternate.
pub(crate) struct Group {
    /// Its name for `--only`.
    pub(crate) name: &'static str,
    /// Where it is measured.
    pub(crate) placement: Placement,
    /// Rounds of a quick and of a full run.
    pub(crate) rounds: (usize, usize),
    /// The probes.
    pub(crate) probes: &'static [Probe],
}

/// Everything that is measured, in order.
pub(crate) const GROUPS: &[Group] = &[
    standing::START,
    standing::MEMORY,
    files::SMALL,
    files::WRITES,
    files::LARGE,
    files::STREAMS,
    listings::LISTINGS,
    scopes::FIRST,
    scopes::MEMORY,
    decisions::DECISIONS,
    policies::POLICIES,
    policies::COST,
    standing::CONNECTIONS,
    processes::PINNED,
    processes::FREE,
    output::OUTPUT,
    interrupt::INTERRUPT,
    remote::CALLS,
    remote::STREAMS,
    remote::MEMORY,
    remote::INTERRUPT,
    remote::NODES,
];

/// What the probes and floors of a run share.
pub(crate) struct Scene<'a> {
    /// The files.
    pub(crate) ground: &'a Ground,
    /// The echo server.
    pub(crate) echo: Server,
    /// The server of large amounts.
    pub(crate) bulk: Server,
    /// A `cat` for the pipe floor.
    pub(crate) cat: Option<Cat>,
    /// Servers with policies, as far as they were needed.
    pub(crate) policed: Vec<policies::Policed>,
    /// Rendezvous and executors, likewise.
    pub(crate) worlds: Vec<World>,
    /// The CPUs of servers in this group, and of the bench itself.
    pub(crate) cpus: Option<(CpuSet, CpuSet)>,
    /// `--quick`.
    pub(crate) quick: bool,
    /// Process ids given out so far.
    pub(crate) processes: usize,
}

impl Scene<'_> {
    /// Starts something where this group's servers are.
    pub(crate) fn among_servers<T>(
        &self,
        start: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some((servers, own)) = &self.cpus else {
            return start();
        };
        tree::pin_self(servers)?;
        let started = start();
        tree::pin_self(own)?;
        started
    }

    /// A process id that was not used yet.
    pub(crate) fn process_id(&mut self) -> String {
        self.processes += 1;
        format!("bench-{}", self.processes)
    }

    /// Repeats `step` until the batch's time is over or it has enough samples; untimed first for warm-up.
    pub(crate) fn batch(
        &self,
        mut step: impl FnMut() -> Result<f64, Failure>,
    ) -> Result<Vec<f64>, Failure> {
        let (time, most) = if self.quick { (50, 1_000) } else { (80, 2_000) };
        let time = Duration::from_millis(time);
        let warm = Instant::now();
        for _ in 0..limits::WARM_UP {
            step()?;
            if warm.elapsed() > time {
                break;
            }
        }
        let begin = Instant::now();
        let mut samples = Vec::new();
        while samples.len() < most && (begin.elapsed() < time || samples.len() < limits::FEWEST) {
            samples.push(step()?);
            if begin.elapsed() > limits::LONGEST_BATCH {
                break;
            }
        }
        Ok(samples)
    }

    /// `quick` or `full`, whichever this run is.
    pub(crate) fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}
