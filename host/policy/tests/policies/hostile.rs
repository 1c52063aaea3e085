//! Policies that misbehave: each costs one decision, and says why.

use std::time::Duration;

use lockgate_policy_gate::{
    CacheChoice, Evaluator, Fail, Failure, Fault, Instances, ModuleError, ModuleSettings, Outcome,
    Policy, PolicyError,
};

use crate::common::{denied, hostile, module, open, run, subject};
use crate::text::{ALLOWS, Text};

/// Loads a policy alone.
fn load(settings: &ModuleSettings) -> Result<Policy, ModuleError> {
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    evaluator.load(settings).map_err(|error| match error {
        PolicyError::Module { problem, .. } => problem,
        other => panic!("{other}"),
    })
}

fn refused(text: &Text) -> ModuleError {
    let home = tempfile::tempdir().expect("temporary directory");
    load(&module(text.file(home.path(), "policy"))).expect_err("refused")
}

/// Little time, for those that take all that they get.
fn hurried(module: ModuleSettings) -> ModuleSettings {
    ModuleSettings {
        time: Duration::from_millis(20),
        ..module
    }
}

fn fails(policy: &Policy, deed: &str) -> Failure {
    policy.evaluate(&subject(), &run(&[deed])).expect_err(deed)
}

#[test]
fn attack_25_endless_loops_growth_and_recursion_end_one_decision() {
    let policy = load(&hurried(hostile(""))).expect("loaded");
    for (deed, wanted) in [
        ("spin", "it ran past its deadline"),
        ("call", "it ran past its deadline"),
        ("flood", "it ran past its deadline"),
        // The guest's own stack, which is in its memory, ends first.
        (
            "recurse",
            "it trapped: wasm trap: out of bounds memory access",
        ),
        ("panic", "it panicked or aborted"),
    ] {
        assert_eq!(fails(&policy, deed).to_string(), wanted, "{deed}");
        assert!(
            policy.evaluate(&subject(), &run(&["allow"])).is_ok(),
            "after {deed}"
        );
    }
    let patient = load(&hostile("")).expect("loaded");
    assert_eq!(
        fails(&patient, "grow").to_string(),
        "its memory may not grow past 67108864 bytes"
    );
    assert!(patient.evaluate(&subject(), &run(&["allow"])).is_ok());
}

/// With all the time that its policy has, it is denied in the end; here there is next to none.
#[test]
fn attack_25_a_decision_that_takes_its_time_is_given_up_where_others_wait() {
    for instances in [Instances::Fresh, Instances::Reused] {
        let gate = open([ModuleSettings {
            instances,
            ..hurried(hostile(""))
        }]);
        (0..100).for_each(|_| drop(gate.decide(&subject(), &run(&["quick"]))));
        for deed in ["spin", "call", "flood"] {
            assert!(
                gate.decide_at_once(&subject(), &run(&[deed])).is_none(),
                "{deed}"
            );
            // However quick those before it were.
            assert!(!gate.is_quick(run(&[deed]).kind()), "{deed}");
            let ruling = gate.decide(&subject(), &run(&[deed]));
            assert!(denied(&ruling).1.contains("deadline"), "{deed}");
        }
        // A machine that is busy may hold any of them up.
        while gate.decide_at_once(&subject(), &run(&["allow"])).is_none() {}
    }
}

#[test]
fn attack_25_answers_that_are_too_large_or_make_no_sense_are_failures() {
    let policy = load(&hostile("")).expect("loaded");
    for (deed, wanted) in [
        ("giant-reason", "more than 1048576 bytes"),
        ("giant-prompt", "more than 1048576 bytes"),
        ("giant-rule", "more than 1048576 bytes"),
        ("giant-details", "more than 1048576 bytes"),
        ("giant-path", "more than 1048576 bytes"),
        ("many-grants", "more than 1048576 bytes"),
        ("many-names", "more than 1048576 bytes"),
        ("many-empty-grants", "more than 1048576 bytes"),
        ("unfit-details", "`details` is no JSON"),
        ("relative-grant", "its grant names the path \"work\""),
        ("dotted-grant", "which is not normalized"),
        ("nul-grant", "its grant names the path"),
        ("unfit-names", "is no environment variable"),
    ] {
        let failure = fails(&policy, deed).to_string();
        assert!(failure.contains(wanted), "{deed}: {failure}");
    }
    for deed in [
        "unfit-reason",
        "empty-reason",
        "empty-grant",
        "no-time",
        "all-time",
        "abstain-narrowing",
    ] {
        assert!(policy.evaluate(&subject(), &run(&[deed])).is_ok(), "{deed}");
    }
    assert_eq!(
        fails(&policy, "error").to_string().split(':').next(),
        Some("it answered an error")
    );
}

#[test]
fn attack_25_what_a_policy_logs_is_bounded_and_ends_nobody() {
    let policy = load(&hostile("")).expect("loaded");
    for deed in ["burst", "chatter"] {
        assert!(policy.evaluate(&subject(), &run(&[deed])).is_ok(), "{deed}");
    }
}

#[test]
fn attack_25_a_policy_that_never_starts_is_refused() {
    for (module, wanted) in [
        ("(func $s unreachable) (start $s)", Fault::Aborted),
        ("(func $s (call $s)) (start $s)", Fault::Stack),
    ] {
        let problem = refused(&Text { module, ..ALLOWS });
        assert!(
            matches!(&problem, ModuleError::Start("started", fault) if *fault == wanted),
            "{problem}"
        );
    }
    let problem = refused(&Text {
        describe: "unreachable",
        ..ALLOWS
    });
    assert!(
        matches!(
            problem,
            ModuleError::Start("asked to describe itself", Fault::Aborted)
        ),
        "{problem}"
    );
}

#[test]
fn attack_25_tables_and_memories_have_ceilings_whatever_their_number() {
    let home = tempfile::tempdir().expect("temporary directory");
    let grows = Text {
        module: "(table $t 1 funcref)",
        evaluate: "(drop (table.grow $t (ref.null func) (i32.const 1000000))) (i32.const 1024)",
        ..ALLOWS
    };
    let policy = load(&module(grows.file(home.path(), "table"))).expect("loaded");
    assert_eq!(
        fails(&policy, "x").to_string(),
        "its table may not grow past 20000 elements"
    );
    let hoards = Text {
        module: "(memory $b 1) (memory $c 1)",
        evaluate: "(drop (memory.grow $b (i32.const 600))) (drop (memory.grow $c (i32.const 600))) (i32.const 1024)",
        ..ALLOWS
    };
    let policy = load(&module(hoards.file(home.path(), "memories"))).expect("loaded");
    assert_eq!(
        fails(&policy, "x").to_string(),
        "its memory may not grow past 67108864 bytes"
    );
}

#[test]
fn attack_28_what_is_no_policy_is_refused_and_told_why() {
    let home = tempfile::tempdir().expect("temporary directory");
    let said = |bytes: &[u8]| {
        let path = home.path().join("policy.wasm");
        std::fs::write(&path, bytes).expect("written");
        load(&module(path)).expect_err("refused").to_string()
    };
    let text = |text: &str| wat::parse_str(text).expect("the text is WebAssembly");
    for (bytes, wanted) in [
        (b"".to_vec(), "it is no WebAssembly component"),
        (b"\x7fELF".to_vec(), "it is no WebAssembly component"),
        (text("(module)"), "it is a core WebAssembly module"),
        (
            text("(component)"),
            "it does not export lockgate:policy/evaluator@0.1.1",
        ),
        (
            ALLOWS.bytes()[..400].to_vec(),
            "not a component that can be loaded",
        ),
        (
            text(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "f" (func)))))"#),
            "it asks for wasi:sockets/tcp@0.2.0",
        ),
        (
            text(
                r#"(component (import "lockgate:policy/clock@0.1.0" (instance (export "now" (func)))))"#,
            ),
            "it asks for lockgate:policy/clock@0.1.0",
        ),
        (
            text(
                r#"(component (import "lockgate:policy/log@0.2.0" (instance (export "log" (func)))))"#,
            ),
            "it is made for lockgate:policy/log@0.2.0, and this is lockgate:policy/log@0.1.1",
        ),
        (
            text(
                r#"(component (instance $e) (export "lockgate:policy/evaluator@0.2.0" (instance $e)))"#,
            ),
            "it is made for lockgate:policy/evaluator@0.2.0",
        ),
        // A later 0.1 may have more to call. Who calls it needs it.
        (
            text(
                r#"(component (import "lockgate:policy/log@0.1.7" (instance (export "trace" (func)))))"#,
            ),
            "it is made for lockgate:policy/log@0.1.7, and this is lockgate:policy/log@0.1.1",
        ),
        (
            text(
                r#"(component (import "lockgate:policy/clock@0.1.7" (instance (export "now" (func)))))"#,
            ),
            "it is made for lockgate:policy/clock@0.1.7, and this is lockgate:policy/clock@0.1.1",
        ),
        (
            text(
                r#"(component (import "lockgate:policy/options@0.1.1" (instance (export "walk" (func (result u32))))))"#,
            ),
            "it does not fit the contract",
        ),
        (
            text(
                r#"(component (import "lockgate:policy/config@0.1.0" (instance (export "text" (func (result u32))))))"#,
            ),
            "it does not fit the contract",
        ),
        (
            text(
                r#"(component (instance $e) (export "lockgate:policy/evaluator@0.1.0" (instance $e)))"#,
            ),
            "it does not export both",
        ),
        (
            Text {
                evaluate: "(i32.const 1)",
                answer: "(result bool)",
                ..ALLOWS
            }
            .bytes(),
            "it does not fit the contract",
        ),
    ] {
        let said = said(&bytes);
        assert!(said.contains(wanted), "wanted {wanted:?}: {said}");
    }
    let huge = std::fs::File::create(home.path().join("huge.wasm")).expect("made");
    huge.set_len(1 << 40).expect("sparse");
    let huge = ModuleSettings::new(home.path().join("huge.wasm"));
    assert!(
        load(&huge)
            .expect_err("huge")
            .to_string()
            .contains("which is the most that is accepted")
    );
    for odd in ["/dev/zero", "/", "/nowhere"] {
        assert!(
            matches!(load(&ModuleSettings::new(odd)), Err(ModuleError::Read(_))),
            "{odd}"
        );
    }
}

#[test]
fn attack_28_a_policy_that_describes_itself_wrongly_is_refused() {
    for (deed, wanted) in [
        ("giant", "more than 1048576 bytes"),
        ("bad-name", "is no name of a policy"),
        ("long-name", "is no name of a policy"),
        ("no-name", "is no name of a policy"),
        ("bad-version", "`latest` is no version"),
        ("unfit-summary", "the summary has more than one line"),
        ("no-actions", "it wants to see no action"),
        ("error", "it refuses its configuration"),
    ] {
        let problem = load(&hostile(&format!("describe {deed}")))
            .expect_err(deed)
            .to_string();
        assert!(problem.contains(wanted), "{deed}: {problem}");
    }
    let policy = load(&hostile("describe many-actions")).expect("each kind counts once");
    assert_eq!(policy.actions().len(), 4);
}

#[test]
fn attack_26_nothing_of_one_decision_reaches_the_next() {
    let policy = load(&hostile("")).expect("loaded");
    for _ in 0..20 {
        assert!(policy.evaluate(&subject(), &run(&["hide"])).is_ok());
        let found = policy
            .evaluate(&subject(), &run(&["find"]))
            .expect("answered");
        assert!(format!("{found:?}").contains("found 0"), "{found:?}");
    }
}

#[test]
fn attack_26_an_instance_that_was_started_before_it_was_needed_decides_once_and_knows_nothing_of_others()
 {
    let gate = open([hostile("")]);
    let at_hand = || gate.report().policies[0].at_hand;
    let mut number = 0_u64;
    // Another question each time: what is the same is not asked again.
    let mut decide = |deed: &str| {
        number += 1;
        format!(
            "{:?}",
            gate.decide(&subject(), &run(&[deed, &number.to_string()]))
                .outcome
        )
    };
    gate.prepare();
    assert_eq!(at_hand(), 0, "nobody has asked it anything yet");
    // One is started ahead where the last start was quick, which on a busy machine not each one is.
    let mut were_ready = 0;
    for _ in 0..1_000 {
        for (deed, wanted) in [
            ("hide", "Allow"),
            ("find", "found 0"),
            ("panic", "failed"),
            ("state", "evaluated 1"),
        ] {
            let outcome = decide(deed);
            assert!(outcome.contains(wanted), "{outcome}");
            assert_eq!(at_hand(), 0, "it was used");
            gate.prepare();
            gate.prepare();
            assert!(at_hand() <= 1);
            were_ready += at_hand();
        }
        if were_ready >= 80 {
            break;
        }
    }
    assert!(were_ready >= 80, "{were_ready}");
    // Whatever many decide at once, and whenever they prepare.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let gate = &gate;
            scope.spawn(move || {
                for number in 0..100 {
                    let question = run(&["state", &format!("{thread} {number}")]);
                    let outcome = format!("{:?}", gate.decide(&subject(), &question).outcome);
                    assert!(outcome.contains("evaluated 1"), "{outcome}");
                    if number % 3 > 0 {
                        gate.prepare();
                    }
                }
            });
        }
    });
    assert!(at_hand() <= 1);
}

#[test]
fn an_operator_can_choose_to_reuse_instances_and_one_that_failed_or_grew_is_not() {
    let policy = load(&ModuleSettings {
        instances: Instances::Reused,
        ..hostile("")
    })
    .expect("loaded");
    let state = || {
        format!(
            "{:?}",
            policy
                .evaluate(&subject(), &run(&["state"]))
                .expect("answered")
        )
    };
    for number in 1..4 {
        assert!(
            state().contains(&format!("evaluated {number}")),
            "{}",
            state()
        );
    }
    assert_eq!(
        fails(&policy, "panic").to_string(),
        "it panicked or aborted"
    );
    assert!(state().contains("evaluated 1"));
    assert!(
        policy
            .evaluate(&subject(), &run(&["grow-politely"]))
            .is_err()
    );
    assert!(state().contains("evaluated 1"));
    // An answer that is none is a failure, but the instance is in order.
    assert!(matches!(fails(&policy, "error"), Failure::Error(_)));
    assert!(state().contains("evaluated 3"));
}

#[test]
fn attack_27_what_fails_counts_as_the_operator_chose() {
    let gate = open([hostile("evaluate panic")]);
    let ruling = gate.decide(&subject(), &run(&["ls"]));
    assert_eq!(denied(&ruling).0, Some("hostile"));
    let adviser = ModuleSettings {
        fail: Fail::Abstain,
        ..hostile("evaluate panic")
    };
    let allows = ModuleSettings {
        name: Some("other".to_owned()),
        ..hostile("evaluate allow")
    };
    let gate = open([adviser.clone(), allows]);
    assert_eq!(
        gate.decide(&subject(), &run(&["ls"])).outcome,
        Outcome::Allow
    );
    let alone = open([adviser]);
    assert_eq!(denied(&alone.decide(&subject(), &run(&["ls"]))).0, None);
    // It says itself that it cannot decide: the contract has that as a deny.
    let errs = ModuleSettings {
        fail: Fail::Abstain,
        ..hostile("evaluate error")
    };
    let gate = open([errs]);
    assert_eq!(
        denied(&gate.decide(&subject(), &run(&["ls"]))).0,
        Some("hostile")
    );
}

#[test]
fn the_same_question_is_answered_from_memory_only_where_nobody_can_tell() {
    // What it logs is not lost because it was asked before, and neither is what fails remembered: each is asked again.
    for (deed, times) in [("deny", 1), ("chatter", 3), ("panic", 3)] {
        let gate = open([hostile("")]);
        for _ in 0..3 {
            gate.decide(&subject(), &run(&[deed]));
        }
        let asked = gate.report().policies[0].asked;
        assert_eq!(asked, times, "{deed}");
    }
    // A reused instance may have another answer each time.
    let reused = ModuleSettings {
        instances: Instances::Reused,
        ..hostile("")
    };
    let gate = open([reused]);
    let answers: Vec<String> = (0..3)
        .map(|_| format!("{:?}", gate.decide(&subject(), &run(&["state"])).outcome))
        .collect();
    assert!(
        answers[0] != answers[1] && answers[1] != answers[2],
        "{answers:?}"
    );
}

/// Else a client could have a slow decision made where it holds others up, by asking something quick again and again before.
#[test]
fn answers_from_memory_do_not_make_a_policy_look_quick() {
    let gate = open([hurried(hostile(""))]);
    let is_quick = || gate.is_quick(lockgate_policy_gate::ActionKind::ProcessStart);
    // Slow on any machine: all the time that it has.
    gate.decide(&subject(), &run(&["spin"]));
    for _ in 0..100 {
        gate.decide(&subject(), &run(&["deny"]));
    }
    // One more was asked, and as quick as it may have been: an average over eight has not forgotten the slow one.
    assert_eq!(gate.report().policies[0].asked, 2);
    assert!(!is_quick());
}
