//! Paths as a person types them: those of this machine, and those of an executor, which may be another one.

use std::path::Path;

use lockgate_grant::{AbsPath, uri};

use crate::failure::Failure;

/// The directory we are in.
pub(crate) fn directory() -> Result<AbsPath, Failure> {
    let directory = std::env::current_dir().map_err(|error| {
        Failure::new(format!(
            "cannot tell the current directory: {error}; give absolute paths"
        ))
    })?;
    AbsPath::parse(&directory)
        .map_err(|error| Failure::new(format!("the current directory cannot be used: {error}")))
}

/// Absolute paths and `file:` URIs as they are, others from the directory we are in, without following links.
pub(crate) fn path(text: &Path) -> Result<AbsPath, Failure> {
    match is_relative(text) {
        true => path_from(&directory()?, text),
        // Nothing is joined.
        false => path_from(&AbsPath::root(), text),
    }
}

/// The same with relative ones from another directory.
pub(crate) fn path_from(from: &AbsPath, text: &Path) -> Result<AbsPath, Failure> {
    let parsed = match text.to_str() {
        Some(text) if uri::is_file_uri(text) => uri::parse_file_uri(text),
        // An absolute one takes the other's place.
        _ => AbsPath::parse(from.as_path().join(text)),
    };
    parsed.map_err(|error| Failure::usage(format!("`{}`: {error}", text.display())))
}

/// Where the relative paths of an executor begin: in the directory that it is in. One of our own is in ours.
#[derive(Clone)]
pub(crate) enum Beginning {
    Here(AbsPath),
    There(AbsPath),
    /// It does not say which directory that is.
    Untold,
}

impl Beginning {
    pub(crate) fn path(&self, text: &Path) -> Result<AbsPath, Failure> {
        match self {
            Beginning::Here(from) | Beginning::There(from) => path_from(from, text),
            Beginning::Untold if is_relative(text) => Err(untold(text)),
            Beginning::Untold => path_from(&AbsPath::root(), text),
        }
    }

    /// Where to be when nothing was said: anywhere, if need be.
    pub(crate) fn directory(&self) -> AbsPath {
        match self {
            Beginning::Here(from) | Beginning::There(from) => from.clone(),
            Beginning::Untold => AbsPath::root(),
        }
    }
}

/// Why `text` means nothing there.
pub(crate) fn untold(text: &Path) -> Failure {
    Failure::usage(format!(
        "`{}`: relative paths begin in the directory that the executor is in, and this one does not say which that is: give an absolute one",
        text.display()
    ))
}

/// Neither absolute nor a `file:` URI.
pub(crate) fn is_relative(text: &Path) -> bool {
    text.is_relative() && !text.to_str().is_some_and(uri::is_file_uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_where_we_are() {
        let here = directory().expect("somewhere");
        assert_eq!(path(Path::new(".")).expect("a path"), here);
        assert_eq!(
            path(Path::new("a/../b")).expect("a path"),
            here.join("b").expect("a name")
        );
        assert_eq!(
            path(Path::new("/a//b/")).expect("a path").to_string(),
            "/a/b"
        );
        assert_eq!(
            path(Path::new("file:///a%20b"))
                .expect("a path")
                .to_string(),
            "/a b"
        );
        assert!(path(Path::new("file://elsewhere/a")).is_err());
    }
}
