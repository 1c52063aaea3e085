//! One request by way of the executor, and redirects.
//!
//! A redirect is followed only where it leads to the same origin and keeps the method: servers send from `/mcp` to `/mcp/` that way. To
//! another origin neither messages nor credentials go, whatever a server says.

use lockgate_client::{Client, HttpRequest, HttpResponse};
use lockgate_wire::http::RedirectPolicy;
use url::Url;

use super::answer::header;
use crate::through::{ThroughError, limits};

pub(super) async fn send(
    client: &Client,
    mut request: HttpRequest,
) -> Result<HttpResponse, ThroughError> {
    request.redirects = RedirectPolicy::Stop;
    for _ in 0..=limits::REDIRECTS {
        let answer = client.http_stream(&request).await;
        let answer = answer.map_err(|source| ThroughError::Request {
            url: super::shown(&request.url),
            source,
        })?;
        if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(answer);
        }
        let to = header(&answer.headers, "location").unwrap_or_default();
        request.url = next(&request, answer.status, to)
            .map_err(|reason| ThroughError::Redirected {
                url: super::shown(&request.url),
                reason,
            })?
            .into();
    }
    Err(ThroughError::Redirected {
        url: super::shown(&request.url),
        reason: format!("after {} redirects", limits::REDIRECTS),
    })
}

/// Where it leads, if there it goes.
fn next(request: &HttpRequest, status: u16, location: &str) -> Result<Url, String> {
    let here = Url::parse(&request.url).map_err(|error| error.to_string())?;
    let there = here
        .join(location)
        .map_err(|error| format!("to a place that is no URL ({error})"))?;
    if there.origin() != here.origin() {
        return Err(format!(
            "to another origin, {}",
            there.origin().ascii_serialization()
        ));
    }
    // The others make a GET of a POST.
    if request.method != "GET" && !matches!(status, 307 | 308) {
        return Err(format!("with status {status}, which drops the message"));
    }
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(method: &str, status: u16, location: &str) -> Result<String, String> {
        let request = HttpRequest {
            method: method.to_owned(),
            url: "http://a.example/mcp".to_owned(),
            ..HttpRequest::default()
        };
        next(&request, status, location).map(String::from)
    }

    #[test]
    fn redirects_stay_at_their_origin_and_keep_the_method() {
        for (method, status) in [("GET", 302), ("GET", 307), ("POST", 307), ("DELETE", 308)] {
            assert_eq!(
                next_of(method, status, "/mcp/?x=1").as_deref(),
                Ok("http://a.example/mcp/?x=1")
            );
        }
        for status in [301, 302, 303] {
            assert!(next_of("POST", status, "/mcp/").is_err());
        }
        for elsewhere in [
            "https://a.example/mcp",
            "http://a.example:81/mcp",
            "//b.example/mcp",
            "http://a.example.b.example/",
            "file:///etc/passwd",
            "http://[",
        ] {
            assert!(next_of("GET", 307, elsewhere).is_err(), "{elsewhere}");
        }
    }
}
