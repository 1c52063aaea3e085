//! A policy that does everything wrong, in a server that others use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_e2e::Wire;
use serde_json::json;

use crate::text::{ALLOWS, Text};
use crate::{Operator, answers, module};

/// What the hostile policy does when it is asked about a file of that name.
const DEEDS: [&str; 9] = [
    "spin",
    "call",
    "flood",
    "grow",
    "recurse",
    "panic",
    "giant-reason",
    "many-grants",
    "error",
];

#[tokio::test]
async fn attack_25_a_hostile_policy_costs_the_requests_that_meet_it_and_nobody_else() {
    let operator = Operator::with("test-policy-hostile", "");
    let server = operator.starts();
    std::fs::write(operator.path("allow"), "x").expect("written");
    let allowed = operator.path("allow");
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..4 {
        let mut wire = Wire::ready(&server).await;
        let (path, over) = (allowed.clone(), Arc::clone(&over));
        readers.push(tokio::spawn(async move {
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) {
                let read = wire.call("fs/readFile", json!({"path": path})).await;
                assert_eq!(read.expect("not disturbed")["dataBase64"], "eA==");
                answered += 1;
            }
            answered
        }));
    }
    let mut wire = Wire::ready(&server).await;
    for _ in 0..3 {
        let mut ids = Vec::new();
        for deed in DEEDS {
            let path = operator.path(deed);
            ids.push(wire.request("fs/getMetadata", json!({"path": path})).await);
        }
        let answers = answers(&mut wire, &ids).await;
        for (deed, id) in DEEDS.iter().zip(&ids) {
            let error = &answers[id]["error"];
            assert_eq!(error["code"], -32600, "{deed}: {error}");
            let text = error["message"].as_str().expect("text");
            let failed = "policy \"hostile\" denies this: the policy itself failed (";
            assert!(text.starts_with(failed), "{deed}: {text}");
        }
        // Broken once is not broken for good.
        let again = wire.call("fs/readFile", json!({"path": allowed})).await;
        assert!(again.is_ok(), "{again:?}");
    }
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.expect("not disturbed") > 0);
    }
    // A policy's words are bounded, whatever it says.
    assert!(operator.says().len() < 1 << 20);
}

/// Loading takes all its time, and all the while decisions are made by the policies that are there.
#[tokio::test]
async fn attack_25_a_policy_that_never_gets_ready_holds_nobody_up_when_it_is_loaded_again() {
    let operator = Operator::with("test-policy-hostile", "");
    let server = operator.starts();
    let allowed = operator.path("allow");
    std::fs::write(&allowed, "x").expect("written");
    let mut wire = Wire::ready(&server).await;
    operator.configures(&crate::module(
        &crate::built("test-policy-hostile"),
        "describe spin\n",
    ));
    let mut answered = 0;
    while !operator.says().contains("policy hostile stays as it was") {
        let read = wire.call("fs/readFile", json!({"path": allowed})).await;
        assert!(read.is_ok(), "{read:?}");
        answered += 1;
    }
    assert!(
        answered > 100,
        "{answered} requests were answered meanwhile"
    );
}

#[tokio::test]
async fn attack_25_a_policy_that_never_gets_ready_keeps_the_server_from_starting() {
    for deed in ["spin", "grow", "recurse", "panic"] {
        let operator = Operator::with("test-policy-hostile", &format!("describe {deed}\n"));
        let said = operator.cannot_start();
        assert!(said.contains("it fails when it is"), "{deed}: {said}");
    }
    let operator = Operator::new();
    operator.puts("policy.wasm", endless_start());
    operator.configures(&module(&endless_start(), ""));
    let said = operator.cannot_start();
    let wanted = "it fails when it is started: it ran past its deadline";
    assert!(said.contains(wanted), "{said}");
}

/// No `describe` or `evaluate` is ever reached: what never ends is the start function of its core module.
fn endless_start() -> Vec<u8> {
    let module = "(func $s (loop $l (br $l))) (start $s)";
    Text { module, ..ALLOWS }.bytes()
}

/// Whatever is put in the place of a policy, those that are there decide on.
#[tokio::test]
async fn attack_28_what_can_be_no_policy_takes_no_place_in_a_running_server() {
    let operator = Operator::with("test-policy-hostile", "");
    let server = operator.starts();
    let allowed = operator.path("allow");
    std::fs::write(&allowed, "x").expect("written");
    let mut wire = Wire::ready(&server).await;
    let text = |text: &str| wat::parse_str(text).expect("a component");
    for (number, (component, wanted)) in [
        (endless_start(), "it ran past its deadline"),
        (
            text(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "f" (func)))))"#),
            "it asks for wasi:sockets/tcp@0.2.0",
        ),
        (
            text(r#"(component (import "lockgate:policy/clock@0.1.9" (instance (export "now" (func)))))"#),
            "it is made for lockgate:policy/clock@0.1.9",
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
        (
            Text {
                module: "(table $t 1 funcref) (func $s (drop (table.grow $t (ref.null func) (i32.const 1000000)))) (start $s)",
                ..ALLOWS
            }
            .bytes(),
            "its table may not grow past 20000 elements",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        // Under a name of its own: what is watched is never half of one and half of another.
        let file = format!("bad-{number}.wasm");
        operator.puts(&file, &component);
        let module = module(&component, "").replace("policy.wasm", &file);
        operator.configures(&format!("{module}name = \"hostile\"\n"));
        let mut answered = 0;
        while !operator.says().contains(wanted) {
            let read = wire.call("fs/readFile", json!({"path": allowed})).await;
            assert!(read.is_ok(), "{read:?}");
            answered += 1;
        }
        assert!(answered > 0, "{wanted}");
        operator.has_said("policy hostile stays as it was", number + 1).await;
    }
    let read = wire.call("fs/readFile", json!({"path": allowed})).await;
    assert!(read.is_ok(), "{read:?}");
}

#[tokio::test]
async fn attack_25_a_policy_whose_table_grows_ends_its_own_decisions() {
    let grows = Text {
        module: "(table $t 1 funcref)",
        evaluate: "(drop (table.grow $t (ref.null func) (i32.const 1000000))) (i32.const 1024)",
        ..ALLOWS
    };
    let operator = Operator::new();
    operator.puts("policy.wasm", grows.bytes());
    let module = module(&grows.bytes(), "");
    operator.configures(&format!(
        "[policy]\ndefault = \"allow\"\n{module}actions = [\"file\"]\n"
    ));
    let server = operator.starts();
    let (mut wire, mut other) = (Wire::ready(&server).await, Wire::ready(&server).await);
    for number in 0..3 {
        let stat = wire.call("fs/getMetadata", json!({"path": "/"})).await;
        let refusal = stat.expect_err("its policy fails");
        let wanted = "failed (its table may not grow past 20000 elements)";
        assert!(refusal.message.contains(wanted), "{refusal:?}");
        let ran = other.run(&format!("p{number}"), "echo well").await;
        assert_eq!(ran.stdout, b"well\n", "nobody asks it about programs");
    }
}
