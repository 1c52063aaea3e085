//! One request from its first hop to the head of the answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lockgate_policy_gate::HttpRequest;
use lockgate_wire::http::Header;
use reqwest::header::HeaderMap;
use reqwest::{Response, Url};
use tokio::time::Instant;

use super::egress::chain;
use super::exchanges::Place;
use super::hop::{HopGuard, HopLimits};
use super::question::Question;
use super::redirect;
use super::rules::{Refused, host};
use crate::failure::Failure;
use crate::limits;
use crate::pending::Pending;

/// An exchange whose answer has begun.
pub(crate) struct Exchange {
    pub(super) place: Place,
    pub(super) response: Response,
    pub(super) clock: Clock,
    /// See [`HopLimits::output`].
    pub(super) most: Option<u64>,
}

/// How long an exchange may take, without the time in which somebody was asked.
pub(super) struct Clock {
    started: Instant,
    timeout: Option<Duration>,
    limit: Option<Duration>,
}

impl Exchange {
    /// Sends the hops until there is an answer that is no redirect to follow.
    pub(crate) async fn begin(
        mut question: Question,
        place: Place,
        guard: Option<Arc<dyn HopGuard>>,
        pending: &Pending,
    ) -> Result<Exchange, Failure> {
        let mut clock = Clock {
            started: Instant::now(),
            timeout: question.timeout,
            limit: None,
        };
        let mut most = HopLimits::default();
        let route = place.exchanges().egress().proxies().route();
        for hop in 0..=limits::HTTP_REDIRECTS {
            place
                .exchanges()
                .egress()
                .rules()
                .check_url(&question.url)
                .map_err(refused)?;
            if place.exchanges().egress().rules().look_at_addresses()
                && route.looks_its_name_up_here(&question.url)
            {
                return Err(Failure::internal(
                    "http/request failed: for a proxy of the executor's environment (socks5:// or socks4://) names are looked up at the executor, \
                     past its rules about addresses; its operator can name the proxy as socks5h://",
                ));
            }
            if let Some(guard) = &guard {
                if question.names_another_host() {
                    return Err(Failure::invalid_request(
                        "policies decide by the URL, so a host header that is not the URL's host is refused: leave it out",
                    ));
                }
                let asked = Instant::now();
                most = most.and(guard.ask(pending, shown(&question, hop)).await?);
                clock.started += asked.elapsed();
                clock.limit = most.time;
            }
            let send = send(&question, &place, route.is_through_a_proxy(&question.url));
            let response = clock.within(send).await??;
            let next = match question.follow {
                true => redirect::next(&question, response.status(), response.headers())?,
                false => None,
            };
            match next {
                Some(next) => question = next,
                None => {
                    tracing::debug!(
                        hops = hop + 1,
                        status = response.status().as_u16(),
                        "an http request was answered"
                    );
                    return Ok(Exchange {
                        place,
                        response,
                        clock,
                        most: most.output,
                    });
                }
            }
        }
        Err(Failure::internal(format!(
            "http/request failed: more than {} redirects; ask with redirectPolicy `stop` to see each",
            limits::HTTP_REDIRECTS
        )))
    }

    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(super) fn headers(&self) -> Vec<Header> {
        told(self.response.headers())
    }
}

/// One hop.
async fn send(question: &Question, place: &Place, proxied: bool) -> Result<Response, Failure> {
    let clients = place.exchanges().clients(&question.url).await?;
    if question.url.scheme() == "https"
        && let Some(trouble) = place.exchanges().egress().trouble()
    {
        return Err(Failure::internal(format!("http/request failed: {trouble}")));
    }
    let client = match &clients.proxied {
        Some(client) if proxied => client,
        _ => &clients.direct,
    };
    let mut request = reqwest::Request::new(question.method.clone(), question.url.clone());
    *request.headers_mut() = question.headers.clone();
    *request.body_mut() = question.body.clone().map(Into::into);
    client.execute(request).await.map_err(|error| {
        tracing::debug!(
            timeout = error.is_timeout(),
            connect = error.is_connect(),
            "an http request failed"
        );
        match refusal(&error) {
            Some(refusal) => refused(refusal.clone()),
            None if proxied => Failure::internal(format!(
                "http/request failed: by way of a proxy that the executor's environment names: {}",
                said(error)
            )),
            None => Failure::internal(format!("http/request failed: {}", said(error))),
        }
    })
}

fn refused(refusal: Refused) -> Failure {
    tracing::debug!("an http request was refused by the operator's rules");
    Failure::invalid_request(refusal.to_string())
}

/// An error of the client library without the URL, which may carry credentials.
pub(super) fn said(error: reqwest::Error) -> String {
    let advice = match speaks_no_tls(&error) {
        true => {
            "; what answers there does not speak TLS: if that is meant to be so, ask by http://"
        }
        false => "",
    };
    chain(&error.without_url()) + advice
}

/// Whether another protocol answered where TLS was to be spoken.
fn speaks_no_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let found = sources(error).find_map(|error| error.downcast_ref());
    matches!(
        found,
        Some(rustls::Error::InvalidMessage(
            rustls::InvalidMessage::InvalidContentType
        ))
    )
}

/// What the rules said while the name was resolved.
fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Refused> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// An error and what is behind it. An `io::Error` stands for what it was made of, and tells of that in two ways.
fn sources<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let made_of = error.downcast_ref::<std::io::Error>();
        let inner = made_of.and_then(std::io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        }
    })
}

/// A hop as policies see it.
fn shown(question: &Question, hop: usize) -> HttpRequest {
    let url: &Url = &question.url;
    HttpRequest {
        method: question.method.as_str().to_ascii_uppercase(),
        url: url.as_str().to_owned(),
        host: host(url).to_owned(),
        port: url.port_or_known_default().unwrap_or_default(),
        header_names: question
            .headers
            .iter()
            .map(|(name, _)| name.as_str().to_owned())
            .collect(),
        hop: u32::try_from(hop).unwrap_or(u32::MAX),
    }
}

/// Headers as clients get them. A JSON string has no other bytes than UTF-8.
fn told(headers: &HeaderMap) -> Vec<Header> {
    let text = |value: &[u8]| Some(std::str::from_utf8(value).ok()?.to_owned());
    headers
        .iter()
        .filter_map(|(name, value)| Some(Header::new(name.as_str(), text(value.as_bytes())?)))
        .collect()
}

impl Clock {
    /// Waits for something as long as the exchange may take.
    pub(super) async fn within<F: Future>(&self, work: F) -> Result<F::Output, Failure> {
        let (least, why) = match (self.timeout, self.limit) {
            (None, None) => return Ok(work.await),
            (Some(timeout), limit) if limit.is_none_or(|limit| timeout <= limit) => {
                (timeout, "timeoutMs")
            }
            (_, limit) => (limit.unwrap_or_default(), "the time limit of a policy"),
        };
        // A time beyond what the clock can hold is a time without end.
        let Some(end) = self.started.checked_add(least) else {
            return Ok(work.await);
        };
        tokio::time::timeout_at(end, work).await.map_err(|_| {
            Failure::internal(format!(
                "http/request failed: it was not over within {} ms ({why})",
                least.as_millis()
            ))
        })
    }
}
