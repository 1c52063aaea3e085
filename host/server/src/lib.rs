//! Sessions, dispatch, handlers and transports of the executor.
