//! Sequences of operations, made up at random, by somebody who is confined to a random profile in a small tree full of links:
//! what the profile does not make writable is afterwards as it was, and nothing was ever shown that it does not make readable.
//!
//! This is the fuzzing of operations. It runs as a property test and not under libFuzzer, because the coverage of what is under
//! test would be that of compiled WebAssembly and of the kernel, and because wasmtime would have to be compiled once more for it.
//! `PROPTEST_CASES=100000 cargo test --workspace --test sequences` for a long run.

#![allow(clippy::unwrap_used, missing_docs)]

mod operation;
mod tree;

use std::sync::OnceLock;

use lockgate_capfs::{CacheChoice, CapFs, Files, Options, PathBackEnd};
use lockgate_grant::Allowed;
use operation::{Operation, some_operation};
use proptest::prelude::*;
use tree::{Rule, Thing, Tree, some_paths, some_rules, some_things};

/// A few seconds' worth.
fn config() -> ProptestConfig {
    let default = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig {
            cases: 500,
            ..default
        },
    }
}

fn capfs(back_end: PathBackEnd) -> &'static CapFs {
    static MADE: [OnceLock<CapFs>; 2] = [OnceLock::new(), OnceLock::new()];
    MADE[usize::from(back_end == PathBackEnd::Walk)].get_or_init(|| {
        CapFs::new(Options {
            path_back_end: Some(back_end),
            cache: CacheChoice::At(env!("CARGO_TARGET_TMPDIR").into()),
            ..Options::default()
        })
        .unwrap()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_sequence_of_operations_gets_out_through_openat2(case in some_case()) {
        run(PathBackEnd::Openat2, &case)?;
    }

    #[test]
    fn no_sequence_of_operations_gets_out_through_the_walk(case in some_case()) {
        run(PathBackEnd::Walk, &case)?;
    }
}

/// What is there, what the profile says, what is done.
type Case = (Vec<Thing>, Vec<Rule>, Vec<Operation>);

fn some_case() -> impl Strategy<Value = Case> {
    some_paths().prop_flat_map(|paths| {
        let operations = prop::collection::vec(some_operation(&paths), 1..30);
        (some_things(&paths), some_rules(&paths), operations)
    })
}

fn run(back_end: PathBackEnd, (things, rules, operations): &Case) -> Result<(), TestCaseError> {
    let tree = Tree::made_of(things);
    let confined = || match capfs(back_end).confine(&tree.profile(rules).into(), 1) {
        Ok(Files::Scoped(scope)) => Some(scope),
        // A loop of links can make a profile one that cannot be enforced: refused is safe.
        _ => None,
    };
    let Some(mut scope) = confined() else {
        return Ok(());
    };
    // What the profile means before anything was done is what holds to the end, also in a scope that is made in between: what
    // was done so far must not make the same profile mean more.
    let first = scope.clone();
    let grants = first.grants();
    let before = tree.snapshot();
    let secrets = tree.secrets(&grants);
    for (number, operation) in operations.iter().enumerate() {
        if number == operations.len() / 2 {
            capfs(back_end).forget(1);
            match confined() {
                Some(anew) => scope = anew,
                None => return Ok(()),
            }
        }
        if let Err(why) = operation.run(&scope, &grants, &tree, &secrets) {
            return Err(TestCaseError::fail(format!("{operation:?}: {why}")));
        }
        let after = tree.snapshot();
        for path in before.keys().chain(after.keys()) {
            let kept = grants.allowed(path) < Allowed::Write;
            if kept && before.get(path) != after.get(path) {
                return Err(TestCaseError::fail(format!(
                    "{operation:?} changed {path}: {:?} became {:?}",
                    before.get(path),
                    after.get(path)
                )));
            }
        }
    }
    capfs(back_end).forget(1);
    Ok(())
}
