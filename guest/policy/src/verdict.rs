//! Answers in few words: `Verdict::allow().narrow(Narrowing::new().read("/").write("/work"))`.

use crate::{Access, Decision, GrantEntry, Narrowing, Verdict};

impl Verdict {
    /// It is done, unless another policy is stricter.
    pub fn allow() -> Verdict {
        Decision::Allow.into()
    }

    /// It is refused. One sentence for the client, often a program: what it may do instead.
    pub fn deny(reason: impl Into<String>) -> Verdict {
        Decision::Deny(reason.into()).into()
    }

    /// Somebody has to agree, with this question. Where nobody can be asked it is refused.
    pub fn ask(prompt: impl Into<String>) -> Verdict {
        Decision::Ask(prompt.into()).into()
    }

    /// No opinion.
    pub fn abstain() -> Verdict {
        Decision::Abstain.into()
    }

    /// Makes what is allowed smaller.
    pub fn narrow(mut self, narrowing: Narrowing) -> Verdict {
        self.narrowing = Some(narrowing);
        self
    }

    /// Names the rule that decided, as its author would look for it.
    pub fn rule(mut self, name: impl Into<String>) -> Verdict {
        self.rule = Some(name.into());
        self
    }

    /// More for the decision log, as JSON text of at most 16 KiB.
    pub fn details(mut self, json: impl Into<String>) -> Verdict {
        self.details = Some(json.into());
        self
    }
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Verdict {
        Verdict {
            decision,
            narrowing: None,
            rule: None,
            details: None,
        }
    }
}

impl Default for Narrowing {
    fn default() -> Narrowing {
        Narrowing::new()
    }
}

impl Narrowing {
    /// Nothing is made smaller.
    pub fn new() -> Narrowing {
        Narrowing {
            grant: None,
            drop_env: Vec::new(),
            time_limit: None,
            output_limit: None,
        }
    }

    /// Files: this path and what is below it may be looked at. With one entry there is a grant, and what it does not mention is not allowed;
    /// of several entries the one with the longest path holds.
    pub fn look(self, path: impl Into<String>) -> Narrowing {
        self.entry(path, Some(Access::Look))
    }

    /// Files: looked at and read.
    pub fn read(self, path: impl Into<String>) -> Narrowing {
        self.entry(path, Some(Access::Read))
    }

    /// Files: looked at, read and changed.
    pub fn write(self, path: impl Into<String>) -> Narrowing {
        self.entry(path, Some(Access::Write))
    }

    /// Files: nothing, whatever a shorter path allows.
    pub fn nothing(self, path: impl Into<String>) -> Narrowing {
        self.entry(path, None)
    }

    /// Files: [`write`](Narrowing::write) for each of these.
    pub fn write_all(self, paths: impl IntoIterator<Item = impl Into<String>>) -> Narrowing {
        paths.into_iter().fold(self, Narrowing::write)
    }

    /// Programs: this environment variable is left out.
    pub fn drop_env(mut self, name: impl Into<String>) -> Narrowing {
        self.drop_env.push(name.into());
        self
    }

    /// Milliseconds that a process or an HTTP exchange may take.
    pub fn time_limit(mut self, milliseconds: u64) -> Narrowing {
        self.time_limit = Some(milliseconds);
        self
    }

    /// Bytes that a process may write, a file read may return, an HTTP response's body may have.
    pub fn output_limit(mut self, bytes: u64) -> Narrowing {
        self.output_limit = Some(bytes);
        self
    }

    fn entry(mut self, path: impl Into<String>, access: Option<Access>) -> Narrowing {
        let path = path.into();
        self.grant
            .get_or_insert_default()
            .push(GrantEntry { path, access });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_there_with_its_first_entry() {
        let narrowing = Narrowing::new().drop_env("TOKEN");
        assert_eq!(narrowing.grant, None);
        let narrowing = narrowing
            .read("/")
            .write_all(["/work"])
            .nothing("/work/.git");
        let entry = |path: &str, access| GrantEntry {
            path: path.to_owned(),
            access,
        };
        assert_eq!(
            narrowing.grant,
            Some(vec![
                entry("/", Some(Access::Read)),
                entry("/work", Some(Access::Write)),
                entry("/work/.git", None),
            ])
        );
        assert_eq!(narrowing.drop_env, ["TOKEN"]);
    }

    #[test]
    fn a_verdict_keeps_what_it_was_given() {
        let verdict = Verdict::ask("sure?").rule("r").details("{}");
        assert_eq!(verdict.decision, Decision::Ask("sure?".to_owned()));
        assert_eq!(verdict.rule.as_deref(), Some("r"));
        assert_eq!(verdict.details.as_deref(), Some("{}"));
        assert_eq!(Verdict::abstain().narrowing, None);
    }
}
