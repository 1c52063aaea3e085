//! What a policy says of itself.

use crate::{ActionKind, Description};

impl Description {
    /// `name` as in `[a-z][a-z0-9-]*`, `version` of three numbers, `summary` of one line. Only actions of the given kinds are asked.
    pub fn new(
        name: &str,
        version: &str,
        summary: &str,
        actions: impl IntoIterator<Item = ActionKind>,
    ) -> Description {
        Description {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            actions: actions.into_iter().collect(),
        }
    }
}

/// A [`Description`] with the name, version and description of Cargo.toml, and the kinds of actions that are to be asked:
/// `description!(ProcessStart, File)`, as the variants of [`ActionKind`] are called.
#[macro_export]
macro_rules! description {
    ($($kind:ident),+ $(,)?) => {
        $crate::Description::new(
            ::std::env!("CARGO_PKG_NAME"),
            ::std::env!("CARGO_PKG_VERSION"),
            ::std::env!("CARGO_PKG_DESCRIPTION"),
            [$($crate::ActionKind::$kind),+],
        )
    };
}

#[cfg(test)]
mod tests {
    use crate::ActionKind;

    #[test]
    fn a_description_comes_from_the_package() {
        let description = crate::description!(File, Http);
        assert_eq!(description.name, "lockgate-policy");
        assert_eq!(description.version, "0.1.0");
        assert!(description.summary.starts_with("For authors"));
        assert_eq!(description.actions, [ActionKind::File, ActionKind::Http]);
    }
}
