//! The listen URL and the TCP listener behind it.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Where the server listens: `ws://IP:PORT`, or standard input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenUrl {
    /// A websocket listener on a literal socket address; port 0 lets the system choose.
    WebSocket(SocketAddr),
    /// One connection, one JSON message a line.
    Stdio,
}

/// Why a listen URL was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListenError {
    /// Not one of the known schemes.
    #[error("unsupported --listen URL `{0}`; expected `ws://IP:PORT` or `stdio`")]
    Scheme(String),
    /// `ws://` with something that is no socket address.
    #[error("invalid websocket --listen URL `{0}`; expected `ws://IP:PORT`")]
    Address(String),
}

impl std::str::FromStr for ListenUrl {
    type Err = ListenError;

    fn from_str(url: &str) -> Result<ListenUrl, ListenError> {
        if url == "stdio" || url == "stdio://" {
            return Ok(ListenUrl::Stdio);
        }
        let address = url
            .strip_prefix("ws://")
            .ok_or_else(|| ListenError::Scheme(url.into()))?;
        address
            .parse()
            .map(ListenUrl::WebSocket)
            .map_err(|_| ListenError::Address(url.into()))
    }
}

/// Binds the listener. The backlog holds a thousand clients that connect in the same instant.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4_096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_urls_are_literal_addresses_or_stdio() {
        assert_eq!("stdio".parse(), Ok(ListenUrl::Stdio));
        assert_eq!("stdio://".parse(), Ok(ListenUrl::Stdio));
        for good in ["ws://127.0.0.1:0", "ws://[::1]:8080", "ws://0.0.0.0:65535"] {
            assert!(
                matches!(good.parse(), Ok(ListenUrl::WebSocket(_))),
                "{good}"
            );
        }
        for bad in [
            "ws://localhost:1",
            "ws://127.0.0.1",
            "ws://127.0.0.1:1/x",
            "ws://::1:80",
            "ws://127.0.0.1:65536",
        ] {
            assert_eq!(
                bad.parse::<ListenUrl>(),
                Err(ListenError::Address(bad.into())),
                "{bad}"
            );
        }
        for bad in [
            "",
            "http://127.0.0.1:1",
            "wss://127.0.0.1:1",
            "unix:///x",
            "stdio:/",
        ] {
            assert_eq!(
                bad.parse::<ListenUrl>(),
                Err(ListenError::Scheme(bad.into())),
                "{bad}"
            );
        }
    }
}
