//! Whom TLS trusts: the certificate authorities of the system, and those of a bundle that the environment names.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` take the place of the system's, as for OpenSSL. `LOCKGATE_CA_CERTIFICATE`, or else
//! `CODEX_CA_CERTIFICATE`, names a file in PEM whose authorities are trusted besides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::limits;

/// Name bundles; the first that is set counts.
pub(super) const BUNDLE_VARIABLES: [&str; 2] = ["LOCKGATE_CA_CERTIFICATE", "CODEX_CA_CERTIFICATE"];

/// The settings of TLS, and what is wrong with them: then `https` is refused, and `http` is served all the same.
pub(super) struct Trust {
    pub(super) tls: ClientConfig,
    pub(super) trouble: Option<String>,
}

impl Trust {
    /// Reads the authorities. May block.
    pub(super) fn load(bundle: Option<(&'static str, PathBuf)>) -> Trust {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        let mut trouble = None;
        if let Some((variable, path)) = bundle
            && let Err(reason) = add(&mut roots, &path)
        {
            trouble = Some(format!(
                "the certificates in {} ({variable}) cannot be used: {reason}",
                path.display()
            ));
        } else if roots.is_empty() {
            let reasons = system.errors.iter().map(ToString::to_string);
            let reasons = Some(reasons.collect::<Vec<_>>().join("; "));
            trouble = Some(format!(
                "this machine trusts no certificate authority ({}): install its package of CA certificates, or name a bundle in {}",
                reasons
                    .filter(|text| !text.is_empty())
                    .unwrap_or_else(|| "none was found".to_owned()),
                BUNDLE_VARIABLES[0]
            ));
        }
        Trust {
            tls: settings(roots),
            trouble,
        }
    }

    /// The bundle that the environment names.
    pub(super) fn bundle(
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Option<(&'static str, PathBuf)> {
        BUNDLE_VARIABLES.iter().find_map(|name| {
            let path = variable(name).filter(|path| !path.as_os_str().is_empty())?;
            Some((*name, path))
        })
    }
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    let found = path.metadata().map_err(said)?;
    if !found.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if found.len() > limits::CA_BUNDLE_BYTES {
        return Err(format!(
            "it has more than {} bytes",
            limits::CA_BUNDLE_BYTES
        ));
    }
    let pem = std::fs::read(path).map_err(said)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        count += 1;
    }
    match count {
        0 => Err("there is no certificate in it, in PEM".to_owned()),
        _ => Ok(()),
    }
}

/// With a provider of our own: nothing is installed for the whole process.
fn settings(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut settings =
        match ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
            Ok(builder) => builder.with_root_certificates(roots).with_no_client_auth(),
            // The provider has suites for both versions.
            Err(error) => unreachable!("{error}"),
        };
    settings.alpn_protocols = ["h2", "http/1.1"].map(|name| name.into()).to_vec();
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bundle_that_is_named_counts() {
        let named = |set: &[(&str, &str)]| {
            let set: Vec<(String, PathBuf)> = set
                .iter()
                .map(|(name, path)| ((*name).to_owned(), PathBuf::from(path)))
                .collect();
            let bundle = Trust::bundle(|name| {
                let found = set.iter().find(|(key, _)| key == name);
                found.map(|(_, path)| path.clone())
            });
            bundle.map(|(_, path)| path)
        };
        assert_eq!(named(&[]), None);
        assert_eq!(named(&[("CODEX_CA_CERTIFICATE", "c")]), Some("c".into()));
        assert_eq!(
            named(&[
                ("CODEX_CA_CERTIFICATE", "c"),
                ("LOCKGATE_CA_CERTIFICATE", "l")
            ]),
            Some("l".into())
        );
        assert_eq!(
            named(&[
                ("CODEX_CA_CERTIFICATE", "c"),
                ("LOCKGATE_CA_CERTIFICATE", "")
            ]),
            Some("c".into())
        );
    }

    #[test]
    fn a_bundle_that_cannot_be_used_is_told_and_never_left_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("ca.pem");
        let trouble =
            |path: &Path| Trust::load(Some(("LOCKGATE_CA_CERTIFICATE", path.to_owned()))).trouble;
        assert!(trouble(&file).is_some_and(|text| text.contains("LOCKGATE_CA_CERTIFICATE")));
        assert!(trouble(directory.path()).is_some_and(|text| text.contains("no regular file")));
        std::fs::write(&file, "nothing").expect("written");
        assert!(trouble(&file).is_some_and(|text| text.contains("no certificate")));
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&file, made.cert.pem()).expect("written");
        assert_eq!(trouble(&file), None);
    }
}
