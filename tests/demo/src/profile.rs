//! Permission profiles and `file:` URIs, as today's clients send them.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::{Value, json};

/// The `file:` URI of `path`.
pub(crate) fn uri(path: &Path) -> String {
    path.as_os_str()
        .as_bytes()
        .iter()
        .fold("file://".to_owned(), |mut uri, &byte| {
            if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                // Writing into a String cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
            uri
        })
}

/// A `sandbox` that grants `entries` and nothing else.
pub(crate) fn sandbox(cwd: &Path, entries: &[(&Path, &str)]) -> Value {
    let entries: Vec<Value> = entries
        .iter()
        .map(
            |(path, access)| json!({"path": {"type": "path", "path": uri(path)}, "access": access}),
        )
        .collect();
    json!({
        "permissions": {
            "type": "managed",
            "file_system": {"type": "restricted", "entries": entries},
            "network": "restricted",
        },
        "cwd": uri(cwd),
        "workspaceRoots": [uri(cwd)],
        "windowsSandboxLevel": "disabled",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bytes_of_a_path_are_escaped_in_its_uri() {
        assert_eq!(uri(Path::new("/a b/ü")), "file:///a%20b/%C3%BC");
    }
}
