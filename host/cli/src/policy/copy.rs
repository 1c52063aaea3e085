//! `--copy-to`: a copy of a component that is installed, which takes no other file's place.

use std::path::{Path, PathBuf};

use lockgate_policy_gate::signature_path;

use super::install::whole;
use crate::config::Config;
use crate::edit::write_over;
use crate::failure::Failure;

/// Where a copy of the component is to be.
pub(super) fn copied(path: &Path, directory: &Path) -> Result<PathBuf, Failure> {
    let name = path
        .file_name()
        .ok_or_else(|| Failure::usage(format!("{} has no name", path.display())))?;
    Ok(directory.join(name))
}

/// Refuses a place that the configuration names for something else than this module: another policy would be exchanged with it, or no
/// server would start any more.
pub(super) fn is_free(to: &Path, config: &Config, module: usize) -> Result<(), Failure> {
    let mut named = config.own()?;
    let modules = config
        .policy
        .as_ref()
        .map(|policy| &policy.settings.modules);
    if let Some(module) = modules.and_then(|modules| modules.get(module)) {
        let own = std::path::absolute(&module.path).unwrap_or_else(|_| module.path.clone());
        for own in [signature_path(&own), own] {
            // Once: another module may name the same file.
            if let Some(at) = named.iter().position(|file| *file == own) {
                named.remove(at);
            }
        }
    }
    for written in [to.to_owned(), signature_path(to)] {
        let written = whole(&written)?;
        for file in &named {
            if whole(file)? == written {
                return Err(Failure::usage(format!(
                    "{} is named in the configuration for something else: copy it to another folder, or give the component another file name; \
                     nothing was installed",
                    written.display()
                )));
            }
        }
    }
    Ok(())
}

/// Copies it, with its signature if it has one.
pub(super) fn copy(path: &Path, bytes: &[u8], directory: &Path) -> Result<(), Failure> {
    let to = copied(path, directory)?;
    let cannot = |error: std::io::Error| {
        Failure::new(format!("{} cannot be written: {error}", to.display()))
    };
    std::fs::create_dir_all(directory).map_err(cannot)?;
    if let Ok(signature) = std::fs::read(signature_path(path)) {
        write_over(&signature_path(&to), &signature, 0o666).map_err(cannot)?;
    }
    write_over(&to, bytes, 0o666).map_err(cannot)
}
