//! What else the client chose for the action that is being decided, beside what [`Policy::evaluate`](crate::Policy::evaluate) is shown.

pub use crate::bindings::lockgate::policy::options::WalkOptions;

/// The options of the walk that is being decided. None for every other action, and outside of `evaluate`.
///
/// ```
/// use lockgate_policy::{Action, FileVerb, Verdict, options};
///
/// fn evaluate(action: &Action) -> Verdict {
///     match action {
///         Action::File(file) if file.verb == FileVerb::Walk => match options::walk() {
///             Some(walk) if walk.max_entries <= 1_000 => Verdict::allow(),
///             _ => Verdict::deny("ask for at most 1000 entries of a walk at once"),
///         },
///         _ => Verdict::abstain(),
///     }
/// }
/// # let walk = Action::File(lockgate_policy::FileOperation { verb: FileVerb::Walk, paths: Vec::new(), recursive: true, sandboxed: false });
/// # let small = options::WalkOptions { max_depth: 1, max_directories: 1, max_entries: 1_000, follow_directory_links: false, prune_hidden_directories: false };
/// // In the policy's own tests:
/// assert_eq!(options::with_walk(small, || evaluate(&walk)), Verdict::allow());
/// assert_ne!(evaluate(&walk), Verdict::allow());
/// ```
pub fn walk() -> Option<WalkOptions> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::lockgate::policy::options::walk();
    #[cfg(not(target_family = "wasm"))]
    return WALK.get();
}

/// For a policy's own tests: does something while a walk with these options is being decided.
#[cfg(not(target_family = "wasm"))]
pub fn with_walk<T>(options: WalkOptions, evaluate: impl FnOnce() -> T) -> T {
    WALK.set(Some(options));
    let outcome = evaluate();
    WALK.set(None);
    outcome
}

#[cfg(not(target_family = "wasm"))]
thread_local! {
    static WALK: std::cell::Cell<Option<WalkOptions>> = const { std::cell::Cell::new(None) };
}
