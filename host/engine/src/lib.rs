//! wasmtime as both gates use it: loading, pinning, caching, deadlines, ceilings.
