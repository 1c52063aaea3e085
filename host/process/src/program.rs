//! Which file a program's name means. The search is ours and not `posix_spawnp`'s, which would look in the *server's* PATH: a child
//! finds its program where its own environment says, as a shell in that environment would.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use crate::limits::DEFAULT_PATH;

/// The absolute path of `name`, for a child that runs in `cwd` with `env`. Errors are those execvp would give: EACCES if something was
/// found that cannot be run, ENOENT if nothing was.
pub(crate) fn resolve(
    name: &OsStr,
    cwd: &Path,
    env: &[(OsString, OsString)],
) -> io::Result<PathBuf> {
    if name.is_empty() {
        return Err(Errno::NOENT.into());
    }
    if name.as_bytes().contains(&b'/') {
        let path = cwd.join(name);
        return runnable(&path).map(|()| path);
    }
    let path = env
        .iter()
        .find(|(variable, _)| variable == "PATH")
        .map_or(OsStr::new(DEFAULT_PATH), |(_, value)| value);
    let mut refused = Errno::NOENT;
    // An empty entry means the working directory, as ever.
    for directory in path.as_bytes().split(|byte| *byte == b':') {
        let candidate = cwd.join(OsStr::from_bytes(directory)).join(name);
        match runnable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if error.raw_os_error() == Some(Errno::ACCESS.raw_os_error()) => {
                refused = Errno::ACCESS
            }
            Err(_) => {}
        }
    }
    Err(refused.into())
}

/// The same file by a path without `..`, so that the path tells where the file is.
pub(crate) fn without_detours(path: PathBuf) -> io::Result<PathBuf> {
    if !path.components().any(|part| part == Component::ParentDir) {
        return Ok(path.components().collect());
    }
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) => Ok(directory.canonicalize()?.join(name)),
        _ => path.canonicalize(),
    }
}

fn runnable(path: &Path) -> io::Result<()> {
    let file = std::fs::metadata(path)?;
    if !file.is_file() {
        return Err(Errno::ACCESS.into());
    }
    // As the effective user, which is who runs it.
    match rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        // faccessat2 is Linux 5.8; before, the real user's rights, which are the same unless the server is setuid.
        Err(Errno::NOSYS | Errno::INVAL) => Ok(rustix::fs::accessat(
            CWD,
            path,
            Access::EXEC_OK,
            AtFlags::empty(),
        )?),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, cwd: &str, path: Option<&str>) -> Result<PathBuf, Option<i32>> {
        let env: Vec<(OsString, OsString)> = path
            .iter()
            .map(|value| ("PATH".into(), value.into()))
            .collect();
        resolve(OsStr::new(name), Path::new(cwd), &env).map_err(|error| error.raw_os_error())
    }

    const ENOENT: Option<i32> = Some(2);
    const EACCES: Option<i32> = Some(13);

    #[test]
    fn a_bare_name_is_looked_for_in_the_childs_path() {
        assert_eq!(
            found("sh", "/", Some("/nowhere:/bin")),
            Ok("/bin/sh".into())
        );
        assert!(found("sh", "/", None).is_ok());
        assert_eq!(found("sh", "/", Some("/nowhere")), Err(ENOENT));
        assert_eq!(found("no-such-program", "/", None), Err(ENOENT));
        assert_eq!(found("", "/", None), Err(ENOENT));
    }

    #[test]
    fn relative_and_empty_entries_of_the_path_start_at_the_childs_directory() {
        assert_eq!(found("sh", "/", Some("bin")), Ok("/bin/sh".into()));
        assert_eq!(found("sh", "/bin", Some("")), Ok("/bin/sh".into()));
        assert_eq!(
            found("sh", "/bin", Some("/nowhere::/nowhere")),
            Ok("/bin/sh".into())
        );
    }

    #[test]
    fn a_path_tells_where_the_file_is() {
        let found = |path: &str| without_detours(path.into()).map_err(|error| error.raw_os_error());
        assert_eq!(found("/bin/./sh"), Ok("/bin/sh".into()));
        let real = std::fs::canonicalize("/bin")
            .expect("it is there")
            .join("sh");
        assert_eq!(found("/bin/../bin/sh"), Ok(real));
        assert_eq!(found("/nowhere/../bin/sh"), Err(ENOENT));
    }

    #[test]
    fn a_name_with_a_slash_is_not_looked_for() {
        assert_eq!(
            found("./sh", "/bin", Some("/nowhere")),
            Ok("/bin/./sh".into())
        );
        assert_eq!(found("bin/sh", "/", None), Ok("/bin/sh".into()));
        assert_eq!(found("/bin/sh", "/nowhere", None), Ok("/bin/sh".into()));
        assert_eq!(found("./sh", "/", None), Err(ENOENT));
    }

    #[test]
    fn what_is_there_but_cannot_be_run_is_told_apart() {
        assert_eq!(found("/etc/passwd", "/", None), Err(EACCES));
        assert_eq!(found("passwd", "/", Some("/etc:/nowhere")), Err(EACCES));
        assert_eq!(found("/etc", "/", None), Err(EACCES));
        assert_eq!(found("/etc/passwd/x", "/", None), Err(Some(20)));
    }
}
