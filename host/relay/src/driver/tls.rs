//! What went wrong with TLS, in words that say what to do: those of the library are for who knows it.

use std::error::Error;

use rustls::CertificateError;

/// How two kinds of URL begin: the one that means TLS, and the one that does not.
#[derive(Clone, Copy)]
pub(crate) struct Schemes {
    pub(crate) tls: &'static str,
    pub(crate) plain: &'static str,
}

/// Of websockets.
pub(crate) const WEBSOCKET: Schemes = Schemes {
    tls: "wss://",
    plain: "ws://",
};

/// Of registries.
pub(crate) const HTTP: Schemes = Schemes {
    tls: "https://",
    plain: "http://",
};

/// Why TLS failed, if it was TLS that did.
pub(crate) fn reason(error: &(dyn Error + 'static), schemes: Schemes) -> Option<String> {
    Some(match of_tls(error)? {
        rustls::Error::InvalidMessage(_) => format!(
            "what answers there does not speak TLS; if that is meant to be so, say {} instead of {}",
            schemes.plain, schemes.tls
        ),
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::AlertReceived(alert) => format!("TLS is refused there: {alert:?}"),
        other => format!("TLS failed: {other}"),
    })
}

/// What answers to a request in clear is no HTTP.
pub(crate) fn no_http(error: &dyn Error, schemes: Schemes) -> String {
    format!(
        "what answers there is no HTTP ({error}); if it speaks TLS, say {} instead of {}",
        schemes.tls, schemes.plain
    )
}

fn certificate(error: &CertificateError) -> String {
    const TRUST: &str = "SSL_CERT_FILE names a file of those to trust";
    let what = match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!(
                "is signed by nobody whom this machine trusts; if it is your own, trust it: {TRUST}"
            )
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("is for another name ({error}); say the name that it is for")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("has expired ({error})")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("is not valid yet ({error}); is the clock right here?")
        }
        // Its text is the library's name for it.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is that of an authority, and cannot be a server's, too: make one with basicConstraints=critical,CA:FALSE".to_owned()
        }
        other => format!("is refused: {other}"),
    };
    format!("the certificate there {what}")
}

/// The error of TLS among the causes, and in what they wrap.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped as &'a (dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn it_is_found_however_deep_it_is_wrapped() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let said = reason(&wrapped, HTTP).expect("it is TLS");
        assert!(said.contains("SSL_CERT_FILE"), "{said}");
        assert_eq!(reason(&io::Error::other("no"), HTTP), None);
        assert_eq!(reason(&io::Error::from_raw_os_error(111), HTTP), None);
    }
}
