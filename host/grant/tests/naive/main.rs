//! Random profiles in random worlds: what the crate makes of them beside what a plain reading of the protocol makes of them.

#![allow(clippy::expect_used, unreachable_pub, missing_docs)]

mod evaluator;
mod generate;
mod glob;
mod world;

use evaluator::Meaning;
use lockgate_grant::narrowing::restricts;
use lockgate_grant::profile::{Entry, EntryPath, FileSystem, Permissions, Sandbox};
use lockgate_grant::{Allowed, Confined, Confinement};
use proptest::prelude::*;
use world::{Thing, World, path};

/// Some seconds' worth; `PROPTEST_CASES` for more. What was found is kept as a unit test, not as a seed.
fn config() -> ProptestConfig {
    let default = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig {
            cases: 20_000,
            ..default
        },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn grants_agree_with_a_plain_reading_of_the_protocol(
        world in generate::some_world(),
        sandbox in generate::some_sandbox(),
        paths in prop::collection::vec(generate::some_path(), 1..20),
    ) {
        match (Confinement::of(&sandbox, &world), evaluator::meaning(&sandbox, &world)) {
            (Err(_), Meaning::Refused) | (Ok(Confinement::Direct), Meaning::Direct) => {}
            (Ok(Confinement::Confined(Confined { grants, .. })), Meaning::Rules(rules)) => {
                for text in &paths {
                    prop_assert_eq!(grants.allowed(&path(text)), rules.allowed(text), "{} by {:?}", text, rules);
                }
            }
            (ours, plain) => {
                let plain = match plain {
                    Meaning::Direct => "no gate",
                    Meaning::Refused => "a refusal",
                    Meaning::Rules(_) => "rules",
                };
                prop_assert!(false, "{ours:?} where the plain reading is {plain}");
            }
        }
    }

    #[test]
    fn a_policys_list_agrees_with_a_plain_reading(
        world in generate::some_world(),
        list in generate::some_list(),
        paths in prop::collection::vec(generate::some_path(), 1..20),
    ) {
        let left = Confinement::Direct.within(std::slice::from_ref(&list), &world);
        match (left, evaluator::meaning_of_list(&list, &world)) {
            (Err(_), Meaning::Refused) => {}
            // A list may also say less and then more about one path.
            (Ok(Confinement::Direct), Meaning::Direct) => {}
            (Ok(Confinement::Confined(Confined { grants, .. })), Meaning::Rules(rules)) => {
                for text in &paths {
                    prop_assert_eq!(grants.allowed(&path(text)), rules.allowed(text), "{} by {:?}", text, rules);
                }
                prop_assert!(restricts(&[list]));
            }
            (ours, _) => prop_assert!(false, "{ours:?}"),
        }
    }

    /// Whatever is within both is within each: every answer is the stricter one.
    #[test]
    fn what_is_left_within_lists_is_the_least_of_what_all_allow(
        world in generate::some_world(),
        sandbox in generate::some_sandbox(),
        lists in prop::collection::vec(generate::some_list(), 1..4),
        paths in prop::collection::vec(generate::some_path(), 2..20),
    ) {
        let Ok(profile) = Confinement::of(&sandbox, &world) else { return Ok(()) };
        let mut all = vec![profile.clone()];
        for list in &lists {
            match Confinement::Direct.within(std::slice::from_ref(list), &world) {
                Ok(alone) => all.push(alone),
                // Of one that cannot be enforced nothing is left.
                Err(_) => {
                    prop_assert!(profile.within(&lists, &world).is_err());
                    return Ok(());
                }
            }
        }
        let absent = |confinement: &Confinement| match confinement {
            Confinement::Direct => Vec::new(),
            Confinement::Confined(confined) => confined.absent.clone(),
        };
        let left = profile.clone().within(&lists, &world).expect("each of them can be enforced");
        prop_assert_eq!(absent(&left), absent(&profile));
        let each = |all: &[Confinement]| all.iter().filter_map(|one| match one {
            Confinement::Direct => None,
            Confinement::Confined(confined) => Some(confined.grants.clone()),
        }).collect::<Vec<_>>();
        let (all, left) = (each(&all), each(&[left]));
        let Some(left) = left.first() else {
            prop_assert!(all.is_empty());
            return Ok(());
        };
        for (one, other) in paths.iter().zip(&paths[1..]) {
            let (one, other) = (path(one), path(other));
            prop_assert_eq!(Some(left.allowed(&one)), all.iter().map(|grants| grants.allowed(&one)).min(), "{}", one);
            prop_assert_eq!(left.below(one.as_bytes()), all.iter().any(|grants| grants.below(one.as_bytes())), "{}", one);
            prop_assert_eq!(left.rules_below(&one), all.iter().any(|grants| grants.rules_below(&one)), "{}", one);
            prop_assert_eq!(left.may_rename(&one), all.iter().all(|grants| grants.may_rename(&one)), "{}", one);
            prop_assert_eq!(left.under_one_rule(&one, &other), all.iter().all(|grants| grants.under_one_rule(&one, &other)), "{}", one);
        }
    }

    /// A scope is made anew only when something has come to be at one of the paths that it names; until then it must be right.
    #[test]
    fn what_was_skipped_and_is_not_told_changes_nothing_by_being_there(
        world in generate::some_world(),
        sandbox in generate::some_sandbox(),
        paths in prop::collection::vec(generate::some_path(), 1..20),
    ) {
        let Ok(Confinement::Confined(before)) = Confinement::of(&sandbox, &world) else { return Ok(()) };
        let mut later = world.clone();
        for skipped in skipped(&sandbox, &world) {
            if !before.absent.contains(&path(&skipped)) {
                later.things.insert(skipped, Thing::Plain);
            }
        }
        let Ok(Confinement::Confined(after)) = Confinement::of(&sandbox, &later) else {
            return Err(TestCaseError::fail("the profile means something of another kind"));
        };
        // Protected names in other spellings are held by the rule for the usual one, there or not.
        for text in paths.iter().filter(|text| !text.contains(".Git")) {
            prop_assert_eq!(before.grants.allowed(&path(text)), after.grants.allowed(&path(text)), "{}", text);
        }
    }

    #[test]
    fn an_entry_more_that_denies_never_opens_anything(
        world in generate::some_world(),
        sandbox in generate::some_sandbox(),
        denied in generate::some_path(),
        paths in prop::collection::vec(generate::some_path(), 1..20),
    ) {
        // But for what is protected for the sake of a writable root, which the denial may take: pointers, other spellings.
        let world = World {
            things: world.things.into_iter().filter(|(_, thing)| !matches!(thing, Thing::GitPointer(_))).collect(),
            ..world
        };
        let Ok(before) = Confinement::of(&sandbox, &world) else { return Ok(()) };
        let Ok(after) = Confinement::of(&denying(&sandbox, &denied), &world) else { return Ok(()) };
        for text in paths.iter().chain([&denied]).filter(|text| !text.contains(".Git")) {
            let allowed = |confinement: &Confinement| match confinement {
                Confinement::Direct => Allowed::Write,
                Confinement::Confined(confined) => confined.grants.allowed(&path(text)),
            };
            prop_assert!(allowed(&after) <= allowed(&before), "{}", text);
        }
    }
}

/// The same profile with one more denial.
fn denying(sandbox: &Sandbox, denied: &str) -> Sandbox {
    let mut sandbox = sandbox.clone();
    if let Permissions::Managed {
        file_system: FileSystem::Restricted { entries, .. },
        ..
    } = &mut sandbox.permissions
    {
        entries.push(Entry {
            path: EntryPath::Path(path(denied)),
            access: lockgate_grant::profile::Access::Deny,
            skip_missing: false,
        });
    }
    sandbox
}

/// Where the entries with plain paths that were skipped as missing would be.
fn skipped(sandbox: &Sandbox, world: &World) -> Vec<String> {
    let Permissions::Managed {
        file_system: FileSystem::Restricted { entries, .. },
        ..
    } = &sandbox.permissions
    else {
        return Vec::new();
    };
    entries
        .iter()
        .filter(|entry| entry.skip_missing)
        .filter_map(|entry| match &entry.path {
            EntryPath::Path(path) => world.walk(&path.to_string()).ok(),
            _ => None,
        })
        .filter(|walked| !walked.exists)
        .map(|walked| walked.end)
        .collect()
}
