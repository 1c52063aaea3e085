//! Answers that are too much, or not what was asked for.

use lockgate_policy::{Decision, Description, Narrowing, Verdict};

/// Text that is not fit for a terminal, a log or a sentence.
pub(crate) const UNFIT: &str = "\u{1b}]0;title\u{7}two\nlines\u{0}\u{202e}";

/// Much more than anybody needs, and less than the memory that a policy may have.
const GIANT: usize = 8 << 20;
const MANY: usize = 200_000;

fn giant() -> String {
    "g".repeat(GIANT)
}

/// A verdict that is wrong by itself, if the deed is one.
pub(crate) fn verdict(deed: &str) -> Option<Verdict> {
    let narrowed = |narrowing| Verdict::allow().narrow(narrowing);
    let grant = |path: &str| narrowed(Narrowing::new().write(path));
    Some(match deed {
        "giant-reason" => Verdict::deny(giant()),
        "giant-prompt" => Verdict::ask(giant()),
        "giant-rule" => Verdict::allow().rule(giant()),
        "giant-details" => Verdict::allow().details(format!("{:?}", giant())),
        "giant-path" => narrowed(Narrowing::new().read(format!("/{}", giant()))),
        "many-grants" => narrowed((0..MANY).fold(Narrowing::new(), |narrowing, number| {
            narrowing.read(format!("/{number}"))
        })),
        "many-names" => narrowed(Narrowing {
            drop_env: vec![String::new(); MANY],
            ..Narrowing::new()
        }),
        // Little in the guest, much in the host: each empty string is a pointer and a length here.
        "many-empty-grants" => {
            narrowed((0..MANY).fold(Narrowing::new(), |narrowing, _| narrowing.nothing("")))
        }
        "unfit-reason" => Verdict::deny(UNFIT).rule(UNFIT),
        "empty-reason" => Verdict::deny("").rule(""),
        "unfit-details" => Verdict::allow().details("{\"open\": "),
        "relative-grant" => grant("work"),
        "dotted-grant" => grant("/srv/../etc"),
        "nul-grant" => grant("/work\0"),
        "empty-grant" => narrowed(Narrowing {
            grant: Some(Vec::new()),
            ..Narrowing::new()
        }),
        "unfit-names" => narrowed(Narrowing::new().drop_env("A=B").drop_env("\0")),
        "no-time" => narrowed(Narrowing::new().time_limit(0).output_limit(0)),
        "all-time" => narrowed(Narrowing::new().time_limit(u64::MAX).output_limit(u64::MAX)),
        "abstain-narrowing" => {
            Verdict::from(Decision::Abstain).narrow(Narrowing::new().nothing("/"))
        }
        _ => return None,
    })
}

/// A description that is wrong, if the deed is one.
pub(crate) fn description(deed: &str, right: Description) -> Description {
    let named = |name: &str| Description {
        name: name.to_owned(),
        ..right.clone()
    };
    match deed {
        "giant" => named(&giant()),
        "bad-name" => named("Not A Name\n"),
        "long-name" => named(&"n".repeat(65)),
        "no-name" => named(""),
        "bad-version" => Description {
            version: "latest".to_owned(),
            ..right
        },
        "unfit-summary" => Description {
            summary: UNFIT.to_owned(),
            ..right
        },
        "no-actions" => Description {
            actions: Vec::new(),
            ..right
        },
        "many-actions" => Description {
            actions: right.actions.repeat(MANY),
            ..right
        },
        _ => right,
    }
}
