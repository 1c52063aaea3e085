//! A body in one piece: gathered for the answer.
//!
//! Memory. A small body is gathered as it comes. A larger one first takes its share of the connection's memory for large answers, by the
//! length that the server has told, or the most there can be where it told none; until there is one, nothing is read, and the
//! server has to wait. So a client that asks for a hundred endless bodies costs no more than one that asks for one.

use lockgate_wire::Id;
use tokio::sync::OwnedSemaphorePermit;

use super::exchange::{Exchange, said};
use crate::failure::Failure;
use crate::lane::{Answers, Encoded};
use crate::limits;

impl Exchange {
    /// The whole answer.
    pub(crate) async fn buffered(mut self, id: &Id, answers: &Answers) -> Result<Encoded, Failure> {
        let told = self.response.content_length();
        self.check(told.unwrap_or(0))?;
        let mut body: Vec<u8> = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        loop {
            let chunk = self.clock.within(self.response.chunk()).await?;
            let Some(chunk) = chunk.map_err(|error| failed(&said(error)))? else {
                break;
            };
            let size = body.len() + chunk.len();
            self.check(size as u64)?;
            if size > limits::HTTP_SMALL_BODY && share.is_none() {
                let most = told.unwrap_or(limits::HTTP_BODY_BYTES).max(size as u64);
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                share = self.clock.within(answers.take(encoded(most))).await?;
            }
            body.extend_from_slice(&chunk);
        }
        let text = lockgate_wire::http_result(id, self.status(), &self.headers(), &body);
        Ok((
            text,
            share.and_then(|share| answers.shrink(share, encoded(body.len()))),
        ))
    }

    /// Whether a body of so many bytes may be given.
    fn check(&self, size: u64) -> Result<(), Failure> {
        if let Some(most) = self.most
            && size > most
        {
            return Err(Failure::invalid_request(too_much(most)));
        }
        if size > limits::HTTP_BODY_BYTES {
            return Err(failed(&format!(
                "it has more than {} bytes, which do not fit one message; ask with streamResponse",
                limits::HTTP_BODY_BYTES
            )));
        }
        Ok(())
    }
}

fn encoded(size: usize) -> usize {
    size / 3 * 4
}

pub(super) fn failed(reason: &str) -> Failure {
    Failure::internal(format!(
        "failed to read http/request response body: {reason}"
    ))
}

/// What a policy's limit on output comes to.
pub(super) fn too_much(most: u64) -> String {
    format!("a policy allows at most {most} bytes of this response's body, and it has more")
}
