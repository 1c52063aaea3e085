//! The source of `built-against-0.1.1.wasm`: it uses all that `lockgate:policy@0.1.1` has, in both directions.
//!
//! The first word of its configuration says what it decides. Every verdict narrows everything, and its details tell what was shown, as a JSON
//! text whose value is the Debug form of subject, action and the options of a walk.

use lockgate_policy::{Action, ActionKind, Description, Narrowing, Policy, Subject, Verdict, options};

struct Frozen(String);

impl Policy for Frozen {
    fn description() -> Description {
        Description::new(
            "frozen",
            "0.1.1",
            "built against version 0.1.1 of the contract, and never again",
            [
                ActionKind::ProcessStart,
                ActionKind::ProcessWrite,
                ActionKind::File,
                ActionKind::Http,
            ],
        )
    }

    fn load(config: &str) -> Result<Self, String> {
        match config.split_whitespace().next() {
            Some(word @ ("allow" | "deny" | "ask" | "abstain")) => Ok(Frozen(word.to_owned())),
            _ => Err("the configuration is allow, deny, ask or abstain".to_owned()),
        }
    }

    fn evaluate(&self, subject: &Subject, action: &Action) -> Result<Verdict, String> {
        lockgate_policy::info!("asked about {:?}", action.kind());
        let verdict = match &*self.0 {
            "allow" => Verdict::allow(),
            "deny" => Verdict::deny("as configured"),
            "ask" => Verdict::ask("as configured?"),
            _ => Verdict::abstain(),
        };
        let narrowing = Narrowing::new()
            .read("/")
            .look("/look")
            .write("/write")
            .nothing("/nothing")
            .drop_env("DROPPED")
            .time_limit(60_000)
            .output_limit(1 << 20);
        let shown = format!("{subject:?} {action:?} {:?}", options::walk())
            .replace('\\', "\\\\")
            .replace('"', "\\\"");
        Ok(verdict
            .narrow(narrowing)
            .rule("frozen rule")
            .details(format!("\"{shown}\"")))
    }
}

lockgate_policy::export!(Frozen);
