//! The harness's side: connect and typed calls.
