//! `wasi = "empty"`: what is there, what is not, and that nothing of it waits.

use lockgate_policy_gate::{
    CacheChoice, Decision, Evaluator, Failure, ModuleSettings, Policy, Wasi,
};

use crate::common::{module, read, subject};
use crate::text::{ALLOWS, Text};

/// The functions of WASI that the tests call, with a memory for those that need one.
const COMPONENT: &str = r#"
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $clock
    (alias outer 1 $pollable (type $p)) (export "pollable" (type $pollable' (eq $p)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable'))))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-u64" (func (result u64)))
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-type))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error-type (type $e)) (export "error" (type $error' (eq $e)))
    (export "output-stream" (type $output (sub resource)))
    (type $failure' (variant (case "last-operation-failed" (own $error')) (case "closed")))
    (export "stream-error" (type $failure (eq $failure')))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $failure)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $o)) (export "output-stream" (type $output' (eq $o)))
    (export "get-stdout" (func (result (own $output'))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
  (import "wasi:sockets/network@0.2.0" (instance $network
    (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout" "concurrency-conflict"
      "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable"
      "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large" "name-unresolvable"
      "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type (eq $code')))
    (type $family' (enum "ipv4" "ipv6")) (export "ip-address-family" (type (eq $family')))))
  (alias export $network "error-code" (type $code))
  (alias export $network "ip-address-family" (type $family))
  (import "wasi:sockets/udp@0.2.0" (instance $udp (export "udp-socket" (type (sub resource)))))
  (alias export $udp "udp-socket" (type $socket))
  (import "wasi:sockets/udp-create-socket@0.2.0" (instance $create
    (alias outer 1 $socket (type $s)) (export "udp-socket" (type $socket' (eq $s)))
    (alias outer 1 $code (type $c)) (export "error-code" (type $code' (eq $c)))
    (alias outer 1 $family (type $f)) (export "ip-address-family" (type $family' (eq $f)))
    (export "create-udp-socket" (func (param "address-family" $family') (result (result (own $socket') (error $code')))))))
  (core module $shared (memory (export "memory") 64)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $shared (instantiate $shared))
  (alias core export $shared "memory" (core memory $shared))
  (alias core export $shared "realloc" (core func $shared-realloc))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $ready (canon lower (func $poll "[method]pollable.ready")))
  (core func $poll-list (canon lower (func $poll "poll") (memory $shared) (realloc $shared-realloc)))
  (core func $now (canon lower (func $clock "now")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $number (canon lower (func $random "get-random-u64")))
  (core func $numbers (canon lower (func $random "get-random-bytes") (memory $shared) (realloc $shared-realloc)))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $shared)))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $create (canon lower (func $create "create-udp-socket") (memory $shared)))
  (core instance $host (export "block" (func $block)) (export "ready" (func $ready)) (export "poll" (func $poll-list))
    (export "now" (func $now)) (export "subscribe" (func $subscribe)) (export "number" (func $number))
    (export "numbers" (func $numbers)) (export "stdout" (func $get-stdout)) (export "write" (func $write))
    (export "exit" (func $exit)) (export "create" (func $create)) (export "shared" (memory $shared)))
"#;

const IMPORTS: &str = r#"
    (import "host" "block" (func $block (param i32))) (import "host" "ready" (func $ready (param i32) (result i32)))
    (import "host" "poll" (func $poll (param i32 i32 i32))) (import "host" "now" (func $now (result i64)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32))) (import "host" "number" (func $number (result i64)))
    (import "host" "numbers" (func $numbers (param i64 i32))) (import "host" "stdout" (func $stdout (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32))) (import "host" "exit" (func $exit (param i32)))
    (import "host" "create" (func $create (param i32 i32))) (import "host" "shared" (memory $shared 64))
"#;

/// One that runs `evaluate` with the functions of WASI at hand.
fn with(evaluate: &'static str) -> Text {
    Text {
        component: COMPONENT,
        imports: IMPORTS,
        given: r#"(with "host" (instance $host))"#,
        evaluate,
        ..ALLOWS
    }
}

fn settings(text: &Text, home: &tempfile::TempDir) -> ModuleSettings {
    ModuleSettings {
        wasi: Wasi::Empty,
        ..module(text.file(home.path(), "policy"))
    }
}

fn load(text: &Text) -> Policy {
    let home = tempfile::tempdir().expect("temporary directory");
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    evaluator.load(&settings(text, &home)).expect("loaded")
}

fn allows(policy: &Policy) {
    let verdict = policy.evaluate(&subject(), &read("/a")).expect("answered");
    assert_eq!(verdict.decision, Decision::Allow);
}

#[test]
fn it_is_given_only_where_the_operator_says_so() {
    let home = tempfile::tempdir().expect("temporary directory");
    let evaluator = Evaluator::new(CacheChoice::Off).expect("an evaluator");
    let refused = evaluator
        .load(&ModuleSettings {
            wasi: Wasi::None,
            ..settings(&with("(i32.const 1024)"), &home)
        })
        .expect_err("WASI is not given")
        .to_string();
    assert!(
        refused.contains("wasi:io/poll@0.2.0") && refused.contains("wasi = \"empty\""),
        "{refused}"
    );
}

#[test]
fn attack_25_nothing_of_it_waits() {
    // An hour, one year, and all there is; alone and in a list.
    let policy = load(&with(
        r#"(local $p i32)
           (call $block (call $subscribe (i64.const 3600000000000)))
           (call $block (call $subscribe (i64.const -1)))
           (local.set $p (call $subscribe (i64.const 31536000000000000)))
           (if (i32.eqz (call $ready (local.get $p))) (then unreachable))
           (i32.store $shared (i32.const 64) (local.get $p))
           (call $poll (i32.const 64) (i32.const 1) (i32.const 128))
           (if (i32.ne (i32.load $shared (i32.const 132)) (i32.const 1)) (then unreachable))
           (i32.const 1024)"#,
    ));
    allows(&policy);
}

#[tokio::test]
async fn it_needs_no_runtime_and_panics_in_none() {
    let policy = load(&with(
        r#"(call $block (call $subscribe (i64.const 3600000000000)))
           (call $create (i32.const 0) (i32.const 64))
           ;; An error, and it is `access-denied`.
           (if (i32.ne (i32.load8_u $shared (i32.const 64)) (i32.const 1)) (then unreachable))
           (if (i32.ne (i32.load8_u $shared (i32.const 68)) (i32.const 1)) (then unreachable))
           (i32.store $shared (i32.const 200) (i32.const 0x0a696808))
           (call $write (call $stdout) (i32.const 200) (i32.const 4) (i32.const 300))
           (if (i32.load8_u $shared (i32.const 300)) (then unreachable))
           (i32.const 1024)"#,
    ));
    allows(&policy);
}

#[test]
fn clocks_stand_still_and_random_numbers_are_the_same_each_time() {
    // Twice the clock; and numbers that differ from each other, but not from those of the instance before.
    let policy = load(&Text {
        version: "1.0.0",
        ..with(
            r#"(local $one i64) (local $two i64)
               (if (i64.ne (call $now) (call $now)) (then unreachable))
               (if (i64.ne (call $now) (i64.const 1000000000)) (then unreachable))
               (local.set $one (call $number)) (local.set $two (call $number))
               (if (i64.eq (local.get $one) (local.get $two)) (then unreachable))
               ;; A denial whose reason is the number.
               (i64.store $own (i32.const 2048) (i64.or (i64.and (local.get $one) (i64.const 0x0f0f0f0f0f0f0f0f)) (i64.const 0x4040404040404040)))
               (i32.store8 $own (i32.const 1032) (i32.const 1))
               (i32.store $own (i32.const 1036) (i32.const 2048)) (i32.store $own (i32.const 1040) (i32.const 8))
               (i32.const 1024)"#,
        )
    });
    let once = || {
        policy
            .evaluate(&subject(), &read("/a"))
            .expect("answered")
            .decision
    };
    assert!(matches!(once(), Decision::Deny { .. }));
    assert_eq!(once(), once());
}

#[test]
fn attack_25_handles_and_bytes_are_bounded_and_an_exit_ends_one_decision() {
    for (evaluate, wanted) in [
        (
            "(loop $l (drop (call $stdout)) (br $l)) unreachable",
            "resource table has no free keys",
        ),
        (
            "(call $numbers (i64.const 1000000000) (i32.const 64)) (i32.const 1024)",
            "exceeds limit",
        ),
        ("(call $exit (i32.const 1)) (i32.const 1024)", "exit"),
        (
            "(call $poll (i32.const 64) (i32.const 0) (i32.const 128)) (i32.const 1024)",
            "empty poll list",
        ),
        (
            "(call $block (i32.const 77)) (i32.const 1024)",
            "unknown handle",
        ),
    ] {
        let policy = load(&with(evaluate));
        for _ in 0..2 {
            let failure = policy
                .evaluate(&subject(), &read("/a"))
                .expect_err("a fault");
            assert!(
                matches!(failure, Failure::Fault(_)) && failure.to_string().contains(wanted),
                "{evaluate}: {failure}"
            );
        }
    }
}

#[test]
fn what_is_written_is_bounded_and_costs_nothing_after() {
    let policy = load(&with(
        r#"(local $i i32) (local $out i32)
           (local.set $out (call $stdout))
           (loop $l
             (call $write (local.get $out) (i32.const 0) (i32.const 4096) (i32.const 1048576))
             (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
           (i32.const 1024)"#,
    ));
    allows(&policy);
}

#[test]
fn a_policy_that_holds_a_stream_after_describe_is_run_as_it_is() {
    let policy = load(&Text {
        describe: "(drop (call $stdout)) (i32.const 64)",
        ..with("(i32.const 1024)")
    });
    let why = policy.report().snapshot.expect_err("a stream is held");
    assert!(why.contains("it holds streams"), "{why}");
    allows(&policy);
    assert_eq!(load(&with("(i32.const 1024)")).report().snapshot, Ok(()));
}
