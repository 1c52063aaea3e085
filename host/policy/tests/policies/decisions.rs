//! What a chain decides, and who is asked at all.

use lockgate_policy_gate::{
    Access, Action, ActionKind, CacheChoice, Consent, Default as Fallback, Evaluator,
    FileOperation, FileVerb, Gate, Instances, ModuleSettings, Outcome, ProcessWrite, Settings,
    WalkOptions,
};

use crate::common::{denied, file, guest, hostile, module, open, read, run, settings, subject};

fn readonly() -> ModuleSettings {
    module(guest("policy-readonly"))
}

#[test]
fn a_policy_allows_narrows_and_denies() {
    let gate = open([readonly()]);
    let ruling = gate.decide(&subject(), &read("/etc/hosts"));
    assert_eq!(ruling.outcome, Outcome::Allow);
    assert_eq!(ruling.grants.len(), 1);
    let ruling = gate.decide(&subject(), &file(FileVerb::Write, "/a", Access::Write));
    let (policy, reason) = denied(&ruling);
    assert_eq!(policy, Some("readonly"));
    assert!(reason.contains("nothing may be changed here"), "{reason}");
}

#[test]
fn only_what_a_policy_wants_and_may_see_is_asked() {
    let gate = Gate::open(Settings {
        default: Fallback::Allow,
        ..settings([ModuleSettings {
            actions: Some(vec![ActionKind::File]),
            ..readonly()
        }])
    })
    .expect("a gate");
    assert!(gate.wants(ActionKind::File));
    assert!(!gate.wants(ActionKind::Http));
    assert!(!gate.wants(ActionKind::ProcessWrite));
    let ruling = gate.decide(&subject(), &run(&["ls"]));
    assert_eq!(ruling.outcome, Outcome::Allow);
}

#[test]
fn where_nobody_has_an_opinion_the_default_holds_but_not_for_what_is_written_to_a_process() {
    let gate = open([hostile("evaluate abstain")]);
    assert_eq!(denied(&gate.decide(&subject(), &run(&["ls"]))).0, None);
    let write = Action::ProcessWrite(ProcessWrite::default());
    assert_eq!(gate.decide(&subject(), &write).outcome, Outcome::Allow);
    let empty = open([]);
    assert!(empty.wants(ActionKind::File) && !empty.wants(ActionKind::ProcessWrite));
    assert_eq!(denied(&empty.decide(&subject(), &read("/a"))).0, None);
}

#[test]
fn attack_27_a_policy_that_trapped_answers_the_next_request() {
    let gate = open([hostile("")]);
    for _ in 0..3 {
        let ruling = gate.decide(&subject(), &run(&["panic"]));
        let (policy, reason) = denied(&ruling);
        assert_eq!(policy, Some("hostile"));
        assert!(reason.contains("the policy itself failed"), "{reason}");
        assert_eq!(
            gate.decide(&subject(), &run(&["allow"])).outcome,
            Outcome::Allow
        );
    }
}

fn frozen(version: &str, config: &str) -> Gate {
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modules");
    open([ModuleSettings {
        config: config.to_owned(),
        ..module(format!("{modules}/built-against-{version}.wasm"))
    }])
}

#[test]
fn modules_built_against_0_1_0_and_0_1_1_decide_as_they_did() {
    for version in ["0.1.0", "0.1.1"] {
        let frozen = |config| frozen(version, config);
        let action = read("/etc/hosts");
        let ruling = frozen("allow").decide(&subject(), &action);
        assert_eq!(ruling.outcome, Outcome::Allow);
        assert_eq!(ruling.grants[0].len(), 4);
        assert_eq!(ruling.drop_env, ["DROPPED"]);
        assert_eq!(ruling.time_limit, Some(60_000));
        assert_eq!(ruling.output_limit, Some(1 << 20));
        let ruling = frozen("deny").decide(&subject(), &action);
        assert_eq!(denied(&ruling), (Some("frozen"), "as configured"));
        let Outcome::Ask(Consent { prompt, rule, .. }) =
            frozen("ask").decide(&subject(), &action).outcome
        else {
            panic!("it asks");
        };
        assert_eq!(
            (&*prompt, rule.as_deref()),
            ("as configured?", Some("frozen rule"))
        );
        // The operator's default: it has no opinion.
        let ruling = frozen("abstain").decide(&subject(), &action);
        assert_eq!(denied(&ruling).0, None);
    }
}

/// The Debug form of an action as version 0.1.0 has it, and in 0.1.1 of the options beside it.
#[test]
fn modules_of_both_versions_are_shown_the_same_action_and_only_the_later_one_its_options() {
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    let shown = |version: &str, action: &Action| {
        let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modules");
        let policy = evaluator.load(&ModuleSettings {
            config: "allow".to_owned(),
            ..module(format!("{modules}/built-against-{version}.wasm"))
        });
        let verdict = policy.expect("loaded").evaluate(&subject(), action);
        verdict.expect("answered").details.expect("what was shown")
    };
    let seen = r#"FileOperation { verb: FileVerb::Walk, paths: [FilePath { path: \"/work\", access: Access::Read }], recursive: true, sandboxed: false }"#;
    let old = shown("0.1.0", &walk(7));
    assert!(old.contains(seen) && !old.contains("WalkOptions"), "{old}");
    let new = shown("0.1.1", &walk(7));
    assert!(
        new.contains(seen) && new.contains("max-entries: 7"),
        "{new}"
    );
    assert!(shown("0.1.1", &read("/work")).ends_with("None\""));
}

fn walk(max_entries: u32) -> Action {
    let Action::File(operation) = file(FileVerb::Walk, "/work", Access::Read) else {
        unreachable!("it is one");
    };
    Action::File(FileOperation {
        recursive: true,
        walk: Some(WalkOptions {
            max_depth: 8,
            max_directories: 100,
            max_entries,
            follow_directory_links: true,
            prune_hidden_directories: false,
        }),
        ..operation
    })
}

#[test]
fn the_options_of_a_walk_are_there_while_it_is_decided_and_at_no_other_time() {
    for instances in [Instances::Fresh, Instances::Reused] {
        let gate = open([ModuleSettings {
            instances,
            ..hostile("evaluate walk")
        }]);
        let said = |action: &Action| denied(&gate.decide(&subject(), action)).1.to_owned();
        // The last one is in an instance that has just decided about a walk; and a walk that differs in nothing else is another question.
        for entries in [7, 8, 7] {
            let wanted = format!("max-entries: {entries}, follow-directory-links: true");
            assert!(said(&walk(entries)).contains(&wanted));
        }
        assert_eq!(said(&read("/work")), "None");
    }
    let described = Gate::open(settings([hostile("describe walk")]));
    let refused = described.expect_err("it tells what it saw").to_string();
    assert!(refused.ends_with("its configuration: None"), "{refused}");
}
