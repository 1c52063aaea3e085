//! Randomness that is none: a library below Starlark links it, and a policy answers the same question the same way. Hash tables are not
//! at stake: the only text that is parsed is the operator's.

/// What crate `getrandom` calls where it is built with `getrandom_backend="custom"`.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    destination: *mut u8,
    length: usize,
) -> Result<(), getrandom::Error> {
    // SAFETY: the caller hands over `length` bytes to be written.
    unsafe { std::ptr::write_bytes(destination, 0x4c, length) };
    Ok(())
}
