//! `http/request`, `lockgate/http/acknowledge`, `lockgate/http/cancel`.

use std::sync::Arc;

use lockgate_wire::http::RequestParams;
use lockgate_wire::lockgate::http::{AcknowledgeParams, CancelParams};
use lockgate_wire::{Empty, Method, code};

use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::http::{Exchange, Question};

pub(crate) fn request(caller: &Caller, request: Request<'_>) -> Answered {
    let exchanges = caller.exchanges();
    if !exchanges.egress().options().enabled {
        // As if there were none: clients have a fallback for that.
        return Err(Failure {
            code: code::METHOD_NOT_FOUND,
            message: format!(
                "the operator of this executor has switched `{}` off",
                Method::HttpRequest.name()
            ),
        });
    }
    let params: RequestParams<'_> = request.params()?;
    let window = params.window_bytes;
    let stream = params.stream_response.then(|| params.request_id.clone());
    let question = Question::new(params, exchanges.egress().options(), |name| {
        std::env::var(name).ok()
    })?;
    let place = exchanges.begin(stream.as_deref())?;
    let cancelled = place.cancelled();
    let guard = caller.hop_guard();
    let answers = caller.files().answers().clone();
    let pending = caller.pending(request);
    let outbox = Arc::clone(pending.outbox());
    let work = async move {
        let begun = tokio::select! {
            begun = Exchange::begin(question, place, guard, &pending) => begun,
            () = cancelled.notified() => Err(Failure::invalid_request(
                "http/request was cancelled by its client before it was answered",
            )),
        };
        let exchange = match begun {
            Ok(exchange) => exchange,
            Err(failure) => return pending.fail(&failure),
        };
        if stream.is_some() {
            let outbox = Arc::clone(pending.outbox());
            let head = exchange.head(pending.id());
            pending.send(head, None);
            return tokio::select! {
                () = exchange.stream(&outbox, window) => {}
                () = cancelled.notified() => {}
            };
        }
        match exchange.buffered(pending.id(), &answers).await {
            Ok((text, share)) => pending.send(text, share),
            Err(failure) => pending.fail(&failure),
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            // The protocol has no message to cancel with: whoever leaves, cancels.
            () = outbox.closed() => {}
        }
    });
    Ok(Answer::Later)
}

pub(crate) fn acknowledge(caller: &Caller, request: Request<'_>) -> Answered {
    let params: AcknowledgeParams = request.params()?;
    caller
        .exchanges()
        .acknowledge(&params.request_id, params.bytes);
    request.reply(&Empty {})
}

pub(crate) fn cancel(caller: &Caller, request: Request<'_>) -> Answered {
    let params: CancelParams = request.params()?;
    caller.exchanges().cancel(&params.request_id);
    request.reply(&Empty {})
}
