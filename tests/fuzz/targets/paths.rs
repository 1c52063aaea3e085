//! Paths and `file:` URIs: whatever comes in, what comes out is absolute, normalized, and the same in every spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_grant::{AbsPath, limits, uri};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(path) = AbsPath::from_bytes(bytes) {
        check(&path);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(path) = uri::parse_path(text) {
        check(&path);
    }
    if let Ok(path) = uri::parse_file_uri(&format!("file://{text}")) {
        check(&path);
        assert!(text.contains('/'), "a path out of nothing");
    }
});

fn check(path: &AbsPath) {
    let bytes = path.as_bytes();
    assert!(bytes[0] == b'/' && bytes.len() <= limits::PATH_BYTES && !bytes.contains(&0));
    assert!(path.is_root() || !bytes.ends_with(b"/"));
    for name in path.components() {
        assert!(!matches!(name, b"" | b"." | b".."), "{path:?}");
    }
    assert_eq!(AbsPath::from_bytes(bytes).as_ref(), Ok(path));
    assert_eq!(uri::parse_path(&uri::to_file_uri(path)).as_ref(), Ok(path));

    // Built from its names it is the same, and every directory above holds it.
    let mut built = AbsPath::root();
    for name in path.components() {
        assert!(path.starts_with(&built));
        let above = built;
        built = above
            .join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name))
            .expect("a name of a path is a name");
        assert_eq!(built.parent(), Some(above));
    }
    assert_eq!(&built, path);
}
