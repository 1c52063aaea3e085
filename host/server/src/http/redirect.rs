//! From an answer to the next hop, by the rules of ordinary clients: which method goes on, and which headers stay behind.

use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Method, StatusCode, Url};

use super::question::Question;
use crate::failure::Failure;
use crate::limits;

/// The next hop, if the answer is a redirect that can be followed; a redirect that leads nowhere is an answer like others.
pub(super) fn next(
    asked: &Question,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Question>, Failure> {
    let turns_into_get = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => asked.method == Method::POST,
        StatusCode::SEE_OTHER => asked.method != Method::HEAD,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
        _ => return Ok(None),
    };
    let Some(url) = location(&asked.url, headers) else {
        return Ok(None);
    };
    if !matches!(url.scheme(), "http" | "https") || url.as_str().len() > limits::HTTP_URL_BYTES {
        return Err(Failure::internal(
            "http/request failed: the server redirects to a URL that is too long or neither http nor https; \
             ask with redirectPolicy `stop` to see it",
        ));
    }
    let mut next = asked.clone();
    if turns_into_get {
        next.method = Method::GET;
        next.body = None;
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::CONTENT_LANGUAGE,
            header::CONTENT_LOCATION,
        ] {
            next.headers.remove(name);
        }
    }
    if !same_origin(&asked.url, &url) {
        let secret = std::mem::take(&mut next.secret);
        let stay: Vec<HeaderName> = next
            .headers
            .keys()
            .filter(|name| is_sensitive(name) || secret.contains(name) || *name == header::HOST)
            .cloned()
            .collect();
        for name in stay {
            next.headers.remove(name);
        }
    }
    next.url = url;
    next.move_credentials();
    Ok(Some(next))
}

fn location(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = headers.get(header::LOCATION)?;
    from.join(std::str::from_utf8(location.as_bytes()).ok()?)
        .ok()
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Headers that are credentials by their name.
pub(super) fn is_sensitive(name: &HeaderName) -> bool {
    *name == header::AUTHORIZATION
        || *name == header::COOKIE
        || *name == header::PROXY_AUTHORIZATION
        || *name == header::WWW_AUTHENTICATE
        || name.as_str() == "cookie2"
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::HeaderValue;

    use super::*;

    fn asked(method: &str) -> Question {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer t"),
            ("cookie", "c=1"),
            ("x-key", "from-env"),
            ("content-type", "text/plain"),
            ("accept", "*/*"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        Question {
            method: method.parse().expect("a method"),
            url: Url::parse("https://a.example/x/y?q").expect("a URL"),
            headers,
            secret: vec![HeaderName::from_static("x-key")],
            body: Some(Bytes::from_static(b"body")),
            follow: true,
            timeout: None,
        }
    }

    fn to(method: &str, status: u16, location: &[u8]) -> Result<Option<Question>, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::LOCATION,
            HeaderValue::from_bytes(location).expect("a value"),
        );
        next(
            &asked(method),
            StatusCode::from_u16(status).expect("a status"),
            &headers,
        )
    }

    fn hop(method: &str, status: u16, location: &str) -> Question {
        match to(method, status, location.as_bytes()) {
            Ok(Some(next)) => next,
            Ok(None) => panic!("no hop"),
            Err(failure) => panic!("{}", failure.message),
        }
    }

    #[test]
    fn methods_turn_into_get_as_with_ordinary_clients() {
        for (method, status, turned) in [
            ("POST", 301, "GET"),
            ("POST", 302, "GET"),
            ("PUT", 301, "PUT"),
            ("DELETE", 302, "DELETE"),
            ("HEAD", 301, "HEAD"),
            ("POST", 303, "GET"),
            ("PUT", 303, "GET"),
            ("HEAD", 303, "HEAD"),
            ("POST", 307, "POST"),
            ("PUT", 308, "PUT"),
        ] {
            let next = hop(method, status, "/z");
            assert_eq!(next.method.as_str(), turned, "{method} {status}");
            let kept = turned == method;
            assert_eq!(
                next.body.is_some(),
                kept || method == "HEAD",
                "{method} {status}"
            );
            assert_eq!(
                next.headers.contains_key("content-type"),
                kept,
                "{method} {status}"
            );
        }
    }

    #[test]
    fn attack_32_credentials_stay_with_the_origin_that_they_were_meant_for() {
        let secrets = ["authorization", "cookie", "x-key"];
        let next = hop("GET", 302, "z");
        assert_eq!(next.url.as_str(), "https://a.example/x/z");
        assert!(secrets.iter().all(|name| next.headers.contains_key(*name)));
        for elsewhere in [
            "http://a.example/",
            "https://a.example:444/",
            "https://b.example/",
            "//b.example/",
            "https://a.example.evil/",
        ] {
            let next = hop("GET", 307, elsewhere);
            assert!(
                !secrets.iter().any(|name| next.headers.contains_key(*name)),
                "{elsewhere}"
            );
            assert!(next.headers.contains_key("accept"), "{elsewhere}");
            // And they do not come back on the way back.
            assert!(next.secret.is_empty());
        }
        let next = hop("GET", 302, "https://u:p@b.example/#f");
        assert_eq!(next.url.as_str(), "https://b.example/");
        assert_eq!(next.headers["authorization"], "Basic dTpw");
    }

    #[test]
    fn attack_32_no_redirect_leads_to_anything_but_http() {
        for location in [
            "file:///etc/passwd",
            "gopher://a/",
            "data:,x",
            "javascript:1",
        ] {
            assert!(to("GET", 302, location.as_bytes()).is_err(), "{location}");
        }
    }

    #[test]
    fn an_answer_that_is_no_redirect_or_leads_nowhere_is_the_answer() {
        let none = |outcome: Result<Option<Question>, Failure>| matches!(outcome, Ok(None));
        assert!(
            [200, 300, 304, 305, 404]
                .iter()
                .all(|status| none(to("GET", *status, b"/z")))
        );
        assert!(none(to("GET", 302, b"http://")) && none(to("GET", 302, b"\xff")));
        assert!(none(next(
            &asked("GET"),
            StatusCode::FOUND,
            &HeaderMap::new()
        )));
    }
}
