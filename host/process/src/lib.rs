//! Processes and terminals: spawn, signals, output log.
