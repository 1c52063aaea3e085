//! What a client asks for, checked: past here only requests that can be sent as they stand.

use std::time::Duration;

use bytes::Bytes;
use lockgate_wire::Base64Text;
use lockgate_wire::http::{Header, RedirectPolicy, RequestParams};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::options::HttpOptions;
use crate::failure::Failure;
use crate::limits;

/// One hop as it is sent.
#[derive(Clone)]
pub(crate) struct Question {
    pub(super) method: Method,
    /// Without user name, password and fragment.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// These stay with the origin that they were meant for, whatever their names are.
    pub(super) secret: Vec<HeaderName>,
    pub(super) body: Option<Bytes>,
    pub(super) follow: bool,
    pub(super) timeout: Option<Duration>,
}

impl Question {
    /// Checks the parameters. `variable` reads the executor's environment.
    pub(crate) fn new(
        params: RequestParams<'_>,
        options: &HttpOptions,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Question, Failure> {
        let body = match params.body_base64 {
            None => None,
            Some(body) => Some(Bytes::from(body.decode().map_err(|error| {
                Failure::invalid_params(format!("bodyBase64 must be base64: {error}"))
            })?)),
        };
        let mut secret = Vec::new();
        let url = url(&params.url)?;
        let mut question = Question {
            method: method(&params.method)?,
            headers: headers(params.headers, &mut secret, options, variable)?,
            url,
            secret,
            body,
            follow: params.redirect_policy == RedirectPolicy::Follow,
            timeout: params.timeout_ms.map(Duration::from_millis),
        };
        question.move_credentials();
        question.check_framing()?;
        question.check_host(options)?;
        Ok(question)
    }

    /// User name and password of the URL become a header, as every client has it, and the URL can be shown to policies.
    pub(super) fn move_credentials(&mut self) {
        self.url.set_fragment(None);
        if self.url.username().is_empty() && self.url.password().is_none() {
            return;
        }
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        let mut pair = decoded(self.url.username());
        pair.push(b':');
        pair.extend(decoded(self.url.password().unwrap_or_default()));
        // An http URL has a host, so both can be set.
        let _ = self.url.set_username("");
        let _ = self.url.set_password(None);
        let basic = format!("Basic {}", Base64Text::encode(&pair).as_str());
        if !self.headers.contains_key(header::AUTHORIZATION)
            && let Ok(mut value) = HeaderValue::from_str(&basic)
        {
            value.set_sensitive(true);
            self.headers.insert(header::AUTHORIZATION, value);
        }
    }

    /// Where a message ends is told by us. Two that disagree on it are how requests are smuggled.
    fn check_framing(&mut self) -> Result<(), Failure> {
        let length = self.body.as_ref().map_or(0, Bytes::len).to_string();
        let lengths = self.headers.get_all(header::CONTENT_LENGTH);
        if lengths.iter().any(|value| value != length.as_str()) {
            return Err(Failure::invalid_params(format!(
                "content-length is not the length of the body, {length} bytes: leave it out"
            )));
        }
        self.headers.remove(header::CONTENT_LENGTH);
        for name in [header::TRANSFER_ENCODING, header::UPGRADE] {
            if self.headers.contains_key(&name) {
                return Err(Failure::invalid_params(format!(
                    "http/request does not take the header {name}: how a message is framed is not the client's to say"
                )));
            }
        }
        Ok(())
    }

    /// Where rules are about the URL's host, no header says another one: one server often has many hosts.
    fn check_host(&self, options: &HttpOptions) -> Result<(), Failure> {
        let hosts = self.headers.get_all(header::HOST);
        if hosts.iter().count() > 1 {
            return Err(Failure::invalid_params(
                "there is more than one host header",
            ));
        }
        let other = hosts
            .iter()
            .any(|host| host.as_bytes() != self.authority().as_bytes());
        if other && options.rules.refuse_something() {
            return Err(Failure::invalid_request(
                "the operator's [http] rules refuse a host header that is not the URL's host: leave it out",
            ));
        }
        Ok(())
    }

    /// Whether the header `host` says what the URL says.
    pub(super) fn names_another_host(&self) -> bool {
        let host = self.headers.get(header::HOST);
        host.is_some_and(|host| host.as_bytes() != self.authority().as_bytes())
    }

    fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

fn method(name: &str) -> Result<Method, Failure> {
    let wrong = |why: &str| Failure::invalid_params(format!("invalid http method: {why}"));
    if name.len() > limits::HTTP_METHOD_BYTES {
        return Err(wrong("it is too long"));
    }
    match Method::from_bytes(name.as_bytes()) {
        Ok(Method::CONNECT) => Err(wrong(
            "http/request opens no tunnels, so there is no CONNECT",
        )),
        Ok(method) => Ok(method),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

fn url(text: &str) -> Result<Url, Failure> {
    if text.len() > limits::HTTP_URL_BYTES {
        return Err(Failure::invalid_params(format!(
            "invalid http url: it has more than {} bytes",
            limits::HTTP_URL_BYTES
        )));
    }
    let url = Url::parse(text)
        .map_err(|error| Failure::invalid_params(format!("invalid http url: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(Failure::invalid_params(format!(
            "http/request only supports http and https URLs, got {scheme}"
        ))),
    }
}

fn headers(
    given: Vec<Header>,
    secret: &mut Vec<HeaderName>,
    options: &HttpOptions,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<HeaderMap, Failure> {
    if given.len() > limits::HTTP_HEADERS {
        return Err(Failure::invalid_params(format!(
            "at most {} headers can be sent, there are {}",
            limits::HTTP_HEADERS,
            given.len()
        )));
    }
    let mut headers = HeaderMap::with_capacity(given.len());
    let mut bytes = 0;
    for Header {
        name,
        mut value,
        value_env_var,
    } in given
    {
        let wrong = |why: String| Failure::invalid_params(format!("invalid http header: {why}"));
        // Neither is shown: where one is malformed, a secret may have slipped into it.
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        if let Some(wanted) = value_env_var {
            value.push_str(&environment(&wanted, options, &variable)?);
            secret.push(name.clone());
        }
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|error| wrong(format!("{name}: {error}")))?;
        value.set_sensitive(super::redirect::is_sensitive(&name) || secret.contains(&name));
        bytes += name.as_str().len() + value.len();
        if bytes > limits::HTTP_HEADER_BYTES {
            return Err(wrong(format!(
                "all together have more than {} bytes",
                limits::HTTP_HEADER_BYTES
            )));
        }
        headers
            .try_append(name, value)
            .map_err(|error| wrong(error.to_string()))?;
    }
    Ok(headers)
}

/// The value of a variable that the operator gives to headers.
fn environment(
    name: &str,
    options: &HttpOptions,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, Failure> {
    if !options.header_env_vars.iter().any(|given| given == name) {
        return Err(Failure::invalid_params(
            "valueEnvVar names a variable that the operator does not give to headers; `header_env_vars` under [http] lists those",
        ));
    }
    variable(name).ok_or_else(|| {
        Failure::invalid_params(format!(
            "valueEnvVar: {name} is not set on the executor, or is not text"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(json: &str, options: &HttpOptions) -> Result<Question, Failure> {
        let params: RequestParams<'_> = serde_json::from_str(json).expect("params");
        let variable = |name: &str| (name == "TOKEN").then(|| "s3cret".to_owned());
        Question::new(params, options, variable)
    }

    fn refusal(json: &str) -> Failure {
        match asked(json, &HttpOptions::default()) {
            Ok(_) => panic!("accepted: {json}"),
            Err(failure) => failure,
        }
    }

    fn with(url: &str, headers: &str) -> String {
        format!(r#"{{"method":"GET","url":"{url}","requestId":"r","headers":[{headers}]}}"#)
    }

    #[test]
    fn what_cannot_be_sent_is_invalid() {
        let header = |name: &str, value: &str| {
            with(
                "http://a",
                &format!(r#"{{"name":"{name}","value":"{value}"}}"#),
            )
        };
        let all = [
            r#"{"method":"G T","url":"http://a","requestId":"r"}"#.to_owned(),
            r#"{"method":"","url":"http://a","requestId":"r"}"#.to_owned(),
            r#"{"method":"CONNECT","url":"http://a","requestId":"r"}"#.to_owned(),
            r#"{"method":"POST","url":"http://a","requestId":"r","bodyBase64":"!"}"#.to_owned(),
            with("/relative", ""),
            with("http://", ""),
            with("file:///etc/passwd", ""),
            with("ftp://a/", ""),
            with(
                &format!("http://a/{}", "x".repeat(limits::HTTP_URL_BYTES)),
                "",
            ),
            header("", "v"),
            header("a b", "v"),
            header("content-length", "7"),
            header("transfer-encoding", "chunked"),
            header("upgrade", "websocket"),
            header("x", &"v".repeat(limits::HTTP_HEADER_BYTES)),
            with(
                "http://a",
                &vec![r#"{"name":"x","value":""}"#; limits::HTTP_HEADERS + 1].join(","),
            ),
            with(
                "http://a",
                r#"{"name":"x","value":"","valueEnvVar":"TOKEN"}"#,
            ),
        ];
        for json in all {
            assert_eq!(
                refusal(&json).code,
                lockgate_wire::code::INVALID_PARAMS,
                "{json}"
            );
        }
        assert_eq!(
            refusal(&with("file:///etc/passwd", "")).message,
            "http/request only supports http and https URLs, got file"
        );
    }

    #[test]
    fn attack_32_no_header_carries_another_one() {
        for value in [r"a\r\nevil: 1", r"a\nevil: 1", r"a\u0000", r"a\u007f"] {
            let injected = with("http://a", &format!(r#"{{"name":"x","value":"{value}"}}"#));
            assert_eq!(refusal(&injected).code, lockgate_wire::code::INVALID_PARAMS);
        }
        for name in [r"x: 1\r\ny", "x:", r"x\u0000", "é"] {
            let injected = with("http://a", &format!(r#"{{"name":"{name}","value":"v"}}"#));
            assert_eq!(refusal(&injected).code, lockgate_wire::code::INVALID_PARAMS);
        }
        // What would end a line in a URL is escaped or dropped, as URLs have it.
        let url = with(r"http://a/b\r\nc d?e\nf g", "");
        let question = asked(&url, &HttpOptions::default()).map_err(|failure| failure.message);
        assert_eq!(
            question.map(|question| question.url.to_string()),
            Ok("http://a/bc%20d?ef%20g".to_owned())
        );
    }

    #[test]
    fn attack_29_credentials_of_a_url_become_a_header_and_no_refusal_shows_a_secret() {
        let question = asked(
            &with("http://us%40er:pa%3Ass@a/x?q=1#f", ""),
            &HttpOptions::default(),
        );
        let Ok(question) = question else {
            panic!("refused")
        };
        assert_eq!(question.url.as_str(), "http://a/x?q=1");
        assert_eq!(
            question.headers[header::AUTHORIZATION],
            "Basic dXNAZXI6cGE6c3M="
        );
        assert!(question.headers[header::AUTHORIZATION].is_sensitive());
        for json in [
            with("http://user:s3cret@/", ""),
            with("http://a", r#"{"name":"authorization","value":"s3cret\n"}"#),
            with("http://a", r#"{"name":"s3cret\n","value":""}"#),
        ] {
            assert!(
                !refusal(&json).message.contains("s3cret"),
                "{}",
                refusal(&json).message
            );
        }
    }

    #[test]
    fn repeats_and_their_order_are_kept() {
        let json = with(
            "http://a",
            r#"{"name":"X-B","value":"1"},{"name":"a","value":"2"},{"name":"x-b","value":"3"}"#,
        );
        let Ok(question) = asked(&json, &HttpOptions::default()) else {
            panic!("refused")
        };
        let sent: Vec<_> = question
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let expected: [(&str, &[u8]); 3] = [("x-b", b"1"), ("x-b", b"3"), ("a", b"2")];
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_variable_that_the_operator_gives_ends_a_header() {
        let options = HttpOptions {
            header_env_vars: vec!["TOKEN".to_owned(), "UNSET".to_owned()],
            ..HttpOptions::default()
        };
        let json = with(
            "http://a",
            r#"{"name":"x-key","value":"Bearer ","valueEnvVar":"TOKEN"}"#,
        );
        let Ok(question) = asked(&json, &options) else {
            panic!("refused")
        };
        assert_eq!(question.headers["x-key"], "Bearer s3cret");
        assert_eq!(question.secret, ["x-key"]);
        for other in ["UNSET", "HOME"] {
            assert!(
                asked(&json.replace("TOKEN", other), &options).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn attack_32_no_other_host_is_named_behind_a_rule_about_hosts() {
        let rules = crate::http::HttpRules {
            allow_hosts: Some(vec!["a".parse().expect("a host")]),
            ..Default::default()
        };
        let options = HttpOptions {
            rules,
            ..HttpOptions::default()
        };
        let json = |host: &str| {
            with(
                "http://a:81",
                &format!(r#"{{"name":"Host","value":"{host}"}}"#),
            )
        };
        assert!(asked(&json("a:81"), &options).is_ok());
        assert!(asked(&json("b"), &options).is_err());
        assert!(
            asked(&json("b"), &HttpOptions::default())
                .is_ok_and(|question| question.names_another_host())
        );
    }
}
