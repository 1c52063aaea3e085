//! What the allocator keeps of what was freed.

#![allow(unsafe_code)]

/// Bytes at the end of a heap that are kept: several windows of a stream (`lockgate_relay::limits::WINDOW_BYTES`).
const KEPT: i32 = 16 << 20;

/// Larger ones are fetched from the kernel each time, and given back.
const LARGE: i32 = 4 << 20;

/// Has the allocator of this process keep the memory of a few windows of a stream; for programs through which much goes, at the beginning of `main`.
///
/// By itself glibc's gives 128 KiB back to the kernel as soon as they are free at the end of a heap, and fetches them again for the next messages: zeroing pages
/// costs a relayed stream a fifth of its speed at each end. What is never used costs nothing. Programs with another allocator have no need of it; `lockgate` does it.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, bytes) in [
        (libc::M_TRIM_THRESHOLD, KEPT),
        (libc::M_MMAP_THRESHOLD, LARGE),
    ] {
        // SAFETY: `mallopt` takes two numbers and touches nothing of ours; it takes the allocator's own lock.
        let taken = unsafe { libc::mallopt(parameter, bytes) };
        debug_assert_eq!(taken, 1, "the allocator takes no settings");
    }
}
