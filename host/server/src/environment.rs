//! What this host tells clients about itself (`environmentInfo`). Clients build every
//! command from the shell named here.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockgate_grant::AbsPath;
use lockgate_wire::environment::{Capabilities, EnvironmentInfo, LockgateCapabilities, Shell};
use lockgate_wire::{Method, WirePath};

use crate::options::Options;

/// Describes the host. Taken once, at start.
pub(crate) fn describe(options: &Options) -> EnvironmentInfo {
    let temporary = std::env::temp_dir();
    EnvironmentInfo {
        shell: shell(),
        executor_version: env!("CARGO_PKG_VERSION").to_owned(),
        provider_id: None,
        cwd: std::env::current_dir().ok().as_deref().and_then(uri),
        user_home_dir: std::env::home_dir().as_deref().and_then(uri),
        platform_os: Some(std::env::consts::OS.to_owned()),
        prepend_path_dirs: Vec::new(),
        temporary_directories: uri(&temporary).map(|path| vec![path]),
        temp_dir: uri(&temporary),
        capabilities: Capabilities {
            sandboxed_file_streaming: true,
            file_write_streaming: true,
            capability_discovery_sandbox: true,
            fs_watch_missing: true,
            http_header_env_vars: options.http.enabled && !options.http.header_env_vars.is_empty(),
            lockgate: Some(LockgateCapabilities {
                methods: Method::extensions()
                    .map(|method| method.name().to_owned())
                    .collect(),
                start_size: true,
                start_wait_for_reader: true,
                open_modes: ["append", "update"].map(str::to_owned).to_vec(),
                replace_only_new: true,
                only_if_sha256: true,
                every_entry: true,
                every_attribute: true,
                prune_links: true,
                copy_leaves_out: true,
                output_bytes: true,
                approvals: options.policy.is_some(),
            }),
            ..Capabilities::default()
        },
    }
}

fn uri(path: &Path) -> Option<WirePath> {
    AbsPath::parse(path).ok().map(WirePath::uri)
}

/// The user's own shell where it is one that clients know, else the first of the usual ones.
fn shell() -> Shell {
    std::env::var_os("SHELL")
        .map(PathBuf::from)
        .into_iter()
        .chain(login_shell())
        .chain(["/bin/bash", "/usr/bin/bash", "/bin/sh"].map(PathBuf::from))
        .find_map(|path| known_shell(&path))
        .unwrap_or_else(|| Shell {
            name: "sh".to_owned(),
            path: "/bin/sh".to_owned(),
        })
}

fn known_shell(path: &Path) -> Option<Shell> {
    let name = path.file_name()?.to_str()?;
    let usable = path.is_absolute()
        && matches!(name, "bash" | "zsh" | "sh")
        && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    usable.then(|| Shell {
        name: name.to_owned(),
        path: path.to_string_lossy().into_owned(),
    })
}

/// The shell in the password file. Read as a file: a name service may block, and the shell of a
/// network account is rarely on this host.
fn login_shell() -> Option<PathBuf> {
    let accounts = std::fs::read("/etc/passwd").ok()?;
    let uid = rustix::process::getuid().as_raw().to_string();
    accounts.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        (fields.nth(2)? == uid.as_bytes())
            .then(|| {
                fields
                    .nth(3)
                    .map(|shell| PathBuf::from(std::ffi::OsStr::from_bytes(shell)))
            })
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_exists_and_is_one_that_clients_know() {
        let shell = shell();
        assert!(["bash", "zsh", "sh"].contains(&shell.name.as_str()));
        assert!(Path::new(&shell.path).exists());
    }

    #[test]
    fn a_shell_that_clients_do_not_know_is_passed_over() {
        assert_eq!(
            known_shell(Path::new("/usr/bin/env")).map(|shell| shell.name),
            None
        );
        assert_eq!(known_shell(Path::new("bash")).map(|shell| shell.name), None);
    }
}
