//! What a chain decides, and who is asked at all.

use lockgate_policy_gate::{
    Access, Action, ActionKind, Consent, Default as Fallback, FileVerb, Gate, ModuleSettings,
    Outcome, ProcessWrite, Settings,
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

#[test]
fn a_module_built_against_0_1_0_decides_as_it_did() {
    let frozen = |config: &str| {
        open([ModuleSettings {
            config: config.to_owned(),
            ..module(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/modules/built-against-0.1.0.wasm"
            ))
        }])
    };
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
