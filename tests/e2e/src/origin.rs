//! A web server of which a test says every byte, on a port of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /path HTTP/1.1` and the headers, in lines.
    pub head: String,
    /// By its length.
    pub body: Vec<u8>,
}

impl Asked {
    /// `GET /path`.
    pub fn what(&self) -> &str {
        let line = self.head.lines().next().expect("a line");
        line.rsplit_once(' ').expect("a version").0
    }

    /// The values of a header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// Where it says the names of its headers.
    pub fn names(&self) -> Vec<&str> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines.map(|(key, _)| key).collect()
    }
}

/// A server that answers by the script of a test.
pub struct Origin {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    /// `answer` says what is sent for a request. The connection is closed where nothing else says that the answer has ended.
    pub async fn new(answer: impl Fn(&Asked) -> String + Clone + Send + Sync + 'static) -> Origin {
        Origin::bytes(move |asked| answer(asked).into_bytes()).await
    }

    /// The same in bytes.
    pub async fn bytes(
        answer: impl Fn(&Asked) -> Vec<u8> + Clone + Send + Sync + 'static,
    ) -> Origin {
        Origin::at("127.0.0.1:0", answer).await
    }

    /// The same at an address of the test's choice, in a network of its own.
    pub async fn at(
        address: &str,
        answer: impl Fn(&Asked) -> Vec<u8> + Clone + Send + Sync + 'static,
    ) -> Origin {
        let listener = TcpListener::bind(address).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (answer, kept) = (answer.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    while let Some(asked) = read(&mut socket).await {
                        kept.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(asked.clone());
                        let answer = answer(&asked);
                        let written = socket.write_all(&answer).await;
                        if written.is_err() || !is_whole(&asked, &answer) {
                            break;
                        }
                    }
                    let _ = socket.shutdown().await;
                });
            }
        });
        Origin {
            port,
            asked,
            connections,
        }
    }

    /// Gives each connection, its request read, to the test.
    pub async fn by_hand() -> (Origin, mpsc::Receiver<(Asked, TcpStream)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(asked) = read(&mut socket).await {
                        let _ = sender.send((asked, socket)).await;
                    }
                });
            }
        });
        let origin = Origin {
            port,
            asked: Arc::default(),
            connections: Arc::default(),
        };
        (origin, receiver)
    }

    /// The URL of a path that begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What has been asked for until now.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A request with its body, by its content-length.
pub async fn read<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let mut asked = Asked {
        head,
        body: Vec::new(),
    };
    let length = asked
        .all("content-length")
        .first()
        .map_or(0, |text| text.parse().expect("a number"));
    while body.len() < length {
        if socket.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    asked.body = body;
    Some(asked)
}

/// Whether the client knows that the answer has ended.
fn is_whole(asked: &Asked, answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let bodiless = ["HTTP/1.1 204", "HTTP/1.1 304"];
    if asked.what().starts_with("HEAD ") || bodiless.iter().any(|start| text.starts_with(start)) {
        return true;
    }
    let at = |text: &str| {
        answer
            .windows(text.len())
            .position(|part| part == text.as_bytes())
    };
    let Some(told) = at("content-length: ") else {
        return at("\r\n0\r\n").is_some() && answer.ends_with(b"\r\n\r\n");
    };
    let rest = &answer[told + "content-length: ".len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length: usize = std::str::from_utf8(&rest[..digits])
        .expect("digits")
        .parse()
        .expect("a number");
    let head = rest.windows(4).position(|part| part == b"\r\n\r\n");
    head.is_some_and(|end| rest.len() - end - 4 == length)
}

/// An answer with a length.
pub fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A redirect.
pub fn to(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}
