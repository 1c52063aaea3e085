//! `lockgate policy build`: runs the tools of the project's language, whose output is shown as it comes.
//!
//! Nothing here knows how to compile anything. What is missing on the machine is said with the words for installing it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{fs, io};

use lockgate_engine::Binary;

use crate::failure::Failure;
use crate::output::print;
use crate::policy::inputs;
use crate::policy::templates::{LANGUAGES, Language, Step, filled};

/// Build a policy with the tools of its language
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The project; this folder if left out
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    build(&args.folder)?;
    Ok(ExitCode::SUCCESS)
}

/// The component of a project, built if it is not there or something that it is built of is newer.
pub(super) fn current(folder: &Path) -> Result<PathBuf, Failure> {
    let component = folder.join(format!("{}.wasm", name(folder)?));
    let built = component.metadata().and_then(|facts| facts.modified());
    match (built, inputs::newest(folder, &component)) {
        (Ok(built), Some(newest)) if newest <= built => Ok(component),
        _ => build(folder),
    }
}

/// Builds a project: its component.
fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let language = Language::of_project(folder).ok_or_else(|| {
        let markers = LANGUAGES.each_ref().map(|language| language.marker);
        Failure::new(format!(
            "{} is no policy's project: it has none of {}; `lockgate policy new NAME` makes one",
            folder.display(),
            markers.join(", ")
        ))
    })?;
    let name = name(folder)?;
    for step in language.steps {
        take(step, folder, &name)?;
    }

    let built = folder.join(language.artifact(&name));
    let bytes = fs::read(&built).map_err(|error| {
        Failure::new(format!(
            "the build ended well and left no {}: {error}; the project's name there and the one in cases.toml have to be the same",
            built.display()
        ))
    })?;
    if Binary::of(&bytes) != Binary::Component {
        return Err(Failure::new(format!(
            "{} is no component; in Rust, .cargo/config.toml has to name the linker wasm-component-ld",
            built.display()
        )));
    }
    let component = folder.join(format!("{name}.wasm"));
    if component != built {
        fs::write(&component, &bytes)
            .map_err(|error| Failure::new(format!("{}: {error}", component.display())))?;
    }
    print(&format!("{}: {} bytes\n", component.display(), bytes.len()))?;
    Ok(component)
}

/// The policy's name: what `cases.toml` tests, without `.wasm`.
fn name(folder: &Path) -> Result<String, Failure> {
    let path = folder.join("cases.toml");
    let failure = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| {
        failure(format!(
            "{error}; it says which component is built: policy = \"NAME.wasm\""
        ))
    })?;
    let cases: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| failure(error.to_string()))?;
    cases
        .get("policy")
        .and_then(toml::Value::as_str)
        .and_then(|file| file.strip_suffix(".wasm"))
        .filter(|name| !name.is_empty() && !name.contains('/'))
        .map(str::to_owned)
        .ok_or_else(|| failure("there has to be a line policy = \"NAME.wasm\"".to_owned()))
}

/// Runs one command of the build, unless what it makes is there.
fn take(step: &Step, folder: &Path, name: &str) -> Result<(), Failure> {
    if step.unless.is_some_and(|made| folder.join(made).exists()) {
        return Ok(());
    }
    let arguments: Vec<String> = step
        .arguments
        .iter()
        .map(|argument| filled(argument, name))
        .collect();
    let shown = format!("{} {}", step.program, arguments.join(" "));
    let shown = shown.trim_end();
    tell!("{shown}");
    // A program of the project is found from here: where a child's relative path starts is left open by the standard library.
    let program = match step.program.contains('/') {
        true => {
            let program = folder.join(step.program);
            std::path::absolute(&program).unwrap_or(program)
        }
        false => PathBuf::from(step.program),
    };
    let status = Command::new(program)
        .args(&arguments)
        .current_dir(folder)
        // The component is looked for where the project's own settings leave it.
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Failure::new(format!("there is no {}: {}", step.program, step.missing))
            }
            _ => Failure::new(format!("{}: {error}", step.program)),
        })?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("`{shown}` failed ({status})"))),
    }
}
