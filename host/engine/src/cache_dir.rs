//! Where compiled guests are kept between runs, and whether that place can be trusted.
//!
//! A cached artifact is native code that runs with all rights of this process, so a place that someone else can write to
//! is worth nothing: then guests are compiled in memory, and the report says why.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where compiled code is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheChoice {
    /// `$LOCKGATE_CACHE_DIR`, else `$XDG_CACHE_HOME/lockgate`, else `~/.cache/lockgate`.
    #[default]
    Standard,
    /// This directory; it is made where it is missing.
    At(PathBuf),
    /// Nowhere: compile at each start.
    Off,
}

/// The folder inside the cache directory that holds compiled code and nothing else. It is ours alone (mode 0700), also
/// where the directory around it may be read by others, because wasmtime makes its own folders as the umask says.
const FOLDER: &str = "compiled";

impl CacheChoice {
    /// The checked directory, or why there is none.
    pub(crate) fn prepare(&self) -> Result<PathBuf, String> {
        let root = match self {
            CacheChoice::Standard => standard(|name| std::env::var_os(name).map(PathBuf::from))?,
            CacheChoice::At(directory) => directory.clone(),
            CacheChoice::Off => return Err("switched off".to_owned()),
        };
        if !root.is_absolute() {
            return Err(format!("{} is not an absolute path", root.display()));
        }
        prepare(&root).map_err(|reason| format!("{}: {reason}", root.display()))
    }
}

fn standard(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, String> {
    let set = |name| variable(name).filter(|value: &PathBuf| !value.as_os_str().is_empty());
    set("LOCKGATE_CACHE_DIR")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("lockgate")))
        .or_else(|| Some(set("HOME")?.join(".cache/lockgate")))
        .ok_or_else(|| "none of LOCKGATE_CACHE_DIR, XDG_CACHE_HOME and HOME is set".to_owned())
}

fn prepare(root: &Path) -> Result<PathBuf, String> {
    let folder = root.join(FOLDER);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| format!("cannot be made ({error})"))?;
    // From here on only the real path counts: a link on the way could lead elsewhere tomorrow.
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    let us = rustix::process::geteuid().as_raw();
    let of = |path: &Path| -> Result<Metadata, String> {
        std::fs::symlink_metadata(path).map_err(|error: io::Error| error.to_string())
    };
    let own = of(&folder)?;
    if own.uid() != us || own.mode() & 0o077 != 0 {
        return Err(format!(
            "{} must belong to this user and be closed to all others (mode 0700)",
            folder.display()
        ));
    }
    for above in folder.ancestors().skip(1) {
        let above_is = of(above)?;
        let trusted_owner = above_is.uid() == us || above_is.uid() == 0;
        let others_write = above_is.mode() & 0o022 != 0;
        let sticky = above_is.mode() & 0o1000 != 0;
        if !trusted_owner || (others_write && !sticky) {
            return Err(format!("others can replace what is in {}", above.display()));
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn the_standard_place_follows_the_variables_in_order() {
        let all = |name: &str| match name {
            "LOCKGATE_CACHE_DIR" => Some(PathBuf::from("/c")),
            "XDG_CACHE_HOME" => Some(PathBuf::from("/x")),
            _ => Some(PathBuf::from("/h")),
        };
        assert_eq!(standard(all), Ok(PathBuf::from("/c")));
        let without_own = |name: &str| (name != "LOCKGATE_CACHE_DIR").then(|| all(name)).flatten();
        assert_eq!(standard(without_own), Ok(PathBuf::from("/x/lockgate")));
        let home = |name: &str| match name {
            "HOME" => all(name),
            _ => Some(PathBuf::new()),
        };
        assert_eq!(standard(home), Ok(PathBuf::from("/h/.cache/lockgate")));
        assert!(standard(|_| None).is_err());
    }

    #[test]
    fn a_directory_is_made_and_closed_to_others() {
        let home = tempfile::tempdir().expect("temporary directory");
        let folder = CacheChoice::At(home.path().join("a/b"))
            .prepare()
            .expect("usable");
        let mode = std::fs::metadata(&folder).expect("made").mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(
            CacheChoice::At(home.path().join("a/b")).prepare(),
            Ok(folder)
        );
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let home = tempfile::tempdir().expect("temporary directory");
        let folder = home.path().join(FOLDER);
        std::fs::create_dir(&folder).expect("made");
        chmod(&folder, 0o755);
        let reason = prepare(home.path()).expect_err("open to others");
        assert!(reason.contains("0700"), "{reason}");
    }

    #[test]
    fn a_directory_above_that_others_may_write_to_is_not_used_unless_sticky() {
        let home = tempfile::tempdir().expect("temporary directory");
        let shared = home.path().join("shared");
        std::fs::create_dir(&shared).expect("made");
        chmod(&shared, 0o777);
        let reason = prepare(&shared.join("cache")).expect_err("replaceable");
        assert!(reason.contains("others can replace"), "{reason}");
        chmod(&shared, 0o1777);
        assert!(prepare(&shared.join("cache")).is_ok());
    }

    #[test]
    fn a_link_is_judged_by_where_it_leads() {
        let home = tempfile::tempdir().expect("temporary directory");
        let shared = home.path().join("shared");
        std::fs::create_dir(&shared).expect("made");
        chmod(&shared, 0o777);
        symlink(&shared, home.path().join("link")).expect("linked");
        assert!(prepare(&home.path().join("link/cache")).is_err());
    }

    #[test]
    fn a_relative_or_impossible_place_says_so() {
        assert!(
            CacheChoice::At("cache".into())
                .prepare()
                .expect_err("relative")
                .contains("absolute")
        );
        assert!(
            CacheChoice::At("/dev/null/cache".into())
                .prepare()
                .expect_err("impossible")
                .contains("cannot be made")
        );
        assert_eq!(CacheChoice::Off.prepare(), Err("switched off".to_owned()));
    }
}
