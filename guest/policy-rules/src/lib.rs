//! The stock policy `rules`: which programs may be started and which hosts reached, by rules in Starlark.
//!
//! Its configuration is the text of a `.rules` file, with the functions `prefix_rule`, `host_executable` and `network_rule`. README.md of
//! `guest/policy` describes them. `allow` allows, `prompt` asks, `forbidden` denies; where no rule matches there is no opinion.
//!
//! Theory of operation. The text is run once, when the policy is loaded (`language`); what comes out is plain data (`rules`), and nothing of the
//! interpreter is kept. A decision is a look-up (`judge`). A shell's command line that consists of plain commands is taken apart
//! first (`shell`), and every command in it has to be allowed; in one that does not, what can be seen (`visible`) is asked about and forbidden,
//! and never allowed. The decision log gets all the rules that matched, as JSON (`output`).

mod files;
mod judge;
mod language;
mod output;
mod random;
mod rules;
mod shell;
mod visible;
mod words;

use judge::Judgement;
use lockgate_policy::{
    Action, ActionKind, Description, Narrowing, Policy, ProcessStart, Subject, Verdict,
};
use rules::{Decision, Rules};

struct RulesPolicy(Rules);

impl Policy for RulesPolicy {
    fn description() -> Description {
        Description::new(
            "rules",
            env!("CARGO_PKG_VERSION"),
            "programs and hosts by rules in Starlark",
            [ActionKind::ProcessStart, ActionKind::Http],
        )
    }

    fn load(config: &str) -> Result<Self, String> {
        language::load(config).map(RulesPolicy)
    }

    fn evaluate(&self, _: &Subject, action: &Action) -> Result<Verdict, String> {
        Ok(match action {
            Action::ProcessStart(start) => {
                let judgement = judge::process_start(&self.0, start);
                let verdict = verdict(&judgement, || output::command(&start.argv));
                match without_what_changes_shells(start) {
                    Some(narrowing) if judgement.by_script => verdict.narrow(narrowing),
                    _ => verdict,
                }
            }
            Action::Http(request) => verdict(&judge::http(&self.0, request), || {
                format!("{} to {}", request.method, request.host)
            }),
            // Not asked for.
            Action::ProcessWrite(_) | Action::File(_) => Verdict::abstain(),
        })
    }
}

lockgate_policy::export!(RulesPolicy);

/// The answer, with `what` naming the action for whoever reads it.
fn verdict(judgement: &Judgement, what: impl Fn() -> String) -> Verdict {
    let decisive = judgement.decisive();
    let justification = decisive.and_then(|found| found.justification());
    let verdict = match judgement.decision {
        None => Verdict::abstain(),
        Some(Decision::Allow) => Verdict::allow(),
        Some(Decision::Prompt) => Verdict::ask(match justification {
            Some(justification) => format!("Allow {}? {justification}", what()),
            None => format!("Allow {}?", what()),
        }),
        Some(Decision::Forbidden) => Verdict::deny(match justification {
            Some(justification) => justification.to_owned(),
            None => format!("{} is forbidden by a rule", what()),
        }),
    };
    let verdict = match decisive {
        Some(found) => verdict.rule(found.name()),
        None => verdict,
    };
    match output::json(judgement) {
        Some(json) => verdict.details(json),
        None => verdict,
    }
}

/// A shell whose script was read here must do what is written there: not with functions, options and start files from the client's environment.
fn without_what_changes_shells(start: &ProcessStart) -> Option<Narrowing> {
    let changes = |name: &str| {
        matches!(
            name,
            "BASH_ENV" | "ENV" | "ZDOTDIR" | "SHELLOPTS" | "BASHOPTS" | "PS4"
        ) || name.starts_with("BASH_FUNC_")
    };
    let mut names = start
        .env_names
        .iter()
        .filter(|name| changes(name))
        .peekable();
    names.peek()?;
    Some(names.fold(Narrowing::new(), |narrowing, name| narrowing.drop_env(name)))
}

#[cfg(test)]
mod tests;
