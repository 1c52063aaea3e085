//! File systems whose files are not files: refused wherever they are mounted.
//!
//! A read grant on `/` must not read this very process's memory and environment through `/proc/self`, nor anybody's; writing a file of
//! sysfs or of a cgroup is an order to the kernel. All of them have anonymous devices (major number 0), so files on real disks pass
//! without a second look; for the others the file system's magic number decides, asked each time, since device numbers are reused.

use std::os::fd::AsFd;

use rustix::io::Errno;

/// Magic numbers of `statfs(2)` and the kernel's `magic.h`.
const REFUSED: [u64; 26] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0xf97c_ff8c, // selinuxfs
    0x4341_5d53, // smackfs
    0x5a3c_69f0, // apparmorfs
    0xcafe_4a11, // bpf
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0x6265_6570, // configfs
    0x4249_4e4d, // binfmt_misc
    0x6573_5543, // fusectl
    0x6e73_6673, // nsfs
    0x1980_0202, // mqueue
    0x0187,      // autofs: opening mounts
    0x0765_5821, // resctrl
    0xabba_1974, // xenfs
    0x1cd1,      // devpts
    0x6e66_7364, // nfsd
    0x6759_6969, // rpc_pipefs
    0x0a64_7361, // functionfs: what is read and written there goes over USB
    0x23c9_b64e, // spufs
];

/// `EACCES` when what is held belongs to such a file system. `device` is its `st_dev`.
pub(super) fn refuse(fd: impl AsFd, device: u64) -> Result<(), Errno> {
    if rustix::fs::major(device) != 0 {
        return Ok(());
    }
    // The type's width differs between architectures; the numbers themselves have 32 bits.
    let magic = rustix::fs::fstatfs(fd)?.f_type as u64 & 0xffff_ffff;
    match REFUSED.contains(&magic) {
        true => Err(Errno::ACCESS),
        false => Ok(()),
    }
}
