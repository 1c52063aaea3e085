//! Properties of a chain, for any answers of any number of policies.

use lockgate_policy_gate::{
    Access, Answer, Decision, Default, GrantEntry, Narrowing, Outcome, Ruling, Verdict,
};
use proptest::prelude::*;

fn decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        Just(Decision::Allow),
        Just(Decision::Abstain),
        "[a-c]".prop_map(|reason| Decision::Deny { reason }),
        "[a-c]".prop_map(|prompt| Decision::Ask { prompt }),
    ]
}

fn grant() -> impl Strategy<Value = Vec<GrantEntry>> {
    let access = prop_oneof![
        Just(None),
        Just(Some(Access::Look)),
        Just(Some(Access::Write))
    ];
    let entry = ("/[a-c]", access).prop_map(|(path, access)| GrantEntry { path, access });
    prop::collection::vec(entry, 0..3)
}

prop_compose! {
    fn narrowing()(
        grant in prop::option::of(grant()),
        drop_env in prop::collection::vec("[A-C]", 0..3),
        time_limit in prop::option::of(0u64..5),
        output_limit in prop::option::of(0u64..5),
    ) -> Narrowing {
        Narrowing { grant, drop_env, time_limit, output_limit }
    }
}

prop_compose! {
    fn answer()(
        policy in "[a-c]",
        decision in decision(),
        narrowing in prop::option::of(narrowing()),
        rule in prop::option::of("[r-s]"),
    ) -> Answer {
        let verdict = Verdict { decision, narrowing, rule, details: None };
        Answer { policy, verdict }
    }
}

fn default() -> impl Strategy<Value = Default> {
    prop_oneof![
        Just(Default::Allow),
        Just(Default::Deny),
        Just(Default::Ask)
    ]
}

fn strictness(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Allow => 0,
        Outcome::Ask(_) => 1,
        Outcome::Deny { .. } => 2,
    }
}

/// None: no opinion.
fn opinion(decision: &Decision) -> Option<u8> {
    match decision {
        Decision::Abstain => None,
        Decision::Allow => Some(0),
        Decision::Ask { .. } => Some(1),
        Decision::Deny { .. } => Some(2),
    }
}

fn by_default(default: Default) -> u8 {
    match default {
        Default::Allow => 0,
        Default::Ask => 1,
        Default::Deny => 2,
    }
}

/// The limits and the lists, in an order that does not depend on the chain's.
fn narrowed(ruling: &Ruling) -> (Vec<String>, Vec<String>, Option<u64>, Option<u64>) {
    let mut grants: Vec<String> = ruling
        .grants
        .iter()
        .map(|list| format!("{list:?}"))
        .collect();
    grants.sort();
    (
        grants,
        ruling.drop_env.clone(),
        ruling.time_limit,
        ruling.output_limit,
    )
}

/// Whether `one` lets nothing pass that `other` does not.
fn is_within(one: Option<u64>, other: Option<u64>) -> bool {
    other.is_none_or(|other| one.is_some_and(|one| one <= other))
}

proptest! {
    #[test]
    fn the_strictest_answer_holds_and_the_default_only_where_nobody_has_an_opinion(
        answers in prop::collection::vec(answer(), 0..6), default in default(),
    ) {
        let strictest = answers.iter().filter_map(|answer| opinion(&answer.verdict.decision)).max();
        let ruling = Ruling::of(answers.clone(), default);
        prop_assert_eq!(strictness(&ruling.outcome), strictest.unwrap_or(by_default(default)));
        // Whoever is named as the one who said so has said so.
        if let Outcome::Deny { policy: Some(policy), reason, rule } = &ruling.outcome {
            let said = Decision::Deny { reason: reason.clone() };
            let first = answers.iter().find(|answer| matches!(answer.verdict.decision, Decision::Deny { .. }));
            let first = first.expect("somebody denied");
            prop_assert_eq!((&first.policy, &first.verdict.decision, &first.verdict.rule), (policy, &said, rule));
        }
    }

    #[test]
    fn the_order_of_policies_decides_over_nothing_but_whose_words_are_used(
        (answers, shuffled) in prop::collection::vec(answer(), 0..6)
            .prop_flat_map(|answers| (Just(answers.clone()), Just(answers).prop_shuffle())),
        default in default(),
    ) {
        let (one, other) = (Ruling::of(answers, default), Ruling::of(shuffled, default));
        prop_assert_eq!(strictness(&one.outcome), strictness(&other.outcome));
        prop_assert_eq!(narrowed(&one), narrowed(&other));
    }

    #[test]
    fn one_more_policy_never_makes_anything_larger(
        answers in prop::collection::vec(answer(), 0..5), more in answer(), default in default(),
    ) {
        let before = Ruling::of(answers.clone(), default);
        let had_opinion = answers.iter().any(|answer| opinion(&answer.verdict.decision).is_some());
        let mut all = answers;
        all.push(more);
        let after = Ruling::of(all, default);
        if had_opinion {
            prop_assert!(strictness(&after.outcome) >= strictness(&before.outcome));
        }
        prop_assert!(is_within(after.time_limit, before.time_limit));
        prop_assert!(is_within(after.output_limit, before.output_limit));
        prop_assert!(before.drop_env.iter().all(|name| after.drop_env.contains(name)));
        prop_assert_eq!(&after.grants[..before.grants.len()], &before.grants[..]);
    }
}
