//! Compiles the relay schema in proto/ without a `protoc` on the machine.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let schema = folder.join("relay.proto");
    println!("cargo::rerun-if-changed={}", schema.display());
    let descriptors = protox::compile([&schema], [&folder])?;
    prost_build::Config::new()
        // A payload is a part of the message that came in, not a copy of it.
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
