//! The exec-server wire: envelope and every message type, no I/O.
