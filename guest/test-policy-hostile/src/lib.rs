//! A policy that does everything wrong, for the tests of what the host survives.
//!
//! It does what it is told by name. In the configuration, `describe DEED` and `evaluate DEED` say what each export does. Without the second
//! line the action says it: the command's first word, the last name of the first path, the host, the text written to a process. What is
//! no deed is allowed. Deeds are those of [`deeds`] and [`answers`] and the plain ones: `allow`, `deny`, `ask`, `abstain`,
//! `state`, a denial that tells how often this memory was used: `described D, evaluated E`, with this call, and `walk`, one that tells the
//! options of the walk.
#![cfg(target_family = "wasm")]

mod answers;
mod deeds;

use std::cell::Cell;

use lockgate_policy::bindings::exports::lockgate::policy::evaluator::Guest;
use lockgate_policy::bindings::lockgate::policy::config;
use lockgate_policy::{Action, ActionKind, Description, Subject, Verdict, options, path};

struct Hostile;
lockgate_policy::bindings::export!(Hostile with_types_in lockgate_policy::bindings);

thread_local! {
    static DESCRIBED: Cell<u32> = const { Cell::new(0) };
    static EVALUATED: Cell<u32> = const { Cell::new(0) };
}

impl Guest for Hostile {
    fn describe() -> Result<Description, String> {
        DESCRIBED.set(DESCRIBED.get() + 1);
        let deed = configured("describe").unwrap_or_default();
        deeds::done(&deed);
        match &*deed {
            "error" => return Err(answers::UNFIT.to_owned()),
            "walk" => return Err(format!("{:?}", options::walk())),
            _ => {}
        }
        let description = Description::new(
            "hostile",
            "0.1.0",
            "does everything wrong",
            [
                ActionKind::ProcessStart,
                ActionKind::ProcessWrite,
                ActionKind::File,
                ActionKind::Http,
            ],
        );
        Ok(answers::description(&deed, description))
    }

    fn evaluate(_: Subject, action: Action) -> Result<Verdict, String> {
        EVALUATED.set(EVALUATED.get() + 1);
        let deed = configured("evaluate").unwrap_or_else(|| asked(&action));
        deeds::done(&deed);
        Ok(match &*deed {
            "error" => return Err(answers::UNFIT.to_owned()),
            "deny" => Verdict::deny("as told").rule("told"),
            "ask" => Verdict::ask("may it?").rule("told"),
            "abstain" => Verdict::abstain(),
            "state" => Verdict::deny(format!(
                "described {}, evaluated {}",
                DESCRIBED.get(),
                EVALUATED.get()
            )),
            "find" => Verdict::deny(format!("found {}", deeds::secrets_found())),
            "walk" => Verdict::deny(format!("{:?}", options::walk())),
            "grow-politely" => Verdict::deny(format!("grew to {} pages", deeds::grown())),
            _ => answers::verdict(&deed).unwrap_or_else(Verdict::allow),
        })
    }
}

/// What the configuration has of an export.
fn configured(export: &str) -> Option<String> {
    lockgate_policy::config::lines(&config::text())
        .find(|line| line.key == export)
        .map(|line| line.value.to_owned())
}

/// What the action itself names.
fn asked(action: &Action) -> String {
    match action {
        Action::ProcessStart(start) => start.argv.first().cloned().unwrap_or_default(),
        Action::ProcessWrite(write) => String::from_utf8_lossy(&write.data).trim().to_owned(),
        Action::File(file) => file
            .paths
            .first()
            .map_or("", |first| path::name(&first.path))
            .to_owned(),
        Action::Http(request) => request.host.clone(),
    }
}
