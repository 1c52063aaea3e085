//! Reliable streams over relay frames, as a state machine without I/O.
