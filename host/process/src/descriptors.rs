//! How many descriptors may be open: as many as the system allows for the server, and what it was
//! before for its children, some of which go through all possible numbers or use `select`.

use std::sync::OnceLock;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

/// The limit with which the server was started, if it was raised since.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises this process's limit to what the system allows: a connection costs one descriptor and a
/// process up to four, and the usual limit of 1,024 is reached by a few hundred of them. Children keep the
/// old one. Returns the limit now in force, `None` for none.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_err() {
        return limit.current;
    }
    // The first call knows; a later one would remember the raised limit.
    let _ = BEFORE.set(limit);
    limit.maximum
}

/// Gives a child the limit from before. Right after its start, because `posix_spawn` has no attribute for
/// it: a program that asks in its first instant may still see the raised one.
pub(crate) fn restore(child: Pid) {
    if let Some(before) = BEFORE.get() {
        // A child that is gone already needs none.
        let _ = prlimit(Some(child), Resource::Nofile, *before);
    }
}
