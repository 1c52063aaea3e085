//! Requests that this server does not take, in words: what is wrong with one, and what there is instead. The SDK answers with a method's name and nothing more.

use rmcp::model::{CustomRequest, ErrorCode, ErrorData};
use serde_json::Value;

use super::answer;

/// A request that is taken, and the parameters that it needs or may have.
struct Taken {
    method: &'static str,
    needs: &'static [Parameter],
    may_have: &'static [Parameter],
}

type Parameter = (&'static str, Kind);

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Object,
}

impl Kind {
    fn has(self, value: &Value) -> bool {
        match self {
            Kind::Text => value.is_string(),
            Kind::Object => value.is_object(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Object => "an object",
        }
    }
}

const TAKEN: [Taken; 5] = [
    Taken {
        method: "initialize",
        needs: &[
            ("protocolVersion", Kind::Text),
            ("capabilities", Kind::Object),
            ("clientInfo", Kind::Object),
        ],
        may_have: &[],
    },
    Taken {
        method: "ping",
        needs: &[],
        may_have: &[],
    },
    Taken {
        method: "server/discover",
        needs: &[],
        may_have: &[],
    },
    Taken {
        method: "tools/list",
        needs: &[],
        may_have: &[("cursor", Kind::Text)],
    },
    Taken {
        method: "tools/call",
        needs: &[("name", Kind::Text)],
        may_have: &[
            ("arguments", Kind::Object),
            ("requestState", Kind::Text),
            ("inputResponses", Kind::Object),
        ],
    },
];

/// A method that is not here.
pub(super) fn method(method: &str) -> ErrorData {
    let all: Vec<_> = TAKEN.iter().map(|taken| taken.method).collect();
    let text = format!(
        "this server does not have `{}`: it has tools and nothing else, and takes {}",
        answer::cut(method.to_owned()),
        all.join(", ")
    );
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, text, None)
}

/// What the SDK could read as no request that it knows: also one that it knows, with parameters that do not fit.
pub(super) fn unreadable(request: &CustomRequest) -> ErrorData {
    let taken = TAKEN.iter().find(|taken| taken.method == request.method);
    match taken {
        Some(taken) => ErrorData::invalid_params(taken.misses(request.params.as_ref()), None),
        None => method(&request.method),
    }
}

impl Taken {
    fn misses(&self, params: Option<&Value>) -> String {
        let method = self.method;
        let find = |name: &str| params.and_then(|params| params.get(name));
        for (name, kind) in self.needs {
            let words = kind.words();
            match find(name) {
                None => return format!("`{method}` needs `{name}`, {words}: it is missing"),
                Some(value) if !kind.has(value) => {
                    return format!("`{name}` of `{method}` must be {words}");
                }
                Some(_) => {}
            }
        }
        let meta = ("_meta", Kind::Object);
        for (name, kind) in self.may_have.iter().chain([&meta]) {
            if find(name).is_some_and(|value| !kind.has(value)) {
                return format!("`{name}` of `{method}` must be {}", kind.words());
            }
        }
        let all: Vec<_> = self
            .needs
            .iter()
            .chain(self.may_have)
            .map(|(name, _)| *name)
            .collect();
        format!(
            "something within the parameters of `{method}` ({}) has not the shape that the protocol gives it",
            all.join(", ")
        )
    }
}

/// Handlers of what the SDK knows and this server does not have.
macro_rules! handlers {
    ($($handler:ident($($params:ty)?) -> $result:ty = $method:literal;)*) => {$(
        async fn $handler(
            &self,
            $(_params: $params,)?
            _context: RequestContext<RoleServer>,
        ) -> Result<$result, ErrorData> {
            Err(absent::method($method))
        }
    )*};
}
pub(super) use handlers;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_with_parameters_is_told_by_their_names() {
        for (method, params, code, text) in [
            (
                "tools/call",
                None,
                -32602,
                "`tools/call` needs `name`, a text: it is missing",
            ),
            (
                "tools/call",
                Some(json!({"name": 7})),
                -32602,
                "`name` of `tools/call` must be a text",
            ),
            (
                "tools/call",
                Some(json!({"name": "read", "arguments": "a"})),
                -32602,
                "`arguments` of `tools/call` must be an object",
            ),
            (
                "tools/list",
                Some(json!({"cursor": 1})),
                -32602,
                "`cursor` of `tools/list` must be a text",
            ),
            (
                "tools/list",
                Some(json!({"_meta": 1})),
                -32602,
                "`_meta` of `tools/list` must be an object",
            ),
            (
                "initialize",
                Some(json!({})),
                -32602,
                "`initialize` needs `protocolVersion`, a text: it is missing",
            ),
            (
                "no/such",
                None,
                -32601,
                "this server does not have `no/such`: it has tools and nothing else, and takes initialize, ping, server/discover, tools/list, tools/call",
            ),
        ] {
            let error = unreadable(&CustomRequest::new(method, params));
            assert_eq!((error.code.0, &*error.message), (code, text), "{method}");
        }
    }
}
