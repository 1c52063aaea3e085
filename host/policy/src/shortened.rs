//! An action that is too long for a line of the decision log, cut: the log still says what it was, and that there was more.
//!
//! A client chooses how long its command line is. If all of a long one were left out, padding would be a way to run something that no log
//! has. So every member stays, and of a long text or list its beginning and its end: what stands before padding, and what stands behind it.

use serde_json::Value;

use crate::limits;

/// The same, with nothing in it that is long.
pub(crate) fn shortened(value: Value) -> Value {
    match value {
        Value::String(long) => Value::String(text(long)),
        Value::Array(long) => Value::Array(list(long)),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, shortened(member)))
            .collect(),
        other => other,
    }
}

fn text(long: String) -> String {
    if long.len() <= limits::CUT_BEGINNING_BYTES + limits::CUT_END_BYTES {
        return long;
    }
    let begin = long.floor_char_boundary(limits::CUT_BEGINNING_BYTES);
    let end = long.ceil_char_boundary(long.len() - limits::CUT_END_BYTES);
    format!(
        "{}[{} bytes left out]{}",
        &long[..begin],
        end - begin,
        &long[end..]
    )
}

fn list(long: Vec<Value>) -> Vec<Value> {
    let short: Vec<Value> = long.into_iter().map(shortened).collect();
    let bytes: Vec<usize> = short.iter().map(|item| item.to_string().len()).collect();
    let fit = |bytes: &mut dyn Iterator<Item = &usize>, most: usize| {
        let mut sum = 0;
        bytes
            .take_while(|item| {
                sum += **item;
                sum <= most
            })
            .count()
    };
    if bytes.iter().sum::<usize>() <= limits::CUT_LIST_BYTES {
        return short;
    }
    // One item alone is never longer than that.
    let begin = fit(&mut bytes.iter(), limits::CUT_LIST_BYTES / 4 * 3);
    let end = fit(&mut bytes[begin..].iter().rev(), limits::CUT_LIST_BYTES / 4);
    let left_out = short.len() - begin - end;
    let are_texts = short.iter().all(Value::is_string);
    let mark =
        (are_texts && left_out > 0).then(|| Value::String(format!("[{left_out} items left out]")));
    let (head, tail) = short.split_at(begin);
    let tail = &tail[left_out..];
    head.iter()
        .cloned()
        .chain(mark)
        .chain(tail.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_what_is_long_the_beginning_and_the_end_stay() {
        let padding = "\u{e9}".repeat(100_000);
        let words = vec!["p".repeat(100); 10_000];
        let mut argv = vec!["env".to_owned(), format!("first{padding}last")];
        argv.extend(words);
        argv.push("hidden".to_owned());
        let cut = shortened(json!({"kind": "process-start", "argv": argv, "cwd": "/w"}));
        assert_eq!(
            (&cut["kind"], &cut["cwd"]),
            (&json!("process-start"), &json!("/w"))
        );
        let kept = cut["argv"].as_array().expect("a list");
        assert_eq!(
            (&kept[0], kept.last()),
            (&json!("env"), Some(&json!("hidden")))
        );
        let long = kept[1].as_str().expect("a text");
        assert!(
            long.starts_with("first\u{e9}") && long.ends_with("\u{e9}last"),
            "{long}"
        );
        assert!(long.contains(" bytes left out]"), "{long}");
        assert!(cut.to_string().contains(" items left out]"));
        assert!(cut.to_string().len() < 2 * limits::CUT_LIST_BYTES);
    }

    #[test]
    fn what_is_short_stays_as_it_is_and_what_is_shortened_is_short() {
        let short = json!({"a": ["b", 1, null, {"c": true}], "d": "e"});
        assert_eq!(shortened(short.clone()), short);
        let long = json!([{"path": "\u{0}".repeat(1 << 20)}, ["x".repeat(1 << 20)]]);
        let once = shortened(long);
        assert!(once.to_string().len() < 2 * limits::CUT_LIST_BYTES);
    }
}
