//! What a file of WebAssembly is by its first eight bytes: the magic number, a version, and which of the two kinds it is.

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// What some bytes are. Gates look before the engine does: the engine's words do not help who built a module by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// A component.
    Component,
    /// A core module.
    Module,
    /// Neither.
    Other,
}

impl Binary {
    /// By how the bytes begin.
    pub fn of(bytes: &[u8]) -> Binary {
        match bytes {
            bytes if bytes.starts_with(COMPONENT) => Binary::Component,
            bytes if bytes.starts_with(MODULE) => Binary::Module,
            _ => Binary::Other,
        }
    }
}
