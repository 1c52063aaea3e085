//! What authors ask of actions again and again.

use crate::{Access, Action, ActionKind, FileOperation, FileVerb, HttpRequest, ProcessStart, path};

impl Action {
    /// Its kind.
    pub fn kind(&self) -> ActionKind {
        match self {
            Action::ProcessStart(_) => ActionKind::ProcessStart,
            Action::ProcessWrite(_) => ActionKind::ProcessWrite,
            Action::File(_) => ActionKind::File,
            Action::Http(_) => ActionKind::Http,
        }
    }
}

impl ProcessStart {
    /// The last name of the program that is started, and of the command's first word if no program was found.
    ///
    /// A name says nothing about what the program does: whoever may write files can write one called `git`. To allow
    /// programs, compare [`program`](ProcessStart::program) with whole paths that the client cannot write to.
    pub fn name(&self) -> &str {
        let first = || self.argv.first().map_or("", String::as_str);
        path::name(self.program.as_deref().unwrap_or_else(first))
    }

    /// One of the words after the first is this one.
    pub fn has_word(&self, word: &str) -> bool {
        self.argv.iter().skip(1).any(|found| found == word)
    }
}

impl FileOperation {
    /// It changes, makes or removes something.
    pub fn changes(&self) -> bool {
        self.verb.changes() || self.written().next().is_some()
    }

    /// The paths that it changes, makes or removes.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.paths
            .iter()
            .filter(|path| path.access == Access::Write)
            .map(|path| &*path.path)
    }

    /// The first path that it wants to change, make or remove, and that is not at or below one of these directories.
    pub fn written_outside<'a>(&'a self, roots: &[String]) -> Option<&'a str> {
        self.written()
            .find(|path| !roots.iter().any(|root| path::is_below(path, root)))
    }
}

impl FileVerb {
    /// It changes, makes or removes something.
    pub fn changes(self) -> bool {
        use FileVerb::*;
        match self {
            Read | Metadata | Canonicalize | ReadDirectory | Walk | ReadTree | Watch => false,
            Write | Append | CreateDirectory | Remove | Copy | Rename | Symlink | SetMode
            | SetTimes | WriteTree => true,
        }
    }

    /// As the WIT spells it.
    pub fn name(self) -> &'static str {
        use FileVerb::*;
        match self {
            Read => "read",
            Metadata => "metadata",
            Canonicalize => "canonicalize",
            ReadDirectory => "read-directory",
            Walk => "walk",
            ReadTree => "read-tree",
            Watch => "watch",
            Write => "write",
            Append => "append",
            CreateDirectory => "create-directory",
            Remove => "remove",
            Copy => "copy",
            Rename => "rename",
            Symlink => "symlink",
            SetMode => "set-mode",
            SetTimes => "set-times",
            WriteTree => "write-tree",
        }
    }
}

impl HttpRequest {
    /// It asks for something and, if the server keeps to HTTP, changes nothing there: `GET` or `HEAD`.
    pub fn only_reads(&self) -> bool {
        matches!(&*self.method, "GET" | "HEAD")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FilePath;

    fn start(argv: &[&str], program: Option<&str>) -> ProcessStart {
        ProcessStart {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            program: program.map(str::to_owned),
            cwd: "/".to_owned(),
            env_names: Vec::new(),
            tty: false,
            sandboxed: false,
        }
    }

    #[test]
    fn a_programs_name_is_that_of_the_file_whatever_the_command_says() {
        assert_eq!(start(&["git", "push"], Some("/bin/rm")).name(), "rm");
        assert_eq!(start(&["./x/git"], None).name(), "git");
        assert_eq!(start(&[], None).name(), "");
        assert!(start(&["git", "push"], None).has_word("push"));
        assert!(!start(&["git", "push"], None).has_word("git"));
    }

    #[test]
    fn what_a_file_operation_changes_comes_from_its_paths_and_its_verb() {
        let path = |path: &str, access| FilePath {
            path: path.to_owned(),
            access,
        };
        let mut copy = FileOperation {
            verb: FileVerb::Copy,
            paths: vec![
                path("/etc/a", Access::Read),
                path("/workshop/a", Access::Write),
            ],
            recursive: false,
            sandboxed: false,
        };
        let roots = ["/work".to_owned(), "/srv".to_owned()];
        assert!(copy.changes());
        assert_eq!(copy.written_outside(&roots), Some("/workshop/a"));
        copy.paths[1].path = "/work/a".to_owned();
        assert_eq!(copy.written_outside(&roots), None);
        copy.verb = FileVerb::Read;
        assert!(copy.changes(), "a written path is enough");
        copy.paths.clear();
        assert!(!copy.changes());
        copy.verb = FileVerb::Remove;
        assert!(copy.changes(), "so is a verb");
    }
}
