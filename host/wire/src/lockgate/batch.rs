//! `lockgate/fs/batch`: many file operations in one round trip, each with a result or an error of its own.

use lockgate_grant::profile::Sandbox;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::encode::{push_json, start_result};
use crate::{ErrorObject, Id, Method};

/// Params of `lockgate/fs/batch`. `P` is how the params of an item are kept, `S` how the profile is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchParams<P = Box<RawValue>, S = Sandbox> {
    /// 1 to [`crate::limits::BATCH_OPERATIONS`], done in this order.
    pub operations: Vec<BatchOperation<P>>,
    /// Profile that all of them act under; an operation has none of its own.
    #[serde(default = "Option::default", alias = "sandboxPolicy")]
    pub sandbox: Option<S>,
    /// After an operation that failed none is done any more.
    #[serde(default)]
    pub stop_on_error: bool,
}

/// One operation of a batch: a request without an id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BatchOperation<P = Box<RawValue>> {
    /// A method that is one request and one answer about files.
    pub method: String,
    /// Its params, without `sandbox`.
    #[serde(default = "Option::default")]
    pub params: Option<P>,
}

impl BatchOperation {
    /// An operation from the params that a call of its own takes; their `sandbox` must be none.
    pub fn new(method: Method, params: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(BatchOperation {
            method: method.name().to_owned(),
            params: Some(serde_json::value::to_raw_value(params)?),
        })
    }
}

/// Result of `lockgate/fs/batch`. Servers send it with [`BatchAnswer`].
#[derive(Debug, Serialize, Deserialize)]
pub struct BatchResult {
    /// As many as there were operations, in their order.
    pub results: Vec<BatchOutcome>,
}

/// What came of one operation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BatchOutcome {
    /// What a call of its own would have answered.
    Result(Box<RawValue>),
    /// As an error of its own would be; also for what was not done any more.
    Error(ErrorObject),
}

/// The answer to a batch, written as its operations are done.
#[derive(Debug)]
pub struct BatchAnswer {
    message: String,
    any: bool,
}

impl BatchAnswer {
    /// An answer to that request, without any outcome yet.
    pub fn new(id: &Id) -> BatchAnswer {
        let mut message = start_result(id, 256);
        message.push_str(r#"{"results":["#);
        BatchAnswer {
            message,
            any: false,
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.message.len()
    }

    /// Adds a result, which is JSON.
    pub fn result(&mut self, json: &str) {
        self.next();
        self.message.push_str(r#"{"result":"#);
        self.message.push_str(json);
        self.message.push('}');
    }

    /// Adds an error.
    pub fn error(&mut self, code: i64, text: &str) {
        self.next();
        self.message.push_str(r#"{"error":{"code":"#);
        push_json(&mut self.message, &code);
        self.message.push_str(r#","message":"#);
        push_json(&mut self.message, text);
        self.message.push_str("}}");
    }

    /// The whole message.
    pub fn finish(mut self) -> String {
        self.message.push_str("]}}");
        self.message
    }

    fn next(&mut self) {
        if self.any {
            self.message.push(',');
        }
        self.any = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_its_type_says() {
        let mut answer = BatchAnswer::new(&Id::Number(7));
        answer.result(r#"{"size":3}"#);
        answer.error(-32004, "no \"such\" file");
        answer.result("{}");
        let text = answer.finish();
        let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(message["id"], 7);
        let result: BatchResult =
            serde_json::from_value(message["result"].clone()).expect("the type");
        assert!(
            matches!(&result.results[0], BatchOutcome::Result(json) if json.get() == r#"{"size":3}"#)
        );
        assert!(
            matches!(&result.results[1], BatchOutcome::Error(error) if error.code == -32004 && error.message == "no \"such\" file")
        );
        assert_eq!(result.results.len(), 3);
        let empty = BatchAnswer::new(&Id::Number(1)).finish();
        assert_eq!(empty, r#"{"id":1,"result":{"results":[]}}"#);
    }
}
