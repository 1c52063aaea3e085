//! Batches of protocol 2025-03-26: their messages go in one by one, and the answers come out together.

use std::collections::HashMap;

use rmcp::model::RequestId;
use serde_json::Value;

/// Those of which not everything is answered.
#[derive(Default)]
pub(super) struct Batches {
    last: u64,
    open: HashMap<u64, Batch>,
    /// Which one waits for the answer to that request.
    waiting: HashMap<RequestId, u64>,
}

struct Batch {
    waits_for: usize,
    answers: Vec<Value>,
}

impl Batches {
    /// Whether the answer to a request of that id belongs to a batch.
    pub(super) fn waits_for(&self, id: &RequestId) -> bool {
        self.waiting.contains_key(id)
    }

    /// One that waits for those, none of which another one waits for, and has these answers already. What is to be sent, if that is all.
    pub(super) fn begin(&mut self, requests: Vec<RequestId>, answers: Vec<Value>) -> Option<Value> {
        self.last += 1;
        let batch = Batch {
            waits_for: requests.len(),
            answers,
        };
        self.open.insert(self.last, batch);
        let ids = requests.into_iter().map(|id| (id, self.last));
        self.waiting.extend(ids);
        self.close_if_done(self.last)
    }

    /// The answer to a request. What is to be sent: that, or the answers of its batch, or nothing yet.
    pub(super) fn answered(&mut self, id: &RequestId, answer: Value) -> Option<Value> {
        let Some(number) = self.waiting.remove(id) else {
            return Some(answer);
        };
        if let Some(batch) = self.open.get_mut(&number) {
            batch.waits_for -= 1;
            batch.answers.push(answer);
        }
        self.close_if_done(number)
    }

    /// A request has been cancelled, and has no answer.
    pub(super) fn cancelled(&mut self, id: &RequestId) -> Option<Value> {
        let number = self.waiting.remove(id)?;
        self.open.get_mut(&number)?.waits_for -= 1;
        self.close_if_done(number)
    }

    /// What there is, when nothing more comes.
    pub(super) fn end(&mut self) -> Vec<Value> {
        self.waiting.clear();
        let all = std::mem::take(&mut self.open).into_values();
        all.filter_map(Batch::close).collect()
    }

    fn close_if_done(&mut self, number: u64) -> Option<Value> {
        if self.open.get(&number)?.waits_for > 0 {
            return None;
        }
        self.open.remove(&number)?.close()
    }
}

impl Batch {
    /// Nothing where nothing has an answer: an empty array is none.
    fn close(self) -> Option<Value> {
        (!self.answers.is_empty()).then_some(Value::Array(self.answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(number: i64) -> RequestId {
        RequestId::Number(number)
    }

    #[test]
    fn answers_of_a_batch_come_together_and_others_at_once() {
        let mut batches = Batches::default();
        assert_eq!(batches.begin(vec![id(1), id(2)], vec![json!("bad")]), None);
        assert_eq!(batches.begin(vec![id(3)], vec![]), None);
        assert_eq!(batches.answered(&id(2), json!("two")), None);
        assert_eq!(batches.answered(&id(9), json!("nine")), Some(json!("nine")));
        assert_eq!(
            batches.answered(&id(3), json!("three")),
            Some(json!(["three"]))
        );
        assert!(batches.waits_for(&id(1)) && !batches.waits_for(&id(2)));
        let all = json!(["bad", "two", "one"]);
        assert_eq!(batches.answered(&id(1), json!("one")), Some(all));
        assert_eq!(batches.answered(&id(1), json!("one")), Some(json!("one")));
    }

    #[test]
    fn a_batch_without_requests_is_answered_only_where_something_is_wrong_with_it() {
        let mut batches = Batches::default();
        assert_eq!(batches.begin(vec![], vec![]), None);
        assert_eq!(
            batches.begin(vec![], vec![json!("bad")]),
            Some(json!(["bad"]))
        );
        assert!(batches.open.is_empty());
    }

    #[test]
    fn what_is_cancelled_holds_its_batch_up_no_longer() {
        let mut batches = Batches::default();
        batches.begin(vec![id(1), id(2)], vec![]);
        assert_eq!(batches.answered(&id(1), json!("one")), None);
        assert_eq!(batches.cancelled(&id(2)), Some(json!(["one"])));
        batches.begin(vec![id(1)], vec![]);
        assert_eq!(batches.cancelled(&id(1)), None);
        assert_eq!(batches.cancelled(&id(1)), None);
        assert!(batches.open.is_empty() && batches.waiting.is_empty());
    }

    #[test]
    fn at_the_end_there_is_what_was_answered() {
        let mut batches = Batches::default();
        batches.begin(vec![id(1), id(2)], vec![]);
        batches.begin(vec![id(3)], vec![]);
        batches.answered(&id(1), json!("one"));
        assert_eq!(batches.end(), vec![json!(["one"])]);
        assert_eq!(batches.answered(&id(2), json!("two")), Some(json!("two")));
    }
}
