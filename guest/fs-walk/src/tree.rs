//! The directories of a tree, in the order in which one comes by them: each after the one that holds it.

use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};

/// Directories of one tree: a name each is kept here until it is done. More would not fit into what a guest may grow to.
const MOST_DIRECTORIES: usize = 100_000;

/// Opens a directory to name things in it, and to list it.
pub(crate) fn directory(base: &Descriptor, path: &str) -> Result<Descriptor, ErrorCode> {
    base.open_at(
        PathFlags::empty(),
        path,
        OpenFlags::DIRECTORY,
        DescriptorFlags::READ,
    )
}

/// A directory of the tree, by its number.
pub(crate) type Number = usize;

/// The top of the tree has number 0.
pub(crate) struct Tree {
    /// By number: the directory that holds it, and its name there.
    found: Vec<(Number, String)>,
    left: Vec<Number>,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree {
            found: vec![(0, String::new())],
            left: vec![0],
        }
    }

    /// One that was found and not yet gone into; of several the last.
    pub(crate) fn next(&mut self) -> Option<Number> {
        self.left.pop()
    }

    /// Remembers a directory in another.
    pub(crate) fn add(&mut self, holder: Number, name: String) -> Result<(), ErrorCode> {
        if self.found.len() == MOST_DIRECTORIES {
            return Err(ErrorCode::InsufficientMemory);
        }
        self.left.push(self.found.len());
        self.found.push((holder, name));
        Ok(())
    }

    /// All of them, each before the one that holds it.
    pub(crate) fn upwards(&self) -> impl Iterator<Item = Number> {
        (0..self.found.len()).rev()
    }

    /// Where a directory is below the root when the tree's top is at `top`; empty for the root itself.
    pub(crate) fn path(&self, top: &str, mut number: Number) -> String {
        let mut names = Vec::new();
        while number > 0 {
            let (holder, name) = &self.found[number];
            names.push(&**name);
            number = *holder;
        }
        if !matches!(top, "" | ".") {
            names.push(top);
        }
        names.reverse();
        names.join("/")
    }
}
