//! HTTP as most Rust programs write it, over any [`Http`]: a client, a builder for each request, a response that is read piece by piece or whole.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lockgate_wire::http::{Header, RedirectPolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Body, Http};
use crate::{ClientError, HttpRequest, limits};

/// Sends requests through an executor. Cheap to clone.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use lockgate_client::executor::{Executor, HttpClient};
///
/// # async fn example(executor: Arc<dyn Executor>) -> Result<(), Box<dyn std::error::Error>> {
/// let http = HttpClient::new(executor);
/// let answer = http
///     .post("http://127.0.0.1:8080/things")
///     .header("x-request", "1")
///     .json(&serde_json::json!({ "name": "new" }))
///     .timeout(Duration::from_secs(5))
///     .send()
///     .await?
///     .error_for_status()?;
/// let thing: serde_json::Value = answer.json().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpClient(Arc<dyn Http>);

impl HttpClient {
    /// Of an executor.
    pub fn new(http: Arc<dyn Http>) -> HttpClient {
        HttpClient(http)
    }

    /// A GET.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.request("GET", url)
    }

    /// A POST.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.request("POST", url)
    }

    /// A PUT.
    pub fn put(&self, url: &str) -> RequestBuilder {
        self.request("PUT", url)
    }

    /// A PATCH.
    pub fn patch(&self, url: &str) -> RequestBuilder {
        self.request("PATCH", url)
    }

    /// A DELETE.
    pub fn delete(&self, url: &str) -> RequestBuilder {
        self.request("DELETE", url)
    }

    /// A HEAD.
    pub fn head(&self, url: &str) -> RequestBuilder {
        self.request("HEAD", url)
    }

    /// A request of any method, which is case-sensitive.
    pub fn request(&self, method: &str, url: &str) -> RequestBuilder {
        RequestBuilder {
            http: Arc::clone(&self.0),
            request: Ok(HttpRequest {
                method: method.to_owned(),
                url: url.to_owned(),
                ..HttpRequest::default()
            }),
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

/// A request that is put together. What is wrong with it is told when it is sent.
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder {
    http: Arc<dyn Http>,
    request: Result<HttpRequest, ClientError>,
}

impl RequestBuilder {
    fn with(mut self, change: impl FnOnce(&mut HttpRequest) -> Result<(), ClientError>) -> Self {
        if let Ok(request) = &mut self.request
            && let Err(error) = change(request)
        {
            self.request = Err(error);
        }
        self
    }

    /// One header more. Those of one name stay in their order.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|request| {
            request.headers.push(Header::new(name, value));
            Ok(())
        })
    }

    /// A header whose value ends with that of a variable of the executor, which the harness never sees. Needs an executor that allows it
    /// (`httpHeaderEnvVars`).
    pub fn header_from_variable(
        self,
        name: impl Into<String>,
        prefix: impl Into<String>,
        variable: impl Into<String>,
    ) -> Self {
        self.with(|request| {
            request.headers.push(Header {
                value_env_var: Some(variable.into()),
                ..Header::new(name, prefix)
            });
            Ok(())
        })
    }

    /// `Authorization: Bearer …`.
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Adds pairs to the query of the URL.
    pub fn query<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.with(|request| {
            let mut url = Url::parse(&request.url)
                .map_err(|error| unsendable(format!("its URL is none: {error}")))?;
            let mut pairs = pairs.into_iter().peekable();
            // Of none there would be a query all the same, an empty one.
            if pairs.peek().is_none() {
                return Ok(());
            }
            url.query_pairs_mut().extend_pairs(pairs);
            request.url = url.into();
            Ok(())
        })
    }

    /// The body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.with(|request| {
            request.body = Some(body.into());
            Ok(())
        })
    }

    /// The body as JSON, with its `content-type` where none is there yet.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.with(|request| {
            let body = serde_json::to_vec(body)
                .map_err(|error| unsendable(format!("its body cannot be JSON: {error}")))?;
            request.body = Some(body);
            let is_typed = |header: &Header| header.name.eq_ignore_ascii_case("content-type");
            if !request.headers.iter().any(is_typed) {
                let header = Header::new("content-type", "application/json");
                request.headers.push(header);
            }
            Ok(())
        })
    }

    /// For the whole exchange, to the end of the body.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| {
            request.timeout = Some(timeout);
            Ok(())
        })
    }

    /// What becomes of redirects; followed, if nothing is said.
    pub fn redirects(self, redirects: RedirectPolicy) -> Self {
        self.with(|request| {
            request.redirects = redirects;
            Ok(())
        })
    }

    /// The request, without sending it.
    pub fn build(self) -> Result<HttpRequest, ClientError> {
        self.request
    }

    /// Sends it; the answer is there with its headers, and its body follows.
    pub async fn send(self) -> Result<Response, ClientError> {
        let reply = self.http.stream(&self.request?).await?;
        Ok(Response {
            status: reply.status,
            headers: reply.headers,
            body: reply.body,
        })
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").finish_non_exhaustive()
    }
}

fn unsendable(reason: String) -> ClientError {
    ClientError::Unsendable {
        what: "an http request".to_owned(),
        reason,
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<Header>,
    body: Body,
}

impl Response {
    /// Of the last hop.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Names in lower case, repeats kept; values that are not UTF-8 are left out.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.as_str())
    }

    /// An error where the status is one: from 400 on.
    pub fn error_for_status(self) -> Result<Response, ClientError> {
        match self.status {
            400.. => Err(ClientError::Status {
                status: self.status,
            }),
            _ => Ok(self),
        }
    }

    /// The next bytes of the body; none at its end. A body whose reader is too far behind fails.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        self.body.next().await.transpose()
    }

    /// The body as a stream.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The whole body, if it has at most [`limits::HTTP_BODY`] bytes; [`Response::into_body`] takes more.
    pub async fn bytes(self) -> Result<Vec<u8>, ClientError> {
        self.body.read_to_end(limits::HTTP_BODY).await
    }

    /// The whole body as text; what is not UTF-8 in it is replaced.
    pub async fn text(self) -> Result<String, ClientError> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// The whole body, which is JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            ClientError::Body(format!("it is not the JSON that was expected: {error}"))
        })
    }
}

#[cfg(test)]
mod tests;
