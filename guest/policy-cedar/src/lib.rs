//! The stock policy `cedar`: policies in the language Cedar decide.
//!
//! The configuration is the policies' text, as any Cedar tool reads it; `--- entities`, `--- schema` and `--- settings` may follow. Text and schema are
//! parsed and validated when the policy is loaded, and decisions find them ready. README.md says what Cedar is asked and how its
//! answer becomes a verdict.

mod decide;
mod narrow;
mod question;
mod rule;
mod sample;
mod schema;
#[cfg(test)]
mod tests;
mod text;
mod words;

use lockgate_policy::{Action, ActionKind, Description, Policy, Subject, Verdict};

use crate::text::Text;

struct Cedar(Text);

impl Policy for Cedar {
    fn description() -> Description {
        Description::new(
            "cedar",
            env!("CARGO_PKG_VERSION"),
            "Cedar policies decide",
            [
                ActionKind::ProcessStart,
                ActionKind::ProcessWrite,
                ActionKind::File,
                ActionKind::Http,
            ],
        )
    }

    fn load(text: &str) -> Result<Self, String> {
        let mut text = Text::read(text)?;
        sample::try_all(&mut text)?;
        Ok(Cedar(text))
    }

    fn evaluate(&self, subject: &Subject, action: &Action) -> Result<Verdict, String> {
        decide::decide(&self.0, subject, action)
    }
}

lockgate_policy::export!(Cedar);
