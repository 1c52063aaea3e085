//! System calls that fail: a seccomp filter that forbids what hardened containers forbid, or what a bad disk fails at.
//!
//! Unsafe because the filter has to be installed in the child, between fork and exec; what runs there makes two system
//! calls and allocates nothing.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Makes what the command starts get this error for `openat2`, Landlock, user namespaces and ptrace.
pub fn harden(command: &mut Command, errno: u32) {
    let calls = [
        libc::SYS_openat2,
        libc::SYS_landlock_create_ruleset,
        libc::SYS_landlock_add_rule,
        libc::SYS_landlock_restrict_self,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_ptrace,
    ];
    refuse(command, &calls, errno);
}

/// Makes what the command starts get this error for each attempt to have something on the disk.
pub fn keep_nothing(command: &mut Command, errno: u32) {
    refuse(command, &[libc::SYS_fsync, libc::SYS_fdatasync], errno);
}

fn refuse(command: &mut Command, calls: &[i64], errno: u32) {
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a machine with seccomp");
    let rules: BTreeMap<_, _> = calls.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(errno);
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)
        .and_then(BpfProgram::try_from)
        .expect("the filter is a program");
    // SAFETY: see the module.
    unsafe {
        command.pre_exec(move || {
            seccompiler::apply_filter(&program)
                .map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))
        });
    }
}
