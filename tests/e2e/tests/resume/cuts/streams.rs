//! What comes and goes in pieces while there are cuts: bodies of HTTP answers, and files that are written and read in blocks. These end with their link; what has come of
//! them by then is the beginning, and nothing of it is done twice.

use lockgate_client::executor::Files;
use lockgate_client::{AbsPath, Client, ClientError, HttpRequest};
use lockgate_e2e::origin::{Asked, Origin};

use super::Work;
use crate::support::soon;

/// An origin whose every path has a body of its own.
pub(super) async fn origin() -> Origin {
    Origin::bytes(|asked: &Asked| {
        let body = body(asked.what());
        let mut answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        answer
    })
    .await
}

/// Some tens of kilobytes that are those of nothing else.
fn body(what: &str) -> Vec<u8> {
    let line = format!("{what}\n");
    let lines = (0..5_000).map(|number| format!("{number} {line}"));
    lines.collect::<String>().into_bytes()
}

/// Whether all of it came. What did come is the beginning of what was wanted.
fn is_whole(wanted: &[u8], came: &[u8], ended: bool) -> bool {
    assert!(
        wanted.starts_with(came),
        "each byte once and in order, as far as they come"
    );
    assert!(!ended || came.len() == wanted.len(), "{} bytes", came.len());
    ended
}

impl Work {
    /// Answers come whole or say that they do not.
    pub(super) async fn fetches(mut self, origin: &Origin) {
        let mut whole = 0;
        while self.goes_on() {
            let path = format!("/{}", self.id());
            let wanted = body(&format!("GET {path}"));
            let request = HttpRequest {
                method: "GET".to_owned(),
                url: origin.url(&path),
                ..HttpRequest::default()
            };
            let answer = soon(self.client.http_stream(&request)).await;
            let Some(mut answer) = self.known(answer) else {
                continue;
            };
            let mut came = Vec::new();
            let ended = loop {
                match soon(answer.body.next()).await {
                    None => break true,
                    Some(Ok(piece)) => came.extend(piece),
                    Some(Err(ClientError::Body(_))) => break false,
                    Some(Err(error)) => panic!("{error}"),
                }
            };
            whole += u64::from(is_whole(&wanted, &came, ended));
        }
        assert!(whole > 0, "some come through");
        // What nobody knows of is not asked for again.
        let mut asked: Vec<_> = origin.asked();
        asked.retain(|asked| asked.what().contains(&format!("/p{}-", self.number)));
        let count = asked.len();
        asked.sort_by(|one, other| one.head.cmp(&other.head));
        asked.dedup_by(|one, other| one.head == other.head);
        assert_eq!(asked.len(), count, "nothing is asked for twice");
    }

    /// A file has what was written, or its beginning, and never what another one was to have.
    pub(super) async fn stores(mut self, folder: &std::path::Path) {
        let path = AbsPath::parse(folder.join(format!("stored{}", self.number))).expect("a path");
        let mut whole = 0;
        while self.goes_on() {
            let contents = body(&self.id());
            let stored = soon(store(&self.client, &path, &contents)).await;
            if self.known(stored).is_none() {
                continue;
            }
            let blocks = soon(Files::open(&self.client, &path, 0, None)).await;
            let Some(mut blocks) = self.known(blocks) else {
                continue;
            };
            let mut came = Vec::new();
            let ended = loop {
                match soon(blocks.next()).await {
                    None => break true,
                    Some(block) => match self.known(block) {
                        Some(block) => came.extend(block),
                        None => break false,
                    },
                }
            };
            whole += u64::from(is_whole(&contents, &came, ended));
        }
        assert!(whole > 0, "some come through");
    }
}

/// In blocks that are no multiple of anything.
async fn store(client: &Client, path: &AbsPath, contents: &[u8]) -> Result<(), ClientError> {
    let mut file = Files::create(client, path, None).await?;
    for block in contents.chunks(17_777) {
        file.write(block).await?;
    }
    file.finish().await
}
