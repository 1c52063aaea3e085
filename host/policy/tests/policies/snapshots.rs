//! What is in a policy's memory when it is asked.

use lockgate_policy_gate::{CacheChoice, Evaluator, ModuleSettings, Outcome, Policy};

use crate::common::{guest, hostile, module, open, read, run, subject};
use crate::text::{ALLOWS, Text};

fn load(text: &Text) -> Policy {
    let home = tempfile::tempdir().expect("temporary directory");
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    let policy = evaluator.load(&module(text.file(home.path(), "policy")));
    policy.expect("loaded")
}

#[test]
fn every_decision_begins_where_describe_ended() {
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    let policy = evaluator.load(&hostile("")).expect("loaded");
    assert_eq!(policy.report().snapshot, Ok(()));
    for _ in 0..3 {
        let answer = policy.evaluate(&subject(), &run(&["state"]));
        assert!(
            format!("{answer:?}").contains("described 1, evaluated 1"),
            "{answer:?}"
        );
    }
}

#[test]
fn the_stock_policies_can_be_snapshot() {
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    for name in ["policy-readonly", "policy-workspace"] {
        let mut settings = module(guest(name));
        if name == "policy-workspace" {
            settings.config = "root /work".to_owned();
        }
        let policy = evaluator.load(&settings).expect(name);
        assert_eq!(policy.report().snapshot, Ok(()), "{name}");
        assert!(policy.evaluate(&subject(), &read("/a")).is_ok());
    }
}

/// Whatever is decided, and whoever asks: the text is read once, by the load, and nothing is left to parse.
#[test]
fn the_engines_parse_their_text_once_a_load_and_not_once_a_decision() {
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    for (name, config) in [
        ("policy-cedar", "permit(principal, action, resource);"),
        ("policy-rego", "package lockgate\ndefault allow := true"),
    ] {
        let policy = evaluator.load(&ModuleSettings {
            config: config.to_owned(),
            ..module(guest(name))
        });
        let policy = policy.expect(name);
        for number in 0..20 {
            let number = number.to_string();
            for action in [read(&format!("/{number}")), run(&["ls", &number])] {
                policy.evaluate(&subject(), &action).expect("decided");
            }
        }
        let report = policy.report();
        assert_eq!((report.asked, report.config_reads), (40, 0), "{name}");
        assert_eq!(report.snapshot, Ok(()), "{name}");
    }
    // The hostile policy asks for it each time, and that is seen.
    let hostile = evaluator.load(&hostile("")).expect("loaded");
    for _ in 0..3 {
        hostile
            .evaluate(&subject(), &run(&["allow"]))
            .expect("decided");
    }
    assert_eq!(hostile.report().config_reads, 3);
}

#[test]
fn a_policy_that_cannot_be_snapshot_is_run_as_it_is_and_the_report_says_why() {
    let policy = load(&Text {
        module: "(table $t 1 funcref) (func (export \"set\") (table.set $t (i32.const 0) (ref.null func)))",
        ..ALLOWS
    });
    let why = policy.report().snapshot.expect_err("tables change");
    assert!(why.contains("table.set"), "{why}");
    assert!(policy.evaluate(&subject(), &read("/a")).is_ok());
}

#[test]
fn attack_25_what_starts_slowly_or_holds_much_is_started_and_dropped_by_its_own_decisions() {
    // No snapshot, so that each instance starts as it is written.
    let no_snapshot =
        "(table $t 1 funcref) (func (export \"set\") (table.set $t (i32.const 0) (ref.null func)))";
    let slow = "(func $s (local i32) (loop $l (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 3000000))))) (start $s)";
    let large = "(func $s (drop (memory.grow $own (i32.const 200)))) (start $s)";
    for start in [slow, large] {
        let directory = tempfile::tempdir().expect("a directory");
        let policy = Text {
            module: format!("{no_snapshot} {start}").leak(),
            ..ALLOWS
        };
        let gate = open([module(policy.file(directory.path(), "p"))]);
        for number in 0..50 {
            let ruling = gate.decide(&subject(), &read(&format!("/{number}")));
            assert_eq!(ruling.outcome, Outcome::Allow);
            gate.prepare();
            assert_eq!(gate.report().policies[0].at_hand, 0, "{start}");
        }
    }
}

#[test]
fn globals_and_grown_memories_are_in_the_snapshot_and_start_is_not_run_again() {
    // `evaluate` traps unless everything is as `describe` left it.
    let policy = load(&Text {
        module: r#"
            (memory $more 1)
            (global $i (mut i32) (i32.const 1)) (global $l (mut i64) (i64.const 2))
            (global $f (mut f32) (f32.const 3)) (global $d (mut f64) (f64.const 4))
            (func $start (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1))))
            (start $start)"#,
        describe: r#"
            (global.set $i (i32.const -5)) (global.set $l (i64.const -6))
            (global.set $f (f32.const 7.5)) (global.set $d (f64.const -8.5))
            (drop (memory.grow $more (i32.const 3)))
            (i32.store $more (i32.const 200000) (i32.const 42))
            (i32.const 64)"#,
        evaluate: r#"
            (if (i32.eqz (i32.and (i32.and
                  (i32.and (i32.eq (global.get $i) (i32.const -5)) (i64.eq (global.get $l) (i64.const -6)))
                  (i32.and (f32.eq (global.get $f) (f32.const 7.5)) (f64.eq (global.get $d) (f64.const -8.5))))
                (i32.and (i32.eq (memory.size $more) (i32.const 4))
                  (i32.and (i32.eq (i32.load $more (i32.const 200000)) (i32.const 42))
                    (i32.eq (i32.load (i32.const 2048)) (i32.const 1))))))
              (then unreachable))
            (i32.const 1024)"#,
        ..ALLOWS
    });
    assert_eq!(policy.report().snapshot, Ok(()));
    for _ in 0..3 {
        assert!(policy.evaluate(&subject(), &read("/a")).is_ok());
    }
}

#[test]
fn attack_28_a_policy_that_names_its_exports_like_the_snapshots_is_no_danger() {
    let policy = load(&Text {
        component: r#"(instance $odd) (export "wasmtime:wizer/access" (instance $odd))"#,
        ..ALLOWS
    });
    assert!(policy.report().snapshot.is_err());
    assert!(policy.evaluate(&subject(), &read("/a")).is_ok());
}
