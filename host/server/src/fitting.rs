//! Answers that no client takes: with more bytes or more values than a message may have. A client ends the connection over one, and with it all that runs there; so the
//! one request fails instead.

use lockgate_wire::limits::JSON_VALUES;
use lockgate_wire::too_many_values;

use crate::failure::Failure;
use crate::limits;

/// The answer, if it can be one.
pub(crate) fn fitting(text: String) -> Result<String, Failure> {
    let what = if text.len() > limits::MESSAGE_BYTES {
        format!("{} bytes", limits::MESSAGE_BYTES)
    } else if too_many_values(&text) {
        format!("{JSON_VALUES} JSON values")
    } else {
        return Ok(text);
    };
    Err(Failure::invalid_request(format!(
        "the answer has more than the {what} that a message may have: ask for less at once; lockgate/fs/listTree lists directories of any size"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_takes_is_a_failure() {
        let values = |count: usize| format!("[{}]", vec!["12345"; count].join(","));
        assert!(fitting("{}".to_owned()).is_ok());
        assert!(fitting(values(JSON_VALUES - 1)).is_ok());
        let refused = |text| {
            fitting(text)
                .map_err(|failure| failure.message)
                .expect_err("refused")
        };
        assert!(refused(values(JSON_VALUES)).contains("262144 JSON values"));
        let long = format!("\"{}\"", "x".repeat(limits::MESSAGE_BYTES));
        assert!(refused(long).contains("67108864 bytes"));
    }
}
