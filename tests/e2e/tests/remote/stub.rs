//! A registry that answers what a test wants, and hands on what it is to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Instant;

/// Answers one request after the other with these, then no more; gives its URL and what was asked.
pub(crate) fn registry(answers: Vec<String>) -> (String, mpsc::Receiver<String>) {
    let (url, requests) = clocked(answers);
    let (asked, all) = mpsc::channel();
    std::thread::spawn(move || {
        for (request, _) in requests {
            // The test may have seen enough.
            let _ = asked.send(request);
        }
    });
    (url, all)
}

/// The same, with the moment before each answer.
pub(crate) fn clocked(answers: Vec<String>) -> (String, mpsc::Receiver<(String, Instant)>) {
    let mut answers = answers.into_iter();
    serving(move |_| answers.next())
}

/// Answers what is asked as long as there are answers; gives what was asked, with the moment before each answer.
pub(crate) fn serving(
    mut answer: impl FnMut(&str) -> Option<String> + Send + 'static,
) -> (String, mpsc::Receiver<(String, Instant)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (asked, requests) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let (mut socket, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(socket.try_clone().expect("a descriptor"));
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let request = format!("{head}\r\n{}", String::from_utf8_lossy(&body));
            let now = Instant::now();
            let Some(answer) = answer(&request) else {
                return;
            };
            // The test may have seen enough.
            let _ = asked.send((request, now));
            socket.write_all(answer.as_bytes()).expect("answered");
        }
    });
    (url, requests)
}

/// An answer, as it is written.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// What the registry at this address answers to a request.
pub(crate) fn asked_of(address: &str, request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let kept = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("host:") && !line.starts_with("connection:")
    });
    let head: Vec<_> = kept.collect();
    let mut socket = TcpStream::connect(address).expect("connected");
    write!(
        socket,
        "{}\r\nhost: {address}\r\nconnection: close\r\n\r\n{body}",
        head.join("\r\n")
    )
    .expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}
