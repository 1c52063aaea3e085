//! Deadlines of calls: a clock that ticks only while guests run.
//!
//! Compiled guest code compares wasmtime's epoch counter with the store's deadline; one thread advances the counter. It sleeps
//! while nothing runs (an idle server causes no wake-ups at all) and stays awake a moment after the last call, so that the wake-up, a
//! system call, is not paid by each call of a burst. If the thread is late it makes up for it: the counter follows the real clock. What it has to make up for when a
//! call begins is added to that call's deadline, which would come early otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use wasmtime::EngineWeak;

use crate::limits::TICKS_BEFORE_SLEEP;

/// While it lives the deadline's clock ticks. Keep it for the whole call; dropping it early leaves the deadline without a clock.
#[derive(Debug)]
#[must_use = "the deadline holds only while this guard lives"]
pub struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The thread that advances an engine's epoch. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Clock {
    shared: Arc<Shared>,
    thread: Thread,
    tick: Duration,
}

#[derive(Debug)]
struct Shared {
    calls: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
    began: Instant,
    /// The time up to which the counter was advanced, in nanoseconds since then.
    counted: AtomicU64,
}

impl Clock {
    pub(crate) fn start(engine: EngineWeak, tick: Duration) -> std::io::Result<Clock> {
        let shared = Arc::new(Shared::new());
        let of_thread = shared.clone();
        let handle: JoinHandle<()> = std::thread::Builder::new()
            .name("lockgate-epoch".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || of_thread.advance(&engine, tick))?;
        Ok(Clock {
            shared,
            thread: handle.thread().clone(),
            tick,
        })
    }

    /// The ticks after which `time` has certainly passed: one more than fit, since the current one has begun, and those that should have come before.
    /// Only while a call is [`Running`].
    pub(crate) fn ticks(&self, time: Duration) -> u64 {
        let late = self.shared.late(Instant::now(), self.tick);
        ticks(time, self.tick).saturating_add(late).min(MOST)
    }

    pub(crate) fn run(&self) -> Running<'_> {
        // Both sides go: write own flag, read the other's, in one total order. So either this call sees the
        // clock asleep and wakes it, or the clock sees this call and stays awake.
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            // Nothing was to be counted while it slept. Said before it is woken, so nobody sees it awake with a count from before.
            self.shared.counted_up_to(Instant::now());
        }
        if self.shared.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    fn new() -> Shared {
        Shared {
            calls: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            began: Instant::now(),
            counted: AtomicU64::new(0),
        }
    }

    fn counted_up_to(&self, time: Instant) {
        let since = time.saturating_duration_since(self.began).as_nanos();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.counted.store(since, Ordering::SeqCst);
    }

    /// The ticks that should have come and did not.
    fn late(&self, now: Instant, tick: Duration) -> u64 {
        let counted = Duration::from_nanos(self.counted.load(Ordering::SeqCst));
        let late = now
            .saturating_duration_since(self.began)
            .saturating_sub(counted);
        u64::try_from(late.as_nanos() / tick.as_nanos()).unwrap_or(u64::MAX)
    }

    fn advance(&self, engine: &EngineWeak, tick: Duration) {
        let mut last = Instant::now();
        let mut idle = 0;
        while !self.ended.load(Ordering::SeqCst) {
            std::thread::sleep(tick);
            let Some(engine) = engine.upgrade() else {
                return;
            };
            while last.elapsed() >= tick {
                engine.increment_epoch();
                last += tick;
                // After the counter: a deadline may come late by this, and not early.
                self.counted_up_to(last);
            }
            drop(engine);
            idle = match self.calls.load(Ordering::SeqCst) {
                0 => idle + 1,
                _ => 0,
            };
            if idle >= TICKS_BEFORE_SLEEP {
                self.sleep_until_called();
                last = Instant::now();
                self.counted_up_to(last);
                idle = 0;
            }
        }
    }

    fn sleep_until_called(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.asleep.load(Ordering::SeqCst)
            && self.calls.load(Ordering::SeqCst) == 0
            && !self.ended.load(Ordering::SeqCst)
        {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

fn ticks(time: Duration, tick: Duration) -> u64 {
    let whole = time.as_nanos().div_ceil(tick.as_nanos());
    u64::try_from(whole)
        .unwrap_or(u64::MAX)
        .saturating_add(1)
        .min(MOST)
}

/// The store adds its ticks to the current epoch; half the range never overflows.
const MOST: u64 = u64::MAX / 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_clock_has_to_make_up_for_is_known() {
        const TICK: Duration = Duration::from_millis(5);
        let shared = Shared::new();
        let began = shared.began;
        assert_eq!(shared.late(began + TICK / 2, TICK), 0);
        assert_eq!(shared.late(began + TICK * 7 + TICK / 2, TICK), 7);
        shared.counted_up_to(began + TICK * 5);
        assert_eq!(shared.late(began + TICK * 7 + TICK / 2, TICK), 2);
        assert_eq!(shared.late(began, TICK), 0);
    }

    #[test]
    fn a_deadline_never_comes_before_its_time() {
        const TICK: Duration = Duration::from_millis(5);
        assert_eq!(ticks(Duration::ZERO, TICK), 1);
        assert_eq!(ticks(Duration::from_nanos(1), TICK), 2);
        assert_eq!(ticks(TICK, TICK), 2);
        assert_eq!(ticks(TICK * 10, TICK), 11);
        assert_eq!(ticks(TICK, Duration::from_millis(1)), 6);
        assert_eq!(ticks(Duration::MAX, TICK), u64::MAX / 2);
    }
}
