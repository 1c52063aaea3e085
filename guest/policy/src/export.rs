//! A component's exports, made of a [`Policy`], and the policy that was loaded.

use std::cell::OnceCell;

use crate::{Action, Description, Policy, Subject, Verdict, bindings};

/// Makes the component's exports of a type that is a [`Policy`]. Once in a component.
///
/// On another target than WebAssembly there is nothing to export: a policy's own tests call [`Policy::load`] and [`Policy::evaluate`].
#[macro_export]
macro_rules! export {
    ($policy:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static LOADED: $crate::Loaded<$policy> = const { $crate::Loaded::new() };
            }
            struct Component;
            impl $crate::bindings::exports::lockgate::policy::evaluator::Guest for Component {
                fn describe() -> ::std::result::Result<$crate::Description, ::std::string::String> {
                    LOADED.with(|loaded| loaded.describe())
                }
                fn evaluate(
                    subject: $crate::Subject,
                    action: $crate::Action,
                ) -> ::std::result::Result<$crate::Verdict, ::std::string::String> {
                    LOADED.with(|loaded| loaded.evaluate(&subject, &action))
                }
            }
    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
        #[cfg(not(target_family = "wasm"))]
        const _: $crate::Loaded<$policy> = $crate::Loaded::new();
    };
}

/// The policy of this instance, once its configuration was read.
#[doc(hidden)]
pub struct Loaded<P>(OnceCell<P>);

impl<P: Policy> Loaded<P> {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Loaded<P> {
        Loaded(OnceCell::new())
    }

    pub fn describe(&self) -> Result<Description, String> {
        self.get(bindings::lockgate::policy::config::text)?;
        Ok(P::description())
    }

    pub fn evaluate(&self, subject: &Subject, action: &Action) -> Result<Verdict, String> {
        self.get(bindings::lockgate::policy::config::text)?
            .evaluate(subject, action)
    }

    /// What `describe` left, or what is read now: it may be that `describe` was never called in this instance.
    fn get(&self, config: impl FnOnce() -> String) -> Result<&P, String> {
        if let Some(policy) = self.0.get() {
            return Ok(policy);
        }
        let policy = P::load(&config())?;
        Ok(self.0.get_or_init(|| policy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo(String);
    impl Policy for Echo {
        fn description() -> Description {
            Description::new("echo", "1.0.0", "For a test", [])
        }
        fn load(config: &str) -> Result<Self, String> {
            match config {
                "bad" => Err("line 1: bad".to_owned()),
                text => Ok(Echo(text.to_owned())),
            }
        }
        fn evaluate(&self, _: &Subject, _: &Action) -> Result<Verdict, String> {
            Ok(Verdict::deny(&*self.0))
        }
    }

    #[test]
    fn a_configuration_is_read_once_whoever_asks_first() {
        let loaded = Loaded::<Echo>::new();
        assert_eq!(loaded.get(|| "one".to_owned()).expect("loads").0, "one");
        assert_eq!(
            loaded.get(|| panic!("read again")).expect("loaded").0,
            "one"
        );
    }

    #[test]
    fn a_bad_configuration_is_told_each_time() {
        let loaded = Loaded::<Echo>::new();
        for _ in 0..2 {
            let error = loaded.get(|| "bad".to_owned()).err();
            assert_eq!(error.as_deref(), Some("line 1: bad"));
        }
    }
}
