//! Which filesystems answer from this machine: only there can a call that finds everything in memory not block.
//!
//! Asking a filesystem what it is can itself block (FUSE, NFS), so only blocking calls ask, and the others use
//! what those have learned. Numbers of devices are given again to other filesystems, so an answer is believed for a while only.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::{OnceLock, RwLock};
use std::time::{Duration, Instant};

use lockgate_grant::path::AbsPath;
use rustix::fs::FsWord;

/// How long an answer is believed. A filesystem mounted with the number of another one is misjudged no longer than this.
const BELIEVED: Duration = Duration::from_secs(10);

/// The answers kept at most; a machine has few filesystems, a container host with thousands just asks again.
const ANSWERS: usize = 256;

/// The magic numbers (statfs(2)) of filesystems that wait for nothing but this machine's own memory and disks.
const LOCAL: &[FsWord] = &[
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x794c_7630, // overlayfs
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
    0x7371_7368, // squashfs
    0xe0f5_e1e2, // erofs
];

struct Answer {
    local: bool,
    at: Instant,
}

fn answers() -> &'static RwLock<HashMap<u64, Answer>> {
    static ANSWERS: OnceLock<RwLock<HashMap<u64, Answer>>> = OnceLock::new();
    ANSWERS.get_or_init(RwLock::default)
}

/// Whether a device is known to be local. Never asks.
pub(crate) fn is_known_local(device: u64) -> bool {
    fresh(device) == Some(true)
}

/// Learns what the device of an open file is. May block.
pub(crate) fn learn(device: u64, file: impl AsFd) {
    if fresh(device).is_none() {
        note(device, rustix::fs::fstatfs(file).map(|found| found.f_type));
    }
}

/// The same for what a path leads to.
pub(super) fn learn_by_path(device: u64, path: &AbsPath) {
    if fresh(device).is_none() {
        note(
            device,
            rustix::fs::statfs(path.as_path()).map(|found| found.f_type),
        );
    }
}

fn fresh(device: u64) -> Option<bool> {
    let answers = answers().read().ok()?;
    let answer = answers.get(&device)?;
    (answer.at.elapsed() < BELIEVED).then_some(answer.local)
}

fn note(device: u64, magic: rustix::io::Result<FsWord>) {
    let local = magic.is_ok_and(|magic| LOCAL.contains(&magic));
    let Ok(mut answers) = answers().write() else {
        return;
    };
    if answers.len() == ANSWERS {
        answers.clear();
    }
    let at = Instant::now();
    answers.insert(device, Answer { local, at });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_unknown_until_a_blocking_call_has_asked() {
        // A number that no device has.
        let device = u64::MAX;
        assert!(!is_known_local(device));
        note(device, Ok(0x0102_1994));
        assert!(is_known_local(device));
        let network = u64::MAX - 1;
        note(network, Ok(0x6969));
        assert!(!is_known_local(network));
        let unreadable = u64::MAX - 2;
        note(unreadable, Err(rustix::io::Errno::IO));
        assert!(!is_known_local(unreadable));
    }
}
