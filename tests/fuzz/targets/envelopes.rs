//! Messages: nothing that comes over the wire makes the reader panic, and what it understands is what was said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_wire::{Incoming, has_bytes, split_bytes};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((head, begin)) = split_bytes(bytes) {
        assert!(has_bytes(bytes) && begin <= bytes.len());
        assert_eq!(head.as_bytes(), &bytes[begin - head.len()..begin]);
    }
    let parsed = Incoming::parse_bytes(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(parsed.is_err(), "not UTF-8");
        return;
    };
    let again = Incoming::parse(text);
    assert_eq!(
        format!("{parsed:?}"),
        format!("{again:?}"),
        "text and bytes"
    );
    let Ok(message) = again else { return };

    // An independent reader, which keeps everything, must agree on what the members are.
    // (But it reads numbers and escapes that we pass on unread, and so refuses more.)
    let Ok(whole) = serde_json::from_str::<serde_json::Value>(text) else {
        return;
    };
    let member = |name: &str| whole.get(name);
    let same = |part: &str, name: &str| {
        let part: serde_json::Value = serde_json::from_str(part).expect("a part of what was read");
        assert_eq!(Some(&part), member(name), "{name}");
    };
    let (method, params) = match message {
        Incoming::Request(request) => {
            assert!(member("id").is_some());
            (request.method, request.params)
        }
        Incoming::Notification(notification) => (notification.method, notification.params),
        Incoming::Response(reply) => return same(reply.result.get(), "result"),
        Incoming::Error(_) => return assert!(member("error").is_some()),
    };
    assert_eq!(
        member("method").and_then(|method| method.as_str()),
        Some(&*method)
    );
    if let Some(params) = params {
        same(params.get(), "params");
    }
});
