//! Permission profiles and what they grant: pure, no I/O.
