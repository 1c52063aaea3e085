//! Bad messages: each is told apart, none panics, none is taken for something else.

use lockgate_wire::limits::{JSON_VALUES, MESSAGE_BYTES};
use lockgate_wire::{Incoming, Malformed, Verbatim, decode_params, fs, process};

#[test]
fn a_message_that_is_no_message_is_refused_with_the_reason() {
    for (message, reason) in [
        ("", "EOF while parsing"),
        (" ", "EOF while parsing"),
        ("{", "EOF while parsing"),
        ("nul", "EOF while parsing"),
        ("null", "expected one JSON-RPC message"),
        ("7", "expected one JSON-RPC message"),
        ("\"initialize\"", "expected one JSON-RPC message"),
        ("[]", "expected one JSON-RPC message"),
        (
            r#"[{"id":1,"method":"m"}]"#,
            "expected one JSON-RPC message",
        ),
        ("{}", "neither `method` nor `id`"),
        (r#"{"jsonrpc":"2.0"}"#, "neither `method` nor `id`"),
        (r#"{"result":1}"#, "neither `method` nor `id`"),
        (
            r#"{"error":{"code":1,"message":"m"}}"#,
            "neither `method` nor `id`",
        ),
        (r#"{"id":1}"#, "no `method`, `result` or `error`"),
        (
            r#"{"id":1,"params":{}}"#,
            "no `method`, `result` or `error`",
        ),
        (r#"{"id":null,"method":"m"}"#, "`id` is null"),
        (r#"{"id":null,"result":1}"#, "`id` is null"),
        (r#"{"id":1.0,"method":"m"}"#, "a 64-bit integer as `id`"),
        (r#"{"id":1e3,"method":"m"}"#, "a 64-bit integer as `id`"),
        (r#"{"id":true,"method":"m"}"#, "a 64-bit integer as `id`"),
        (r#"{"id":[1],"method":"m"}"#, "a 64-bit integer as `id`"),
        (r#"{"id":{},"method":"m"}"#, "a 64-bit integer as `id`"),
        (
            r#"{"id":9223372036854775808,"method":"m"}"#,
            "a 64-bit integer as `id`",
        ),
        (
            r#"{"id":-9223372036854775809,"method":"m"}"#,
            "a 64-bit integer as `id`",
        ),
        (
            r#"{"id":123456789012345678901234567890,"method":"m"}"#,
            "a 64-bit integer as `id`",
        ),
        (r#"{"id":01,"method":"m"}"#, "invalid number"),
        (r#"{"id":1,"method":null}"#, "expected a string"),
        (r#"{"id":1,"method":7}"#, "expected a string"),
        (r#"{"id":1,"method":"\ud800"}"#, "hex escape"),
        (r#"{"id":1,"method":"\udc00\ud800"}"#, "surrogate"),
        ("{\"id\":1,\"method\":\"a\nb\"}", "control character"),
        (r#"{"id":1,"id":1,"method":"m"}"#, "duplicate field `id`"),
        (
            r#"{"id":1,"method":"m","method":"m"}"#,
            "duplicate field `method`",
        ),
        (
            r#"{"method":"m","params":null,"params":{}}"#,
            "duplicate field `params`",
        ),
        (
            r#"{"id":1,"method":"m","trace":null,"trace":null}"#,
            "duplicate field `trace`",
        ),
        (
            r#"{"id":1,"result":1,"result":1}"#,
            "duplicate field `result`",
        ),
        (
            r#"{"id":1,"error":{"code":1},"method":null}"#,
            "missing field `message`",
        ),
        (r#"{"id":1,"method":"m"} x"#, "trailing characters"),
        (
            r#"{"id":1,"method":"m"}{"id":2,"method":"m"}"#,
            "trailing characters",
        ),
        (r#"{"id":1,"method":"m",}"#, "trailing comma"),
        (r#"{id:1,"method":"m"}"#, "key must be a string"),
        (
            r#"{"id":1,"method":"m","params":{"a":1}"#,
            "EOF while parsing",
        ),
        ("\u{feff}{\"id\":1,\"method\":\"m\"}", "expected value"),
    ] {
        let error = Incoming::parse(message).expect_err(message);
        assert!(error.to_string().contains(reason), "{message}: {error}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let message = b"{\"id\":1,\"method\":\"\xff\"}";
    assert!(matches!(
        Incoming::parse_bytes(message),
        Err(Malformed::NotUtf8(_))
    ));
}

#[test]
fn shapes_are_told_apart_in_the_order_of_the_protocol() {
    let kind = |message: &str| match Incoming::parse(message).expect(message) {
        Incoming::Request(request) => format!("request {} {}", request.id, request.method),
        Incoming::Notification(note) => format!("notification {}", note.method),
        Incoming::Response(reply) => format!("response {} {}", reply.id, reply.result.get()),
        Incoming::Error(reply) => format!(
            "error {} {} {}",
            reply.id, reply.error.code, reply.error.message
        ),
    };
    for (message, wanted) in [
        (r#"{"id":1,"method":"m"}"#, "request 1 m"),
        (r#"{"method":"m","id":"a\u0062"}"#, "request ab m"),
        (
            r#"{"jsonrpc":"2.0","id":-5,"method":"m","x":[{}],"x":1}"#,
            "request -5 m",
        ),
        (
            r#"{"id":1,"method":"m","result":1,"error":{"code":1,"message":"e"}}"#,
            "request 1 m",
        ),
        (
            r#"{"id":9223372036854775807,"method":"m"}"#,
            "request 9223372036854775807 m",
        ),
        (r#"{"method":"m","result":1}"#, "notification m"),
        (r#"{"method":"\u006d"}"#, "notification m"),
        (r#"{"id":1,"result":null}"#, "response 1 null"),
        (
            r#"{"id":1,"result":{"a":1},"error":{"code":1,"message":"e"}}"#,
            "response 1 {\"a\":1}",
        ),
        (
            r#"{"id":-1,"error":{"code":-32600,"message":"e","data":[1]}}"#,
            "error -1 -32600 e",
        ),
        (
            "\n { \"id\" : 1 ,\t\"method\" : \"m\" } \r\n",
            "request 1 m",
        ),
    ] {
        assert_eq!(kind(message), wanted, "{message}");
    }
}

#[test]
fn missing_and_null_params_are_the_same() {
    for message in [
        r#"{"id":1,"method":"m"}"#,
        r#"{"id":1,"method":"m","params":null,"trace":null}"#,
    ] {
        let Ok(Incoming::Request(request)) = Incoming::parse(message) else {
            panic!("{message}")
        };
        assert!(request.params.is_none() && request.trace.is_none());
    }
}

#[test]
fn ten_thousand_levels_of_nesting_do_not_overflow_the_stack() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    for nested in [deep("[", "]"), deep(r#"{"a":"#, "}").replacen("}", "1}", 1)] {
        assert!(Incoming::parse(&nested).is_err());

        // Where nothing looks, depth is allowed: members that are not known are skipped without recursion.
        let message = format!(r#"{{"id":1,"method":"m","params":{nested},"other":{nested}}}"#);
        let Ok(Incoming::Request(request)) = Incoming::parse(&message) else {
            panic!("the envelope is fine")
        };
        assert!(decode_params::<fs::CloseParams>(request.params).is_err());

        let unknown = params(&format!(r#"{{"handleId":"h","x":{nested}}}"#));
        assert!(decode_params::<fs::CloseParams>(Some(unknown)).is_ok());

        for member in ["sandbox", "managedNetwork", "networkProxy", "env"] {
            let start = params(&format!(
                r#"{{"processId":"p","argv":["a"],"cwd":"/","env":{{}},"tty":false,"{member}":{nested}}}"#
            ));
            let error = decode_params::<process::StartParams>(Some(start)).expect_err(member);
            assert!(error.len() < 300, "{error}");
        }
        let read = params(&format!(
            r#"{{"path":"/a","sandbox":{{"permissions":{nested}}}}}"#
        ));
        assert!(decode_params::<fs::ReadFileParams>(Some(read)).is_err());
    }
}

#[test]
fn a_message_of_too_many_values_is_refused_before_it_is_decoded() {
    let bomb = format!(
        r#"{{"id":1,"method":"m","params":[{}0]}}"#,
        "[],".repeat(JSON_VALUES)
    );
    assert_eq!(
        Incoming::parse(&bomb).expect_err("refused"),
        Malformed::TooManyValues
    );

    let many = format!(
        r#"{{"id":1,"method":"m","params":[{}0]}}"#,
        "1,".repeat(JSON_VALUES - 5)
    );
    assert!(Incoming::parse(&many).is_ok());
}

#[test]
fn one_string_of_nearly_the_whole_message_is_fine() {
    let message = format!(
        r#"{{"id":1,"method":"m","params":{{"dataBase64":"{}"}}}}"#,
        "QUJD".repeat(MESSAGE_BYTES / 4 - 64)
    );
    assert!(Incoming::parse(&message).is_ok());
}

#[test]
fn params_that_do_not_fit_say_which_member() {
    fn start(members: &str) -> String {
        let raw = params(&format!("{{{members}}}"));
        decode_params::<process::StartParams>(Some(raw)).expect_err(members)
    }
    const REST: &str = r#""argv":["a"],"env":{},"tty":false"#;
    for (members, reason) in [
        (r#""argv":[]"#.to_owned(), "missing field `processId`"),
        (
            format!(r#""processId":"p","cwd":"relative",{REST}"#),
            "path is not absolute",
        ),
        (
            format!(r#""processId":"p","cwd":"",{REST}"#),
            "path is empty",
        ),
        (
            format!(r#""processId":"p","cwd":"/a\u0000b",{REST}"#),
            "NUL",
        ),
        (
            format!(r#""processId":"p","cwd":"/\ud800",{REST}"#),
            "hex escape",
        ),
        (
            format!(r#""processId":"p","cwd":"/{}",{REST}"#, "a".repeat(5000)),
            "5001 bytes long",
        ),
        (
            format!(r#""processId":"p","cwd":"http://host/a",{REST}"#),
            "no other scheme",
        ),
        (
            format!(r#""processId":"p","cwd":"file://host/a",{REST}"#),
            "another host",
        ),
        (
            format!(r#""processId":"p","cwd":"file:///a%00b",{REST}"#),
            "NUL",
        ),
        (
            format!(r#""processId":"p","cwd":"file:///a%2Fb",{REST}"#),
            "percent-encoded `/`",
        ),
        (
            format!(r#""processId":"p","cwd":7,{REST}"#),
            "an absolute native path or a `file:` URI",
        ),
        (
            format!(r#""processId":"p","cwd":"/","processId":"q",{REST}"#),
            "duplicate field `processId`",
        ),
        (
            format!(
                r#""processId":"p","cwd":"/","tty":1,{}"#,
                r#""argv":[],"env":{}"#
            ),
            "expected a boolean",
        ),
        (
            format!(r#""processId":"p","cwd":"/","metadata":{{"threadId":"x"}},{REST}"#),
            "not a UUID",
        ),
        (
            format!(r#""processId":"p","cwd":"/","size":{{"rows":70000,"cols":1}},{REST}"#),
            "expected u16",
        ),
        (
            format!(r#""processId":"p","cwd":"/","envPolicy":{{"inherit":"some"}},{REST}"#),
            "unknown variant `some`",
        ),
        (
            format!(r#""processId":"p","cwd":"/","envPolicy":{{"inherit":"all"}},{REST}"#),
            "missing field",
        ),
    ] {
        let error = start(&members);
        assert!(error.contains(reason), "{members}: {error}");
        assert!(!error.contains(" at line "), "{error}");
    }
    let array = params(r#"["p"]"#);
    assert!(
        decode_params::<process::TerminateParams>(Some(array))
            .expect_err("refused")
            .contains("array")
    );
}

#[test]
fn members_with_rules_of_their_own() {
    let write = |members: &str| {
        let raw = params(&format!(r#"{{"processId":"p","chunk":"YQ=="{members}}}"#));
        decode_params::<process::WriteParams>(Some(raw)).map(|params| params.write_id)
    };
    assert_eq!(write(""), Ok(None));
    assert_eq!(write(r#","writeId":null"#), Ok(None));
    assert_eq!(write(r#","writeId":"1""#), Ok(Some("1".to_owned())));
    assert_eq!(
        write(r#","writeId":"""#),
        Err("writeId must not be empty".to_owned())
    );

    let signal = |name: &str| {
        let raw = params(&format!(r#"{{"processId":"p","signal":"{name}"}}"#));
        decode_params::<process::SignalParams>(Some(raw)).is_ok()
    };
    assert!(signal("interrupt"));
    assert!(!signal("SIGINT") && !signal("terminate") && !signal(""));

    let tool_call = |id: &str| {
        let metadata: process::StartMetadata =
            serde_json::from_value(serde_json::json!({ "toolCallId": id })).expect("decodes");
        metadata.tool_call_id.is_some()
    };
    assert!(tool_call("call_1-a.b:c") && tool_call(&"a".repeat(256)));
    assert!(!tool_call("a b") && !tool_call("\u{e9}") && !tool_call(&"a".repeat(257)));
}

/// One test, one process: what is leaked ends with it.
fn params(text: &str) -> Verbatim<'static> {
    serde_json::from_str(text.to_owned().leak()).expect("JSON")
}
