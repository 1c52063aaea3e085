//! Projects for new policies: the files that `policy new` writes for each language, and how they are built.
//!
//! The files lie in `host/cli/templates` as they are written out, but for two words in double braces: the policy's name, and the name as
//! Rust spells it in files. The WIT and the SDK for Rust are those of this repository, so they cannot fall behind it.
//! All four projects decide alike and have the same cases, so that languages can be compared.

use std::path::Path;

/// A language that policies are written in.
#[derive(Debug)]
pub(crate) struct Language {
    /// As `--lang` takes it.
    pub(crate) name: &'static str,
    /// As people call it.
    pub(crate) title: &'static str,
    /// The file that its author changes.
    pub(crate) source: &'static str,
    /// A file that only projects in this language have.
    pub(crate) marker: &'static str,
    /// How a project is built, in its folder, one after the other.
    pub(crate) steps: &'static [Step],
    /// Where the last step leaves the component.
    artifact: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// One command of a build.
#[derive(Debug)]
pub(crate) struct Step {
    /// Found in `PATH`, or in the project if it has a slash.
    pub(crate) program: &'static str,
    /// Its arguments, to be taken through [`filled`].
    pub(crate) arguments: &'static [&'static str],
    /// If this is in the project already, the step has been done.
    pub(crate) unless: Option<&'static str>,
    /// Said where the program is not found: what to install.
    pub(crate) missing: &'static str,
}

/// All of them; the first is the one for those who do not care.
pub(crate) static LANGUAGES: [Language; 4] = [RUST, JS, PYTHON, C];

impl Language {
    /// The language that `--lang` means.
    pub(crate) fn named(name: &str) -> Option<&'static Language> {
        LANGUAGES.iter().find(|language| language.name == name)
    }

    /// The language of the project in this folder.
    pub(crate) fn of_project(folder: &Path) -> Option<&'static Language> {
        LANGUAGES
            .iter()
            .find(|language| folder.join(language.marker).is_file())
    }

    /// The files of a new project, each with its path in the project.
    pub(crate) fn files(&self, name: &str) -> Vec<(&'static str, Vec<u8>)> {
        let own = self.files.iter().copied();
        // The SDK for Rust has its own copy of the WIT.
        let wit = WIT.iter().copied().filter(|_| self.name != RUST.name);
        own.chain(wit)
            .chain([("cases.toml", CASES)])
            .map(|(path, contents)| match std::str::from_utf8(contents) {
                Ok(text) => (path, filled(text, name).into_bytes()),
                Err(_) => (path, contents.to_vec()),
            })
            .collect()
    }

    /// Where a build leaves the component, in the project's folder.
    pub(crate) fn artifact(&self, name: &str) -> String {
        filled(self.artifact, name)
    }
}

/// The text of a template, for a policy of this name.
pub(crate) fn filled(text: &str, name: &str) -> String {
    text.replace("{{name}}", name)
        .replace("{{crate}}", &name.replace('-', "_"))
}

macro_rules! template {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path))
    };
}
macro_rules! repository {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $path))
    };
}

const CASES: &[u8] = template!("cases.toml");

const WIT: &[(&str, &[u8])] = &[
    ("wit/config.wit", repository!("wit/policy/config.wit")),
    ("wit/evaluator.wit", repository!("wit/policy/evaluator.wit")),
    ("wit/log.wit", repository!("wit/policy/log.wit")),
    ("wit/options.wit", repository!("wit/policy/options.wit")),
    ("wit/types.wit", repository!("wit/policy/types.wit")),
    ("wit/world.wit", repository!("wit/policy/world.wit")),
];

const RUST: Language = Language {
    name: "rust",
    title: "Rust",
    source: "src/lib.rs",
    marker: "Cargo.toml",
    steps: &[Step {
        program: "cargo",
        arguments: &["build", "--release"],
        unless: None,
        missing: "install Rust with rustup (https://rustup.rs), then: rustup target add wasm32-unknown-unknown",
    }],
    artifact: "target/wasm32-unknown-unknown/release/{{crate}}.wasm",
    files: &[
        ("README.md", template!("rust/README.md")),
        (".gitignore", template!("rust/gitignore")),
        (".cargo/config.toml", template!("rust/config.toml")),
        ("Cargo.toml", template!("rust/Cargo.toml.in")),
        ("Cargo.lock", template!("rust/Cargo.lock.in")),
        ("src/lib.rs", template!("rust/lib.rs")),
        (
            "lockgate-policy/Cargo.toml",
            repository!("guest/policy/Cargo.toml"),
        ),
        (
            "lockgate-policy/README.md",
            repository!("guest/policy/README.md"),
        ),
        (
            "lockgate-policy/src/action.rs",
            repository!("guest/policy/src/action.rs"),
        ),
        (
            "lockgate-policy/src/config.rs",
            repository!("guest/policy/src/config.rs"),
        ),
        (
            "lockgate-policy/src/describe.rs",
            repository!("guest/policy/src/describe.rs"),
        ),
        (
            "lockgate-policy/src/export.rs",
            repository!("guest/policy/src/export.rs"),
        ),
        (
            "lockgate-policy/src/host.rs",
            repository!("guest/policy/src/host.rs"),
        ),
        (
            "lockgate-policy/src/lib.rs",
            repository!("guest/policy/src/lib.rs"),
        ),
        (
            "lockgate-policy/src/log.rs",
            repository!("guest/policy/src/log.rs"),
        ),
        (
            "lockgate-policy/src/options.rs",
            repository!("guest/policy/src/options.rs"),
        ),
        (
            "lockgate-policy/src/path.rs",
            repository!("guest/policy/src/path.rs"),
        ),
        (
            "lockgate-policy/src/verdict.rs",
            repository!("guest/policy/src/verdict.rs"),
        ),
        (
            "lockgate-policy/wit/config.wit",
            repository!("guest/policy/wit/config.wit"),
        ),
        (
            "lockgate-policy/wit/evaluator.wit",
            repository!("guest/policy/wit/evaluator.wit"),
        ),
        (
            "lockgate-policy/wit/log.wit",
            repository!("guest/policy/wit/log.wit"),
        ),
        (
            "lockgate-policy/wit/options.wit",
            repository!("guest/policy/wit/options.wit"),
        ),
        (
            "lockgate-policy/wit/types.wit",
            repository!("guest/policy/wit/types.wit"),
        ),
        (
            "lockgate-policy/wit/world.wit",
            repository!("guest/policy/wit/world.wit"),
        ),
    ],
};

const JS: Language = Language {
    name: "js",
    title: "JavaScript",
    source: "policy.js",
    marker: "package.json",
    steps: &[
        Step {
            program: "npm",
            arguments: &["install", "--no-audit", "--no-fund"],
            unless: None,
            missing: "install Node.js 20 or newer, with npm (Debian: apt install nodejs npm)",
        },
        Step {
            program: "npm",
            arguments: &["run", "build"],
            unless: None,
            missing: "install Node.js 20 or newer, with npm (Debian: apt install nodejs npm)",
        },
    ],
    artifact: "{{name}}.wasm",
    files: &[
        ("README.md", template!("js/README.md")),
        (".gitignore", template!("js/gitignore")),
        ("package.json", template!("js/package.json")),
        ("policy.js", template!("js/policy.js")),
    ],
};

const PYTHON: Language = Language {
    name: "python",
    title: "Python",
    source: "app.py",
    marker: "requirements.txt",
    steps: &[
        Step {
            program: "python3",
            arguments: &["-m", "venv", ".venv"],
            unless: Some(".venv/bin/pip"),
            missing: "install Python 3.10 or newer, with its venv (Debian: apt install python3-venv)",
        },
        Step {
            program: ".venv/bin/pip",
            arguments: &[
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
                "requirements.txt",
            ],
            unless: None,
            missing: "remove .venv, it has no pip, and install Python's venv (Debian: apt install python3-venv)",
        },
        Step {
            program: ".venv/bin/componentize-py",
            arguments: &[
                "-d",
                "wit",
                "-w",
                "policy",
                "componentize",
                "--stub-wasi",
                "app",
                "-o",
                "{{name}}.wasm",
            ],
            unless: None,
            missing: "requirements.txt has to name componentize-py",
        },
    ],
    artifact: "{{name}}.wasm",
    files: &[
        ("README.md", template!("python/README.md")),
        (".gitignore", template!("python/gitignore")),
        ("requirements.txt", template!("python/requirements.txt")),
        ("app.py", template!("python/app.py")),
    ],
};

const C: Language = Language {
    name: "c",
    title: "C",
    source: "main.c",
    marker: "Makefile",
    steps: &[Step {
        program: "make",
        arguments: &[],
        unless: None,
        missing: "install make and clang (Debian: apt install make clang)",
    }],
    artifact: "{{name}}.wasm",
    files: &[
        ("README.md", template!("c/README.md")),
        (".gitignore", template!("c/gitignore")),
        ("Makefile", template!("c/Makefile")),
        ("main.c", template!("c/main.c")),
        ("libc/libc.c", template!("c/libc/libc.c")),
        ("libc/stdlib.h", template!("c/libc/stdlib.h")),
        ("libc/string.h", template!("c/libc/string.h")),
        ("bindings/README.md", template!("c/bindings/README.md")),
        ("bindings/policy.c", template!("c/bindings/policy.c")),
        ("bindings/policy.h", template!("c/bindings/policy.h")),
        (
            "bindings/policy_component_type.o",
            template!("c/bindings/policy_component_type.o"),
        ),
    ],
};

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
