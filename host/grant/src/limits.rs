//! Every number that bounds what a profile may ask for, each with its reason.

/// Bytes in a path, without the terminating NUL: Linux's `PATH_MAX` is 4096 with it.
pub const PATH_BYTES: usize = 4095;

/// Entries in one profile, and rules that they come to. Real ones have ten; a thousand is a generated one; more only makes scopes slow to make.
pub const ENTRIES: usize = 2048;

/// Bytes of all paths that a profile's rules come to. A thousand real ones have a tenth of that; a scope holds them as long as it is used.
pub const RULE_BYTES: usize = 512 * 1024;

/// Names in all these paths: each is a node of some hundred bytes in what a scope holds.
pub const RULE_NAMES: usize = 32 * 1024;

/// Deny globs in one profile: each becomes part of one automaton that every path is put through.
pub const GLOBS: usize = 256;

/// Bytes of all globs of a profile: compiled and used they take a hundred times as much.
pub const GLOBS_BYTES: usize = 32 * 1024;

/// Bytes in one glob, so that compiling it stays in the microseconds.
pub const GLOB_BYTES: usize = 1024;

/// Characters of a path that is none, in the error about it.
pub const SHOWN_PATH_CHARS: usize = 200;
