//! The floor for large amounts: a blocking server that answers `bytes N` with one text message of N bytes, and `pipe N`
//! with the output of a child, read from a pipe and sent as base64 frames. Frames are
//! written by hand around a reused buffer: nothing could do less.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use tokio_tungstenite::tungstenite::{self, Message};

use crate::failure::Failure;

/// What is read from the pipe at a time: the capacity of a pipe.
const PIECE: usize = 64 << 10;

/// Serves until it is killed; one thread a connection.
pub(crate) fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("ws://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || converse(stream));
    }
    Ok(())
}

fn converse(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut socket =
        tungstenite::accept(stream).map_err(|error| Failure::Wrong(format!("upgrade: {error}")))?;
    loop {
        let message = socket.read()?;
        let Message::Text(text) = message else {
            continue;
        };
        let number = |name| {
            text.strip_prefix(name)
                .and_then(|number| number.parse().ok())
        };
        if let Some(length) = number("bytes ") {
            let mut frame = Frame::default();
            frame.begin();
            frame.body.resize(frame.body.len() + length, b'A');
            frame.send(socket.get_mut())?;
        } else if let Some(total) = number("pipe ") {
            pipe(socket.get_mut(), total)?;
        }
    }
}

fn pipe(socket: &mut TcpStream, total: usize) -> Result<(), Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["child", "output", &total.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut piece = vec![0; PIECE];
    let mut frame = Frame::default();
    if let Some(mut output) = child.stdout.take() {
        let mut seq = 0;
        loop {
            let length = output.read(&mut piece)?;
            if length == 0 {
                break;
            }
            seq += 1;
            frame.begin();
            write!(
                frame.body,
                "{{\"method\":\"process/output\",\"params\":{{\"processId\":\"floor\",\"seq\":{seq},\"chunk\":\""
            )?;
            base64_simd::STANDARD.encode_append(&piece[..length], &mut frame.body);
            frame.body.extend_from_slice(b"\"}}");
            frame.send(socket)?;
        }
    }
    child.wait()?;
    frame.begin();
    frame.body.extend_from_slice(
        b"{\"method\":\"process/closed\",\"params\":{\"processId\":\"floor\",\"seq\":0}}",
    );
    Ok(frame.send(socket)?)
}

/// One text frame, with room for the longest header in front of the payload.
#[derive(Default)]
struct Frame {
    body: Vec<u8>,
}

const HEADER: usize = 10;

impl Frame {
    fn begin(&mut self) {
        self.body.clear();
        self.body.resize(HEADER, 0);
    }

    fn send(&mut self, socket: &mut TcpStream) -> std::io::Result<()> {
        const FINAL_TEXT: u8 = 0x81;
        let length = self.body.len() - HEADER;
        let start = if let Ok(length) = u8::try_from(length)
            && length < 126
        {
            self.body[8..10].copy_from_slice(&[FINAL_TEXT, length]);
            8
        } else if let Ok(length) = u16::try_from(length) {
            self.body[6..8].copy_from_slice(&[FINAL_TEXT, 126]);
            self.body[8..10].copy_from_slice(&length.to_be_bytes());
            6
        } else {
            self.body[..2].copy_from_slice(&[FINAL_TEXT, 127]);
            self.body[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            0
        };
        socket.write_all(&self.body[start..])
    }
}
