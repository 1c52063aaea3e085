//! A decision: every path of the action is asked, and the strictest answer holds.

use std::collections::BTreeMap;

use cedar_policy::{
    Authorizer, Context, Decision as Answer, Entities, PolicyId, PolicySet, Request, Response,
};
use lockgate_policy::{Action, Decision, Narrowing, Subject, Verdict, options};
use policy_parts::{MESSAGE_BYTES, NAME_BYTES, cut};

use crate::narrow;
use crate::question::{Question, questions};
use crate::rule::Rule;
use crate::text::Text;

/// The host takes no more.
const MOST_DETAILS: usize = 16 * 1024;

/// What one question came to.
enum Finding {
    Allow,
    Abstain,
    Ask(String),
    Deny(String),
}

/// A finding, the policies that it comes from, in the order of the text, and how they narrow.
struct Found<'a> {
    finding: Finding,
    rules: Vec<&'a Rule>,
    narrowing: Option<Narrowing>,
}

/// Asks Cedar about an action. An error is a deny: a policy that cannot be evaluated may be the one that forbids.
pub(crate) fn decide(text: &Text, subject: &Subject, action: &Action) -> Result<Verdict, String> {
    let walk = options::walk().filter(|_| text.has_walk);
    let asked = questions(subject, action, walk)?.into_iter();
    let found = asked
        .map(|question| ask(text, question))
        .collect::<Result<Vec<_>, _>>()?;
    let details = details(&found);
    let narrowings = found.iter().filter_map(|found| found.narrowing.clone());
    let narrowing = narrowings.reduce(narrow::both);
    // The first of equally strict ones: `max_by` would take the last.
    let strictest = found
        .iter()
        .rev()
        .max_by_key(|found| severity(&found.finding))
        .ok_or("nothing was asked")?;
    let names: Vec<_> = strictest.rules.iter().map(|rule| &*rule.name).collect();
    Ok(Verdict {
        decision: match &strictest.finding {
            Finding::Allow => Decision::Allow,
            Finding::Abstain => Decision::Abstain,
            Finding::Ask(prompt) => Decision::Ask(cut(prompt, MESSAGE_BYTES)),
            Finding::Deny(reason) => Decision::Deny(cut(reason, MESSAGE_BYTES)),
        },
        narrowing: narrowing.filter(|_| !matches!(strictest.finding, Finding::Deny(_))),
        rule: (!names.is_empty()).then(|| cut(&names.join(", "), NAME_BYTES)),
        details,
    })
}

/// Over the chain's own order: what nothing permits is not allowed because another path of the operation is.
fn severity(finding: &Finding) -> u8 {
    match finding {
        Finding::Allow => 0,
        Finding::Abstain => 1,
        Finding::Ask(_) => 2,
        Finding::Deny(_) => 3,
    }
}

fn ask(text: &Text, question: Question) -> Result<Found<'_>, String> {
    let words = question.words.clone();
    let (request, entities) = prepared(text, question)?;
    let (answer, deciding) = applying(text, &text.deciding, &request, &entities)?;
    let forbidden = answer == Answer::Deny && !deciding.is_empty();
    if forbidden {
        let reason = deciding.iter().find_map(|rule| rule.reason.clone());
        let reason =
            reason.unwrap_or_else(|| format!("the policy {:?} forbids {words}", deciding[0].name));
        return Ok(Found {
            finding: Finding::Deny(reason),
            rules: deciding,
            narrowing: None,
        });
    }
    let permitted = !deciding.is_empty();
    if !permitted && !text.abstains {
        return Ok(Found {
            finding: Finding::Deny(format!("no policy permits {words}")),
            rules: deciding,
            narrowing: None,
        });
    }
    // Whatever permits it: a forbid that asks holds too.
    let (_, asking) = applying(text, &text.asking, &request, &entities)?;
    let mut rules = deciding;
    let narrowings = rules.iter().filter_map(|rule| rule.narrowing.clone());
    let narrowing = narrowings.reduce(narrow::both);
    rules.extend(asking);
    rules.sort_by_key(|rule| rule.order);
    let mut prompts: Vec<&str> = Vec::new();
    for prompt in rules.iter().filter_map(|rule| rule.ask.as_deref()) {
        if !prompts.contains(&prompt) {
            prompts.push(prompt);
        }
    }
    let finding = match (prompts.is_empty(), permitted) {
        (false, _) => {
            let prompt = prompts.join(" ");
            rules.retain(|rule| rule.ask.is_some());
            Finding::Ask(prompt)
        }
        (true, true) => Finding::Allow,
        (true, false) => Finding::Abstain,
    };
    Ok(Found {
        finding,
        rules,
        narrowing,
    })
}

/// Checked against the schema, so that what was proved of the policies when they were validated holds for what they are evaluated on.
pub(crate) fn prepared(text: &Text, question: Question) -> Result<(Request, Entities), String> {
    let context = Context::from_pairs(question.context).map_err(|error| error.to_string())?;
    let schema = Some(&text.schema);
    let request = Request::new(
        question.principal,
        question.action,
        question.resource,
        context,
        schema,
    )
    .map_err(|error| format!("the schema does not fit what is asked: {error}"))?;
    let entities = text.entities.clone();
    let entities = entities
        .add_entities(question.entities, schema)
        .map_err(|error| format!("the schema does not fit what is asked about: {error}"))?;
    Ok((request, entities))
}

/// The policies of a set that apply, in the order of the text.
fn applying<'a>(
    text: &'a Text,
    set: &PolicySet,
    request: &Request,
    entities: &Entities,
) -> Result<(Answer, Vec<&'a Rule>), String> {
    if set.is_empty() {
        return Ok((Answer::Deny, Vec::new()));
    }
    let response = Authorizer::new().is_authorized(request, set, entities);
    whole(text, &response)?;
    let rule = |id: &PolicyId| text.rules.get(id);
    let mut rules: Vec<_> = response.diagnostics().reason().filter_map(rule).collect();
    rules.sort_by_key(|rule| rule.order);
    Ok((response.decision(), rules))
}

/// Nothing went wrong. Cedar itself would leave out the policies that cannot be evaluated, and a forbid could be among them.
fn whole(text: &Text, response: &Response) -> Result<(), String> {
    let errors = response.diagnostics().errors().map(|error| {
        let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
        let rule = text.rules.get(error.policy_id());
        let name = rule.map_or_else(|| error.policy_id().to_string(), |rule| rule.name.clone());
        (rule.map(|rule| rule.order), name, error.inner().to_string())
    });
    match errors.min() {
        None => Ok(()),
        Some((_, name, error)) => Err(format!("the policy {name:?} cannot be evaluated: {error}")),
    }
}

/// All policies that applied, for each path.
fn details(found: &[Found<'_>]) -> Option<String> {
    let asked: Vec<_> = found
        .iter()
        .map(|found| {
            let decision = match found.finding {
                Finding::Allow => "allow",
                Finding::Abstain => "abstain",
                Finding::Ask(_) => "ask",
                Finding::Deny(_) => "deny",
            };
            let policies: Vec<_> = found.rules.iter().map(|rule| &*rule.name).collect();
            BTreeMap::from([
                ("decision", serde_json::json!(decision)),
                ("policies", serde_json::json!(policies)),
            ])
        })
        .collect();
    let text = serde_json::json!({ "asked": asked }).to_string();
    (text.len() <= MOST_DETAILS).then_some(text)
}
