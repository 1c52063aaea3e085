//! The executor at the other end of a connection. What the traits say is put into calls of the protocol here, also for executors that do not know
//! the newer ones.

mod blocks;
mod each;
mod files;
mod http;
mod processes;
mod walk;
mod writer;

use futures_util::future::BoxFuture;
use lockgate_wire::code;
use lockgate_wire::environment::EnvironmentInfo;

use super::Executor;
use crate::{Client, ClientError};

impl Executor for Client {
    fn environment(&self) -> Option<&EnvironmentInfo> {
        Client::environment(self)
    }

    fn is_closed(&self) -> bool {
        Client::is_closed(self)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(Client::close(self.clone()))
    }
}

/// The executor does not know the method.
fn is_unknown_method(error: &ClientError) -> bool {
    error.code() == Some(code::METHOD_NOT_FOUND)
}

/// Says what was asked for, where an executor does not know the method.
fn cannot(what: &'static str) -> impl FnOnce(ClientError) -> ClientError {
    move |error| match is_unknown_method(&error) {
        true => ClientError::Unsupported { what },
        false => error,
    }
}
