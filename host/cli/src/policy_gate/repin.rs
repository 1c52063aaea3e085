//! A component that is not the one that is pinned, told with the command that pins it: who has built a policy anew should not have to copy
//! its digest by hand.

use std::path::Path;

use lockgate_engine::EngineError;
use lockgate_policy_gate::{ModuleError, ModuleSettings, PolicyError};

/// Why there is no gate, and what to do about it; `file` is the configuration.
pub(crate) fn told(error: &PolicyError, modules: &[ModuleSettings], file: &Path) -> String {
    let advice = match error {
        PolicyError::Module { path, problem } => {
            let module = modules.iter().find(|module| module.path == *path);
            advice(problem, path, module.and_then(|m| m.name.as_deref()), file)
        }
        _ => None,
    };
    format!("{error}{}", advice.unwrap_or_default())
}

/// What to do about a component that cannot be loaded, if that is its digest: the rest of a sentence.
pub(super) fn advice(
    problem: &ModuleError,
    component: &Path,
    name: Option<&str>,
    file: &Path,
) -> Option<String> {
    let ModuleError::Engine(EngineError::Digest { .. }) = problem else {
        return None;
    };
    let name = name.map(|name| format!(" --name {}", quoted(name)));
    Some(format!(
        "; if you have built it anew, `lockgate policy install {} --config {}{}` pins the new one",
        quoted(&component.display().to_string()),
        quoted(&file.display().to_string()),
        name.unwrap_or_default()
    ))
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_command() {
        assert_eq!(quoted("a/b-c.wasm"), "a/b-c.wasm");
        assert_eq!(quoted("my policies/it's"), "'my policies/it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
