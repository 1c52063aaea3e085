//! How far a long transfer is, for a person who watches: one line on stderr, if that is a terminal, gone when the transfer is.
//!
//! Our own and no crate's: it is one line, and knows when to stay away.

use std::future::Future;
use std::io::{IsTerminal, Write, stderr};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lockgate_policy_gate::printable::printable;
use rustix::termios::tcgetwinsize;
use tokio::time::timeout;

/// What has fewer bytes is done before anybody has read how far it is, unless it takes [`LONG`].
const MANY: u64 = 4 * 1024 * 1024;

/// How long anything may take without a word.
const LONG: Duration = Duration::from_secs(1);

/// How often the line is drawn again.
const REDRAW: Duration = Duration::from_millis(100);

/// Columns where the terminal does not tell.
const USUAL: usize = 80;

/// Columns of the bar: no more, and none at all where there is room for fewer than these.
const BAR: usize = 40;
const SHORTEST_BAR: usize = 10;

/// How far it is.
pub(crate) struct Progress {
    total: Option<u64>,
    done: u64,
    /// Of that, what did not have to travel.
    skipped: u64,
    /// What travelled before the last beginning.
    before: u64,
    begun: Instant,
    drawn: Option<Instant>,
    watched: bool,
}

impl Progress {
    /// Of so many bytes, if that is known.
    pub(crate) fn of(total: Option<u64>) -> Progress {
        Progress {
            total,
            done: 0,
            skipped: 0,
            before: 0,
            begun: Instant::now(),
            drawn: None,
            watched: stderr().is_terminal(),
        }
    }

    /// Nothing is shown.
    pub(crate) fn hidden() -> Progress {
        let mut progress = Progress::of(None);
        progress.watched = false;
        progress
    }

    /// From nothing, of so many bytes, if that is known. What has travelled stays counted.
    pub(crate) fn begin(&mut self, total: Option<u64>) {
        let before = self.before.saturating_add(self.done - self.skipped);
        self.hide();
        *self = Progress::of(total);
        self.before = before;
    }

    /// Takes the line away, until there is more to tell.
    pub(crate) fn hide(&mut self) {
        if self.drawn.take().is_some() {
            terminal().clear();
        }
    }

    /// Bytes that have arrived since the first beginning.
    pub(crate) fn travelled(&self) -> u64 {
        self.before.saturating_add(self.done - self.skipped)
    }

    /// So many bytes more have arrived.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        let (now, long) = (Instant::now(), self.begun.elapsed() >= LONG);
        let due = match self.drawn {
            Some(drawn) => now.duration_since(drawn) >= REDRAW,
            None => self.total.unwrap_or(self.done) >= MANY || long,
        };
        if self.watched && due {
            self.drawn = Some(now);
            draw(&self.line(self.begun.elapsed(), columns()));
        }
    }

    /// So many bytes were there already.
    pub(crate) fn skip(&mut self, bytes: u64) {
        if bytes > 0 {
            self.skipped = self.skipped.saturating_add(bytes);
            self.add(bytes);
        }
    }

    fn line(&self, took: Duration, columns: usize) -> String {
        let travelled = self.done - self.skipped;
        let rate = (travelled as f64 / took.as_secs_f64().max(0.001)) as u64;
        let Some(total) = self.total.filter(|total| *total > 0) else {
            let done = bytes(self.done);
            let both = format!("{done} at {}/s", bytes(rate));
            return fitting(&[both, done], columns);
        };
        let done = self.done.min(total);
        let percent = format!("{:3}%", (done as f64 / total as f64 * 100.0) as u64);
        let of = format!("{} of {}", bytes(done), bytes(total));
        let left = match rate {
            0 => String::new(),
            rate => format!(", {} left", time((total - done) / rate)),
        };
        let all = format!("{percent} {of} at {}/s{left}", bytes(rate));
        let width = columns.saturating_sub(all.len() + 4).min(BAR);
        if width >= SHORTEST_BAR {
            let full = (done as f64 / total as f64 * width as f64) as usize;
            return format!("[{:<width$}] {all}", "#".repeat(full));
        }
        // How fast it is goes first, then how much it is: whoever waits wants to know how long.
        let lines = [
            all,
            format!("{percent} {of}{left}"),
            format!("{percent}{left}"),
            percent,
        ];
        fitting(&lines, columns)
    }
}

/// Waits for an answer to so many bytes that travel in one message, of which nobody here is told how far they are: only that they are on the way.
pub(crate) async fn on_the_way<T>(size: usize, answer: impl Future<Output = T>) -> T {
    let mut progress = Progress::of(None);
    let mut answer = pin!(answer);
    loop {
        match timeout(LONG, &mut answer).await {
            Ok(answer) => return answer,
            Err(_) if progress.watched => {
                progress.drawn = Some(Instant::now());
                draw(&waiting(size, progress.begun.elapsed(), columns()));
            }
            Err(_) => {}
        }
    }
}

/// Waits for what nobody can tell how long it takes: who watches is told what for.
pub(crate) async fn waited<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    match timeout(LONG, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            if stderr().is_terminal() {
                tell!("lockgate: {}", printable(what));
            }
            work.await
        }
    }
}

fn waiting(size: usize, took: Duration, columns: usize) -> String {
    let size = bytes(u64::try_from(size).unwrap_or(u64::MAX));
    let lines = [
        format!("{size} on the way for {}", time(took.as_secs())),
        format!("{size} on the way"),
        size,
    ];
    fitting(&lines, columns)
}

/// Those of the terminal.
fn columns() -> usize {
    let columns = tcgetwinsize(stderr()).map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 { USUAL } else { columns }
}

fn draw(line: &str) {
    let mut terminal = terminal();
    if !terminal.is_asked {
        terminal.has_line = true;
        // One that is gone is no reason to stop.
        let _ = write!(stderr(), "\r\x1b[K{line}");
    }
}

/// What stands in the terminal's last line.
struct Terminal {
    has_line: bool,
    is_asked: bool,
    /// A question, and behind it the cursor.
    has_question: bool,
}

static TERMINAL: Mutex<Terminal> = Mutex::new(Terminal {
    has_line: false,
    is_asked: false,
    has_question: false,
});

fn terminal() -> MutexGuard<'static, Terminal> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Terminal {
    fn clear(&mut self) {
        if std::mem::take(&mut self.has_line) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// While this is there a person is asked something, and nothing is drawn over it.
pub(crate) struct Asked;

impl Asked {
    /// In a line without ours.
    pub(crate) fn begin() -> Asked {
        let mut terminal = terminal();
        terminal.clear();
        terminal.is_asked = true;
        terminal.has_question = true;
        Asked
    }
}

impl Asked {
    /// Who answered it has ended its line.
    pub(crate) fn answered(&self) {
        terminal().has_question = false;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        begin_line();
        terminal().is_asked = false;
    }
}

/// For what is said next, also where somebody was asked and did not answer.
pub(crate) fn begin_line() {
    if std::mem::take(&mut terminal().has_question) {
        let _ = writeln!(stderr());
    }
}

/// The first that fits, else nothing: half a number is another one. The last column stays free: some terminals break the line there.
fn fitting(lines: &[String], columns: usize) -> String {
    let fits = lines.iter().find(|line| line.len() < columns);
    fits.cloned().unwrap_or_default()
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}

/// Three digits and a unit.
fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            let digits = if value < 10.0 && unit != "B" { 1 } else { 0 };
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

fn time(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02} min"),
        (hours, minutes, _) => format!("{hours}:{minutes:02} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_fits_its_terminal() {
        let mut progress = Progress::hidden();
        progress.total = Some(100 << 20);
        progress.skip(25 << 20);
        progress.add(25 << 20);
        let line = |columns| progress.line(Duration::from_secs(5), columns);
        assert_eq!(
            line(100),
            format!(
                "[{}{}]  50% 50 MiB of 100 MiB at 5.0 MiB/s, 10 s left",
                "#".repeat(20),
                " ".repeat(20)
            )
        );
        assert_eq!(line(52), " 50% 50 MiB of 100 MiB at 5.0 MiB/s, 10 s left");
        for columns in 0..120 {
            assert!(line(columns).chars().count() < columns.max(1), "{columns}");
        }
        progress.total = None;
        assert_eq!(line_of(&progress), "50 MiB at 5.0 MiB/s");
        progress.total = Some(0);
        assert_eq!(line_of(&progress), "50 MiB at 5.0 MiB/s");
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_numbers_and_none_of_them_in_part() {
        let mut progress = Progress::hidden();
        progress.total = Some(100 << 20);
        progress.add(50 << 20);
        let line = |progress: &Progress, columns| progress.line(Duration::from_secs(10), columns);
        let all = " 50% 50 MiB of 100 MiB at 5.0 MiB/s, 10 s left";
        for (columns, wanted) in [
            (80, format!("[{}{}] {all}", "#".repeat(15), " ".repeat(15))),
            (60, format!("[{}{}] {all}", "#".repeat(5), " ".repeat(5))),
            (59, all.to_owned()),
            (46, " 50% 50 MiB of 100 MiB, 10 s left".to_owned()),
            (40, " 50% 50 MiB of 100 MiB, 10 s left".to_owned()),
            (20, " 50%, 10 s left".to_owned()),
            (10, " 50%".to_owned()),
            (4, String::new()),
        ] {
            assert_eq!(line(&progress, columns), wanted, "{columns}");
        }
        progress.total = None;
        for (columns, wanted) in [(20, "50 MiB at 5.0 MiB/s"), (19, "50 MiB"), (6, "")] {
            assert_eq!(line(&progress, columns), wanted, "{columns}");
        }
    }

    #[test]
    fn what_travels_in_one_message_is_told_with_its_size_and_for_how_long() {
        let line = |columns| waiting(47 << 20, Duration::from_secs(61), columns);
        assert_eq!(line(80), "47 MiB on the way for 1:01 min");
        assert_eq!(line(20), "47 MiB on the way");
        assert_eq!(line(7), "47 MiB");
    }

    fn line_of(progress: &Progress) -> String {
        progress.line(Duration::from_secs(5), 100)
    }

    #[test]
    fn sizes_and_times_have_units() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (15_000, "15 KiB"),
            (1_048_576, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(time(59), "59 s");
        assert_eq!(time(61), "1:01 min");
        assert_eq!(time(7_260), "2:01 h");
    }
}
