//! A process and its descendants as `/proc` shows them: memory, CPU time, pinning, and an end that
//! leaves none behind. A server may consist of several processes, so nothing here looks at one alone.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A process, told apart from a later one with the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Process {
    pid: i32,
    started: u64,
}

/// Parent and start time of a process, from `/proc/PID/stat`.
fn stat(pid: i32) -> Option<(i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and parentheses; fields are counted after its end.
    let rest = &text[text.rfind(')')? + 2..];
    let mut fields = rest.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some((parent, started))
}

fn numbers_in(folder: &str) -> Vec<i32> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// `root` and all its descendants.
pub(crate) fn members(root: u32) -> BTreeSet<Process> {
    let root = root as i32;
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    let mut found = BTreeSet::new();
    for pid in numbers_in("/proc") {
        let Some((parent, started)) = stat(pid) else {
            continue;
        };
        let process = Process { pid, started };
        if pid == root {
            found.insert(process);
        }
        children.entry(parent).or_default().push(process);
    }
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if found.insert(child) {
                open.push(child.pid);
            }
        }
    }
    found
}

/// Resident memory of the tree in KiB: the sum of `VmRSS` and the proportional share (`Pss`), which counts
/// pages that several processes share once.
pub(crate) fn memory(root: u32) -> (f64, f64) {
    let mut resident = 0.0;
    let mut proportional = 0.0;
    for process in members(root) {
        resident += field(&format!("/proc/{}/status", process.pid), "VmRSS:");
        proportional += field(&format!("/proc/{}/smaps_rollup", process.pid), "Pss:");
    }
    (resident, proportional)
}

fn field(path: &str, name: &str) -> f64 {
    fs::read_to_string(path)
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line[name.len()..].split_whitespace().next()?.parse().ok()
        })
        .unwrap_or(0.0)
}

/// CPU time used so far by each thread of the tree, in nanoseconds.
pub(crate) fn cpu(root: u32) -> HashMap<(i32, i32), u64> {
    let mut times = HashMap::new();
    for process in members(root) {
        for thread in numbers_in(&format!("/proc/{}/task", process.pid)) {
            let path = format!("/proc/{}/task/{thread}/schedstat", process.pid);
            let Ok(text) = fs::read_to_string(path) else {
                continue;
            };
            let first = text
                .split(' ')
                .next()
                .and_then(|number| number.parse().ok());
            times.insert((process.pid, thread), first.unwrap_or(0));
        }
    }
    times
}

/// CPU time between two readings in microseconds. Threads that ended in between are lost, those that
/// began count in full.
pub(crate) fn cpu_between(
    before: &HashMap<(i32, i32), u64>,
    after: &HashMap<(i32, i32), u64>,
) -> f64 {
    let spent: u64 = after
        .iter()
        .map(|(thread, &time)| time.saturating_sub(before.get(thread).copied().unwrap_or(0)))
        .sum();
    spent as f64 / 1_000.0
}

/// Confines all threads of the tree to `cpus`. Threads made later inherit it.
pub(crate) fn pin(root: u32, cpus: &CpuSet) {
    for process in members(root) {
        for thread in numbers_in(&format!("/proc/{}/task", process.pid)) {
            // A thread may end between the listing and the call.
            let _ = Pid::from_raw(thread).map(|thread| sched_setaffinity(Some(thread), cpus));
        }
    }
}

/// Confines the calling thread, and what it starts, to `cpus`.
pub(crate) fn pin_self(cpus: &CpuSet) -> rustix::io::Result<()> {
    sched_setaffinity(None, cpus)
}

/// The CPUs that this thread may use.
pub(crate) struct Cpus {
    pub(crate) all: CpuSet,
    /// The last of them: the first often serves interrupts.
    pub(crate) last: CpuSet,
    /// The others, if there are any.
    pub(crate) others: Option<CpuSet>,
}

/// Those of the calling thread.
pub(crate) fn cpus() -> rustix::io::Result<Cpus> {
    let all = sched_getaffinity(None)?;
    let (mut last, mut others) = (CpuSet::new(), all);
    if let Some(cpu) = (0..CpuSet::MAX_CPU).rev().find(|&cpu| all.is_set(cpu)) {
        last.set(cpu);
        others.unset(cpu);
    }
    let others = (others.count() > 0).then_some(others);
    Ok(Cpus { all, last, others })
}

/// Kills those of `processes` that are still the same.
pub(crate) fn kill(processes: &BTreeSet<Process>) {
    for process in processes {
        if stat(process.pid).is_some_and(|(_, started)| started == process.started)
            && let Some(pid) = Pid::from_raw(process.pid)
        {
            // It may be gone by now.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_belongs_to_the_tree_of_its_parent_until_it_is_killed() {
        let mut child = std::process::Command::new("/bin/sleep")
            .arg("60")
            .spawn()
            .expect("sleep");
        let of_child = members(child.id());
        assert_eq!(of_child.len(), 1);
        assert!(members(std::process::id()).is_superset(&of_child));
        assert!(memory(child.id()).0 > 0.0);
        kill(&of_child);
        assert!(!child.wait().expect("wait").success());
    }
}
