//! The files that the measures work on: one scratch directory for the whole run, the same for every server.
//!
//! `project/` is the workspace and the one readable directory of the confined profile; `secret` lies beside it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::Failure;
use crate::floor::child::pattern;
use crate::limits;

/// Size of the small file, in bytes.
pub(crate) const SMALL: usize = 200;
/// Size of a small write, in bytes.
pub(crate) const PAGE: usize = 4 << 10;
/// Size of the large file, in bytes.
pub(crate) const LARGE: usize = 1 << 20;

/// The scratch directory; removed when dropped.
pub(crate) struct Ground {
    root: TempDir,
    /// Contents of the small file.
    pub(crate) small: Vec<u8>,
    /// Length of the streamed file.
    pub(crate) huge: u64,
}

impl Ground {
    /// Lays it out. `huge` is the length of the streamed file, which takes no space on disk.
    pub(crate) fn new(huge: u64) -> Result<Self, Failure> {
        let root = tempfile::Builder::new()
            .prefix("lockgate-bench-")
            .tempdir()?;
        let ground = Self {
            root,
            small: pattern(SMALL),
            huge,
        };
        fs::create_dir_all(ground.project().join(".git"))?;
        fs::write(ground.project().join(".git/config"), "[core]\n")?;
        fs::write(ground.small_file(), &ground.small)?;
        fs::write(ground.secret(), "not granted\n")?;
        fs::write(ground.large_file(), pattern(LARGE))?;
        File::create(ground.huge_file())?.set_len(huge)?;
        Ok(ground)
    }

    /// More small files than a batch has calls. They are made when they are first asked for.
    pub(crate) fn many(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.project().join("many");
        let files: Vec<PathBuf> = (0..4_096)
            .map(|number| folder.join(format!("{number}.txt")))
            .collect();
        if !folder.exists() {
            fs::create_dir(&folder)?;
            for file in &files {
                fs::write(file, &self.small)?;
            }
        }
        Ok(files)
    }

    /// Where a configuration of that name is.
    pub(crate) fn configuration(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The workspace.
    pub(crate) fn project(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// A file of `SMALL` bytes in the workspace.
    pub(crate) fn small_file(&self) -> PathBuf {
        self.project().join("small.txt")
    }

    /// A file of `LARGE` bytes in the workspace.
    pub(crate) fn large_file(&self) -> PathBuf {
        self.project().join("large.bin")
    }

    /// The file that is streamed.
    pub(crate) fn huge_file(&self) -> PathBuf {
        self.project().join("huge.bin")
    }

    /// A file that the confined profile does not grant.
    pub(crate) fn secret(&self) -> PathBuf {
        self.root.path().join("secret")
    }

    /// A place for what is written; one for each server, so that they do not meet.
    pub(crate) fn written(&self, label: &str, number: usize) -> PathBuf {
        self.project().join(format!("{label}-{number}.out"))
    }

    /// A directory of many files. Made when it is first asked for: it takes a while.
    pub(crate) fn listed(&self) -> Result<PathBuf, Failure> {
        let directory = self.project().join("listed");
        if !directory.exists() {
            fs::create_dir(&directory)?;
            for number in 0..limits::LISTED {
                File::create(directory.join(format!("file-{number:04}.txt")))?;
            }
        }
        Ok(directory)
    }

    /// A tree of many directories and files, likewise.
    pub(crate) fn walked(&self) -> Result<PathBuf, Failure> {
        let root = self.project().join("walked");
        let (directories, files) = limits::WALKED;
        if !root.exists() {
            for number in 0..directories {
                let directory = root.join(format!("directory-{number:03}"));
                fs::create_dir_all(&directory)?;
                for number in 0..files {
                    File::create(directory.join(format!("file-{number:02}")))?;
                }
            }
        }
        Ok(root)
    }
}

/// Makes sure that there is no such file.
pub(crate) fn absent(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A path as text; the bench's own are always UTF-8 unless TMPDIR is not.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
