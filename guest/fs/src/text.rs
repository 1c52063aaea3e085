//! Paths as texts: absolute, `/` alone or `/name/name`, which is also the form that the host sends.

/// The path of a child.
pub(crate) fn join(path: &str, name: &str) -> String {
    let mut joined = String::with_capacity(path.len() + 1 + name.len());
    if path != "/" {
        joined.push_str(path);
    }
    joined.push('/');
    joined.push_str(name);
    joined
}

/// The directory that holds it; `/` holds itself.
pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(slash) => &path[..slash],
    }
}

/// The last name; empty for `/`.
pub(crate) fn name(path: &str) -> &str {
    path.rfind('/').map_or(path, |slash| &path[slash + 1..])
}

/// True when `path` is `ancestor` or lies below it.
pub(crate) fn is_within(path: &str, ancestor: &str) -> bool {
    ancestor == "/"
        || path
            .strip_prefix(ancestor)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where the names of a path end, from the first to the last: `/a/bc` gives 2 and 5.
pub(crate) fn ends(path: &str) -> Vec<usize> {
    if path == "/" {
        return Vec::new();
    }
    let slashes = path
        .bytes()
        .enumerate()
        .skip(1)
        .filter(|(_, byte)| *byte == b'/')
        .map(|(end, _)| end);
    slashes.chain([path.len()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_parents_and_ends() {
        assert_eq!(join("/", "a"), "/a");
        assert_eq!(join("/a", "b"), "/a/b");
        assert_eq!(parent("/a/b"), "/a");
        assert_eq!(parent("/a"), "/");
        assert_eq!(parent("/"), "/");
        assert_eq!((name("/a/bc"), name("/")), ("bc", ""));
        assert_eq!(ends("/"), [0usize; 0]);
        assert_eq!(ends("/a/bc"), [2, 5]);
        assert!(is_within("/a/b", "/a") && is_within("/a", "/a") && is_within("/a", "/"));
        assert!(!is_within("/ab", "/a"));
    }
}
