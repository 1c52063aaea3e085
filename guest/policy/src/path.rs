//! Paths by their names. What a name leads to may be elsewhere, and may change: to keep files inside a directory, narrow with
//! a grant, and use these to say early, and in words, what will not work.

/// `path` is `root` or below it, name by name: `/work/a` is below `/work`, and `/workshop` is not. Both as [`normalized`] gives them, as the host's are.
pub fn is_below(path: &str, root: &str) -> bool {
    let root = root.strip_suffix('/').unwrap_or(root);
    match path.strip_prefix(root) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// The last name of a path; the path itself if it is only a name.
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A path from a configuration, as the host would write it: absolute, without empty names, `.` and a slash at the end.
/// `..` is refused: what it leads to depends on the links on the way.
///
/// ```
/// use lockgate_policy::path;
/// assert_eq!(path::normalized("/work//a/./b/").as_deref(), Ok("/work/a/b"));
/// assert!(path::normalized("work").is_err() && path::normalized("/work/../etc").is_err());
/// ```
pub fn normalized(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("{text:?} is no absolute path"));
    }
    // The host shows every byte that is not UTF-8 so: the name would stand for several.
    if text.contains(['\u{fffd}', '\0']) {
        return Err(format!(
            "{text:?} holds U+FFFD or a NUL: no path can be told from others by it"
        ));
    }
    let mut path = String::with_capacity(text.len());
    for name in text.split('/').filter(|name| !matches!(*name, "" | ".")) {
        if name == ".." {
            return Err(format!("{text:?} goes up with `..`: write where it leads"));
        }
        path.push('/');
        path.push_str(name);
    }
    if path.is_empty() {
        path.push('/');
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_means_by_whole_names() {
        for (path, root) in [
            ("/work", "/work"),
            ("/work/a", "/work"),
            ("/work/a/b", "/work"),
            ("/work/a", "/work/"),
            ("/", "/"),
            ("/anything/at/all", "/"),
        ] {
            assert!(is_below(path, root), "{path} {root}");
        }
        for (path, root) in [
            ("/workshop", "/work"),
            ("/work2/a", "/work"),
            ("/", "/work"),
            ("/wor", "/work"),
            ("/other/work", "/work"),
            ("", "/work"),
            ("/Work", "/work"),
        ] {
            assert!(!is_below(path, root), "{path} {root}");
        }
    }

    #[test]
    fn configured_paths_are_those_that_the_host_writes() {
        for (text, path) in [
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/a/", "/a"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/...", "/a/..."),
            ("/mit raum", "/mit raum"),
        ] {
            assert_eq!(normalized(text).as_deref(), Ok(path), "{text}");
        }
        for text in [
            "",
            "a",
            "./a",
            "~/a",
            "/..",
            "/a/..",
            "/a/../b",
            "/a\0",
            "/\u{fffd}",
        ] {
            assert!(normalized(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_last_name_of_a_path() {
        assert_eq!(name("/usr/bin/git"), "git");
        assert_eq!(name("git"), "git");
        assert_eq!(name("/"), "");
    }
}
