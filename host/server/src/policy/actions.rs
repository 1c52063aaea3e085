//! What a request means to a policy.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use lockgate_capfs::AbsPath;
use lockgate_capfs::operation;
use lockgate_policy_gate::{
    Access, Action, FileOperation, FilePath, FileVerb, ProcessStart, ProcessWrite, WalkOptions,
};
use lockgate_process::{Found, Spawn, Stdio};

use crate::limits;

/// A file operation, before it is known whether a profile comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileAction {
    verb: FileVerb,
    paths: Vec<FilePath>,
    recursive: bool,
    walk: Option<WalkOptions>,
    /// Why policies cannot be asked about it.
    untellable: Option<&'static str>,
}

/// An operation on one path.
pub(crate) fn file_verb(verb: FileVerb, path: &AbsPath, access: Access) -> FileAction {
    FileAction {
        verb,
        paths: vec![named(path, access)],
        recursive: false,
        walk: None,
        untellable: None,
    }
}

/// Contents that are written. Where the old ones are `compared`, whoever asks for it learns something about them.
pub(crate) fn file_write(path: &AbsPath, compared: bool) -> FileAction {
    let action = file_verb(FileVerb::Write, path, Access::Write);
    match compared {
        true => action.and(path, Access::Read),
        false => action,
    }
}

/// A walk of what is below a directory.
pub(crate) fn file_walk(root: &AbsPath, options: &operation::WalkOptions) -> FileAction {
    // Far above all bounds of a walk, which have been checked.
    let bound = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let walk = WalkOptions {
        max_depth: bound(options.max_depth),
        max_directories: bound(options.max_directories),
        max_entries: bound(options.max_entries),
        follow_directory_links: options.follow_directory_symlinks,
        prune_hidden_directories: options.prune_hidden_directories,
    };
    FileAction {
        recursive: true,
        walk: Some(walk),
        ..file_verb(FileVerb::Walk, root, Access::Read)
    }
}

impl FileAction {
    /// Its second path.
    pub(crate) fn and(mut self, path: &AbsPath, access: Access) -> FileAction {
        self.paths.push(named(path, access));
        self
    }

    /// Whether it goes on below the directory.
    pub(crate) fn recursive(mut self, recursive: bool) -> FileAction {
        self.recursive = recursive;
        self
    }

    /// Making a link that says `target`.
    pub(crate) fn link_to(self, link: &AbsPath, target: &OsStr) -> FileAction {
        match symlink_target(link, target) {
            Some(place) => self.and(&place, Access::Look),
            None => FileAction {
                untellable: Some(
                    "the operator's policies cannot be told where this link would lead: give the target without `..` behind a name (a/../b is b, \
                     unless a is a link), and shorter than the longest path",
                ),
                ..self
            },
        }
    }

    /// Why policies cannot be asked about it, if so: then it is not done.
    pub(crate) fn untellable(&self) -> Option<&'static str> {
        self.untellable
    }

    pub(crate) fn into_action(self, sandboxed: bool) -> Action {
        Action::File(FileOperation {
            verb: self.verb,
            paths: self.paths,
            recursive: self.recursive,
            sandboxed,
            walk: self.walk,
        })
    }
}

fn named(path: &AbsPath, access: Access) -> FilePath {
    FilePath {
        path: path.to_string(),
        access,
    }
}

/// The place that the target of a link names, as its text has it: no link on the way is followed. None where the text does not say which place that
/// is: `a/..` is above where `a` leads, if that is a link, and a place can be too far down for a path that is opened by its name. A link of such a target
/// would lead where no policy was asked about.
pub(crate) fn symlink_target(link: &AbsPath, target: &OsStr) -> Option<AbsPath> {
    let target = target.as_bytes();
    let mut place = match target.first() {
        Some(b'/') => AbsPath::root(),
        _ => link.parent()?,
    };
    let mut has_named = false;
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if has_named => return None,
            b".." => place = place.parent().unwrap_or(place),
            name => {
                has_named = true;
                place = place.join(OsStr::from_bytes(name)).ok()?;
            }
        }
    }
    Some(place)
}

/// A program that is to be started, once for each name that it may take itself for: a program may be many, and look at its own name
/// for which of them it is.
pub(crate) fn process_start(spawn: &Spawn, sandboxed: bool) -> Vec<Action> {
    let text = |text: &OsString| text.to_string_lossy().into_owned();
    let mut env_names: Vec<String> = spawn.env.iter().map(|(name, _)| text(name)).collect();
    env_names.sort_unstable();
    let program = spawn.program.as_ref().and_then(Found::path);
    let start = ProcessStart {
        argv: spawn.argv.iter().map(text).collect(),
        program: program.map(|path| path.to_string_lossy().into_owned()),
        cwd: spawn.cwd.to_string_lossy().into_owned(),
        env_names,
        tty: matches!(spawn.stdio, Stdio::Tty { .. }),
        sandboxed,
    };
    let other_name = spawn.arg0.as_ref().map(text);
    let other_name = other_name.filter(|arg0| start.argv.first() != Some(arg0));
    let as_other = other_name.map(|arg0| {
        let mut start = start.clone();
        if let Some(first) = start.argv.first_mut() {
            *first = arg0;
        }
        start
    });
    [Some(start), as_other]
        .into_iter()
        .flatten()
        .map(Action::ProcessStart)
        .collect()
}

/// Bytes for a process, in pieces of what a policy is shown at once.
pub(crate) fn process_writes(process: &str, argv0: &str, tty: bool, data: &[u8]) -> Vec<Action> {
    data.chunks(limits::POLICY_WRITE_BYTES)
        .map(|piece| {
            Action::ProcessWrite(ProcessWrite {
                process: process.to_owned(),
                argv0: argv0.to_owned(),
                tty,
                data: piece.to_vec(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use lockgate_process::{Bounds, Readers};

    use super::*;

    fn path(text: &str) -> AbsPath {
        AbsPath::parse(text).expect("a path")
    }

    #[test]
    fn whoever_has_contents_compared_reads_them() {
        let asked = |compared| {
            let action = file_write(&path("/w/f"), compared);
            action
                .paths
                .iter()
                .map(|path| path.access)
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(false), [Access::Write]);
        assert_eq!(asked(true), [Access::Write, Access::Read]);
    }

    #[test]
    fn the_target_of_a_link_is_the_place_that_its_text_names() {
        let target = |link: &str, target: &str| {
            symlink_target(&path(link), OsStr::new(target)).map(|place| place.to_string())
        };
        for (says, place) in [
            ("b", "/a/b"),
            ("../../../etc/passwd", "/etc/passwd"),
            ("/etc/./passwd", "/etc/passwd"),
            ("/../.././etc//x/", "/etc/x"),
            (".", "/a"),
        ] {
            assert_eq!(target("/a/link", says).as_deref(), Some(place), "{says}");
        }
    }

    #[test]
    fn attack_03_a_target_whose_place_its_text_does_not_tell_has_none() {
        let target = |target: &str| symlink_target(&path("/w/s/link"), OsStr::new(target));
        for says in [
            "b/../secret",
            "../b/../../secret",
            "/w/b/../secret",
            "./b/..",
        ] {
            assert_eq!(target(says), None, "{says}");
        }
        // It is the place that has to be short enough, not what stands before it.
        let padded = format!("{}../../etc/hostname", "./".repeat(2030));
        assert_eq!(target(&padded), Some(path("/etc/hostname")));
        assert_eq!(target(&"long/".repeat(819)), None);
    }

    #[test]
    fn a_program_under_another_name_is_asked_about_under_both() {
        let asked = |arg0: Option<&str>| {
            let mut spawn = Spawn {
                argv: ["/bin/sh", "-f", "/x"].map(OsString::from).to_vec(),
                arg0: arg0.map(OsString::from),
                cwd: "/".into(),
                env: vec![("B".into(), "1".into()), ("A".into(), "2".into())],
                stdio: Stdio::Pipes { stdin: false },
                readers: Readers::Optional,
                program: None,
                bounds: Bounds::default(),
            };
            spawn.program = Some(spawn.find());
            process_start(&spawn, true)
        };
        for same in [None, Some("/bin/sh")] {
            let [Action::ProcessStart(start)] = &asked(same)[..] else {
                panic!("one action");
            };
            assert_eq!(start.env_names, ["A", "B"]);
            assert!(start.sandboxed && !start.tty);
        }
        let [Action::ProcessStart(first), Action::ProcessStart(second)] = &asked(Some("rm"))[..]
        else {
            panic!("two actions");
        };
        assert_eq!(first.argv, ["/bin/sh", "-f", "/x"]);
        assert_eq!(second.argv, ["rm", "-f", "/x"]);
        assert_eq!(first.program.as_deref(), Some("/bin/sh"));
        assert_eq!(second.program, first.program);
    }

    #[test]
    fn a_long_write_is_asked_in_pieces_and_an_empty_one_not_at_all() {
        let data = vec![7; limits::POLICY_WRITE_BYTES * 2 + 1];
        let lens: Vec<usize> = process_writes("p", "sh", false, &data)
            .iter()
            .map(|action| match action {
                Action::ProcessWrite(write) => write.data.len(),
                _ => 0,
            })
            .collect();
        let whole = limits::POLICY_WRITE_BYTES;
        assert_eq!(lens, [whole, whole, 1]);
        assert!(process_writes("p", "sh", true, b"").is_empty());
    }
}
