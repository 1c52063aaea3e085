//! System calls that fail as they do elsewhere: answered by a seccomp filter, in a thread of the test's own, since nothing takes a filter back.

use std::collections::BTreeMap;
use std::thread;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch};

/// From here on these calls fail in this thread with this error, where one of their rules holds or they have none.
pub(crate) fn refuse(calls: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) {
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, answer, arch).unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap())
        .expect("this system has no seccomp filters: the test needs them");
}

/// Runs a scenario that refuses itself something.
pub(crate) fn in_a_thread(scenario: impl FnOnce() + Send) {
    thread::scope(|threads| {
        if let Err(failure) = threads.spawn(scenario).join() {
            std::panic::resume_unwind(failure);
        }
    });
}
