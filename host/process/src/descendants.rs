//! Who is below a process, from /proc, and ending all of them. This finds what left the process group (`setsid`, a shell's jobs), as long as
//! the chain of parents is whole.
//!
//! A number from /proc may belong to someone else a moment later. So a process is struck only through a pidfd, and only if what /proc
//! says about it *after* that was opened is what was expected (its parent, its start time): then the pidfd is the process that was meant.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, RawPid, Signal};

use crate::limits;

/// The part of `/proc/PID/stat` that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: u8,
    pub(crate) parent: RawPid,
    pub(crate) group: RawPid,
    pub(crate) session: RawPid,
    threads: u64,
    /// In clock ticks since the machine's start: with the number it names a process for good.
    pub(crate) started: u64,
}

impl Stat {
    pub(crate) fn of(pid: RawPid) -> Option<Stat> {
        Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &[u8]) -> Option<Stat> {
        // The name stands in parentheses and may contain anything, parentheses too.
        let after_name = line.iter().rposition(|byte| *byte == b')')? + 1;
        let rest = std::str::from_utf8(&line[after_name..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
        Some(Stat {
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            threads: fields.get(17)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    /// Of a process whose first thread has ended, the others may go on; it looks like a zombie then.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

/// Whether the kernel keeps lists of children (CONFIG_PROC_CHILDREN); without, every search scans /proc.
pub(crate) fn has_children_lists() -> bool {
    Path::new("/proc/thread-self/children").exists()
}

/// Whether the list of this one's children can be read.
pub(crate) fn has_list(of: Pid) -> bool {
    let of = of.as_raw_pid();
    fs::read(format!("/proc/{of}/task/{of}/children")).is_ok()
}

/// Now, as [`Stat::started`] counts.
pub(crate) fn ticks() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let second = rustix::param::clock_ticks_per_second();
    let part = now.tv_nsec.unsigned_abs() / (1_000_000_000 / second);
    now.tv_sec.unsigned_abs() * second + part
}

/// Every process there is.
pub(crate) fn all() -> impl Iterator<Item = (RawPid, Stat)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: RawPid| Some((pid, Stat::of(pid)?)))
}

/// Kills what is below `root` and `wanted`, but not `root` itself. `lists` as from [`has_children_lists`]. Gives the number of processes struck.
pub(crate) fn kill_below(root: Pid, lists: bool, wanted: impl Fn(&Stat) -> bool) -> usize {
    kill(|| below(root, lists, |_, _| true), wanted)
}

/// Kills the children of `root` that are `meant`, with everything below them.
pub(crate) fn kill_branches(
    root: Pid,
    lists: bool,
    meant: impl Fn(RawPid, &Stat) -> bool,
) -> usize {
    kill(|| below(root, lists, &meant), |_| true)
}

/// Kills what is found, if `wanted`. First everything is stopped, until nothing new is found, so that nothing can fork away while it is being killed.
fn kill(find: impl Fn() -> Vec<(RawPid, Stat)>, wanted: impl Fn(&Stat) -> bool) -> usize {
    let mut struck: HashMap<RawPid, u64> = HashMap::new();
    for _ in 0..limits::DESCENT_ROUNDS {
        if signal_new(&find(), &wanted, Signal::STOP, &mut struck) == 0 {
            break;
        }
    }
    for (pid, started) in &struck {
        if let Some(stat) = Stat::of(*pid).filter(|stat| stat.started == *started) {
            strike(*pid, &stat, Signal::KILL);
        }
    }
    struck.len()
}

/// Sends a signal once to everything below `root` that is `wanted`, also to what is started meanwhile.
pub(crate) fn signal_below(root: Pid, lists: bool, signal: Signal, wanted: impl Fn(&Stat) -> bool) {
    let mut struck = HashMap::new();
    for _ in 0..limits::DESCENT_ROUNDS {
        if signal_new(
            &below(root, lists, |_, _| true),
            &wanted,
            signal,
            &mut struck,
        ) == 0
        {
            break;
        }
    }
}

/// Signals those that were not struck yet; gives their number.
fn signal_new(
    found: &[(RawPid, Stat)],
    wanted: impl Fn(&Stat) -> bool,
    signal: Signal,
    struck: &mut HashMap<RawPid, u64>,
) -> usize {
    let mut news = 0;
    for (pid, stat) in found {
        if !wanted(stat) || stat.is_dead() || struck.get(pid) == Some(&stat.started) {
            continue;
        }
        if strike(*pid, stat, signal) {
            struck.insert(*pid, stat.started);
            news += 1;
        }
    }
    news
}

/// Everything below those children of `root` that are `meant`, parents before their children.
fn below(root: Pid, lists: bool, meant: impl Fn(RawPid, &Stat) -> bool) -> Vec<(RawPid, Stat)> {
    let scanned: HashMap<RawPid, Vec<(RawPid, Stat)>> = if lists {
        HashMap::new()
    } else {
        let mut by_parent: HashMap<RawPid, Vec<(RawPid, Stat)>> = HashMap::new();
        for (pid, stat) in all() {
            by_parent.entry(stat.parent).or_default().push((pid, stat));
        }
        by_parent
    };
    let root = root.as_raw_pid();
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = if lists {
            listed_children(parent)
        } else {
            scanned.get(&parent).cloned().unwrap_or_default()
        };
        for (pid, stat) in children {
            if (parent != root || meant(pid, &stat))
                && found.len() < limits::DESCENDANTS
                && seen.insert(pid)
            {
                found.push((pid, stat));
                parents.push(pid);
            }
        }
    }
    found
}

/// The numbers of the children, as far as the kernel keeps lists of them; dead ones too, until they are reaped.
pub(crate) fn listed(parent: RawPid) -> impl Iterator<Item = RawPid> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task"));
    tasks
        .into_iter()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<RawPid>>()
        })
}

fn listed_children(parent: RawPid) -> Vec<(RawPid, Stat)> {
    listed(parent)
        .filter_map(|pid| Some((pid, Stat::of(pid).filter(|stat| stat.parent == parent)?)))
        .collect()
}

/// Whether `parent` has children that are `meant`, dead ones and such as ended while this looked included: those may have left others.
pub(crate) fn has_children(
    parent: Pid,
    lists: bool,
    meant: impl Fn(RawPid, &Stat) -> bool,
) -> bool {
    let parent = parent.as_raw_pid();
    match lists {
        true => listed(parent).any(|pid| Stat::of(pid).is_none_or(|stat| meant(pid, &stat))),
        false => all().any(|(pid, stat)| stat.parent == parent && meant(pid, &stat)),
    }
}

/// Signals a process if it is still the one that `expected` was read from.
pub(crate) fn strike(pid: RawPid, expected: &Stat, signal: Signal) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return false;
    };
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty());
    if Stat::of(pid.as_raw_pid()).is_none_or(|now| now.started != expected.started) {
        return false;
    }
    match pidfd {
        Ok(pidfd) => rustix::process::pidfd_send_signal(pidfd, signal).is_ok(),
        // No pidfd here, or no descriptor left: a number that was right a microsecond ago is the best there is.
        Err(rustix::io::Errno::SRCH) => false,
        Err(_) => rustix::process::kill_process(pid, signal).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_process_is_called() {
        let line = b"12 (a) R (b\xff) S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987 1 2 3\n";
        let expected = Stat {
            state: b'S',
            parent: 3,
            group: 4,
            session: 5,
            threads: 1,
            started: 987,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        for broken in [&b""[..], b"12 (a", b"12 (a)", b"12 (a) S 1 2"] {
            assert_eq!(Stat::parse(broken), None);
        }
    }

    #[test]
    fn this_process_finds_itself() {
        let me = rustix::process::getpid().as_raw_pid();
        let parent = rustix::process::getppid().map(Pid::as_raw_pid);
        assert_eq!(Stat::of(me).map(|stat| stat.parent), parent);
        assert!(all().any(|(pid, _)| pid == me));
    }

    #[test]
    fn what_starts_now_starts_at_this_tick_or_the_next() {
        let before = ticks();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep starts");
        let started = Stat::of(child.id() as RawPid).expect("it runs").started;
        assert!(
            (before..=ticks()).contains(&started),
            "{before} {started} {}",
            ticks()
        );
        child.kill().and_then(|()| child.wait()).expect("it ends");
    }

    #[test]
    fn both_ways_of_looking_find_the_same_children() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep starts");
        let pid = child.id() as RawPid;
        let me = rustix::process::getpid();
        for lists in [true, false] {
            assert!(
                below(me, lists, |_, _| true)
                    .iter()
                    .any(|(found, _)| *found == pid),
                "lists {lists}"
            );
        }
        assert_eq!(
            kill_below(me, has_children_lists(), |stat| stat.parent
                == me.as_raw_pid()),
            1
        );
        assert!(!child.wait().expect("it is our child").success());
    }
}
