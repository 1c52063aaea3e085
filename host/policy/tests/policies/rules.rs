//! The stock policy `rules`: other people's rule files, and files that mean harm to whoever loads them.

use lockgate_policy_gate::{CacheChoice, Decision, Evaluator, PolicyError};

use crate::common::{guest, module, run, subject};

fn load(rules: &str) -> Result<lockgate_policy_gate::Policy, PolicyError> {
    let evaluator = Evaluator::new(CacheChoice::Standard).expect("an evaluator");
    let mut settings = module(guest("policy-rules"));
    settings.config = rules.to_owned();
    evaluator.load(&settings)
}

#[test]
fn rules_are_run_once_and_decide_from_the_snapshot() {
    let rules = "prefix_rule([\"git\", \"push\"], decision = \"forbidden\", justification = \"not from here\")\n";
    let policy = load(rules).expect("loaded");
    assert_eq!(policy.report().snapshot, Ok(()));
    for _ in 0..3 {
        let verdict = policy
            .evaluate(&subject(), &run(&["git", "push", "-f"]))
            .expect("an answer");
        assert_eq!(
            verdict.decision,
            Decision::Deny {
                reason: "not from here".to_owned()
            }
        );
        let details = verdict.details.expect("details");
        let details: serde_json::Value = serde_json::from_str(&details).expect("JSON");
        assert_eq!(
            details,
            serde_json::json!({
                "matchedRules": [{"prefixRuleMatch": {
                    "matchedPrefix": ["git", "push"], "decision": "forbidden", "justification": "not from here",
                }}],
                "decision": "forbidden",
            })
        );
    }
    let other = policy
        .evaluate(&subject(), &run(&["git", "pull"]))
        .expect("an answer");
    assert_eq!(other.decision, Decision::Abstain);
}

#[test]
fn attack_25_rules_that_never_end_or_grow_are_refused() {
    let nested = format!("x = {}{}\n", "[".repeat(20_000), "]".repeat(20_000));
    let endless = "def f(n):\n  return f(n + 1)\nf(0)\n";
    let growing = "x = [0]\nfor i in range(1000000000):\n  x.append(i)\n";
    let spinning =
        "def g():\n  for i in range(1000000):\n    for j in range(1000000):\n      pass\ng()\n";
    for (rules, says) in [
        (endless, "rules:2:"),
        (growing, "its memory may not grow past"),
        (spinning, "it fails when it is"),
        (&nested, "it fails when it is"),
    ] {
        let error = load(rules).expect_err("refused").to_string();
        assert!(error.contains(says), "{error}");
    }
}
