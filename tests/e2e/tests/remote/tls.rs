//! A rendezvous that does TLS itself, with an authority of one's own.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lockgate_e2e::{DEADLINE, Executor, Rendezvous, Server, lockgate};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::work::Way;

/// An authority, and what it has signed for 127.0.0.1.
struct Papers {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Papers {
    fn issue(folder: &Path, name: &str) -> Papers {
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&key).expect("signed").pem();
        let issuer = Issuer::new(authority, key);
        let own = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let certificate = certificate.signed_by(&own, &issuer).expect("signed");
        let write = |what: &str, text: String| {
            let path = folder.join(format!("{name}-{what}.pem"));
            std::fs::write(&path, text).expect("written");
            path
        };
        Papers {
            authority: write("authority", pem),
            certificate: write("certificate", certificate.pem()),
            key: write("key", own.serialize_pem()),
        }
    }

    fn rendezvous(&self, folder: &Path) -> Rendezvous {
        let [certificate, key] = [&self.certificate, &self.key].map(|path| path.to_str());
        let certificate = ["--tls-cert", certificate.expect("a path")];
        let key = ["--tls-key", key.expect("a path")];
        let rendezvous = Rendezvous::at(folder, "127.0.0.1:0", &[certificate, key].concat());
        assert!(rendezvous.url().starts_with("https://"));
        rendezvous
    }

    fn trusted_by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("SSL_CERT_FILE", &self.authority)
            .env_remove("SSL_CERT_DIR")
    }
}

/// How something ends, and what it says.
fn ends(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn everything_goes_over_tls_encrypted_and_plain() {
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::issue(folder.path(), "own");
    let rendezvous = papers.rendezvous(folder.path());
    let registry = rendezvous.url();
    for environment in ["sealed", "open"] {
        let token = rendezvous.token(environment, "executor");
        let (mut executor, way) = if environment == "sealed" {
            let harness = rendezvous.token(environment, "harness");
            let way = Way::Encrypted {
                registry: registry.to_owned(),
                environment,
                token: harness,
            };
            (Executor::encrypting(registry, environment, &token), way)
        } else {
            let url = rendezvous.harness_url(environment, None);
            let url = url.replacen("ws://", "wss://", 1);
            let executor = Executor::command(registry, environment, &token);
            (executor, Way::Plain(url))
        };
        papers.trusted_by(&mut executor);
        let executor = Executor::from_command(executor);
        let mut command = way.command(&["exec"], &["--", "echo", "over", "TLS"]);
        let (code, said) = ends(papers.trusted_by(&mut command));
        assert_eq!((code, said.as_str()), (Some(0), "over TLS\n"));
        let (status, said) = executor.stop();
        assert!(status.success(), "{said}");
    }
}

#[test]
fn attack_29_no_token_goes_to_whom_nobody_trusted_vouches_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::issue(folder.path(), "own");
    let other = Papers::issue(folder.path(), "other");
    let rendezvous = papers.rendezvous(folder.path());
    let port = rendezvous.address().rsplit(':').next().expect("a port");
    let by_name = format!("https://localhost:{port}");
    let in_clear = format!("http://127.0.0.1:{port}");
    let executor = rendezvous.token("box", "executor");
    let harness = rendezvous.token("box", "harness");
    for (registry, trusted, says) in [
        // Signed by somebody else.
        (rendezvous.url(), &other, "certificate"),
        // For another name.
        (&by_name, &papers, "certificate"),
        // No TLS where it is wanted.
        (&in_clear, &papers, "cannot be reached"),
    ] {
        let mut command = Executor::encrypting(registry, "box", &executor);
        let (code, said) = ends(trusted.trusted_by(&mut command));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(says) && !said.contains(&executor), "{said}");
        let way = Way::Encrypted {
            registry: registry.to_owned(),
            environment: "box",
            token: harness.clone(),
        };
        let mut command = way.command(&["exec"], &["--", "true"]);
        let (code, said) = ends(trusted.trusted_by(&mut command));
        assert_eq!(code, Some(125), "{said}");
        assert!(said.contains(says) && !said.contains(&harness), "{said}");
    }
    // The websocket alone, too.
    let url = rendezvous.harness_url("box", None);
    let way = Way::Plain(url.replacen("ws://", "wss://", 1));
    let mut command = way.command(&["exec"], &["--", "true"]);
    let (code, said) = ends(other.trusted_by(&mut command));
    assert_eq!(code, Some(125), "{said}");
    assert!(
        said.contains("certificate") && !said.contains("signature="),
        "{said}"
    );
}

#[test]
fn tls_that_does_not_fit_says_what_it_is_and_what_to_do() {
    const UNTRUSTED: &str = "the certificate there is signed by nobody whom this machine trusts; if it is your own, trust it: SSL_CERT_FILE";
    const OTHER_NAME: &str = "the certificate there is for another name (";
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::issue(folder.path(), "own");
    let other = Papers::issue(folder.path(), "other");
    let rendezvous = papers.rendezvous(folder.path());
    let server = Server::start();
    let at = rendezvous.address();
    let by_name = at.replacen("127.0.0.1", "localhost", 1);
    let plain = server.address();
    let token = rendezvous.token("box", "executor");
    for (tls, at, trusted, says, instead) in [
        (true, at, &other, UNTRUSTED, ""),
        (true, &by_name, &papers, OTHER_NAME, ""),
        (
            false,
            at,
            &papers,
            "what answers there is no HTTP (",
            "if it speaks TLS, say",
        ),
        (
            true,
            plain,
            &papers,
            "what answers there does not speak TLS; if that is meant to be so, say",
            "instead of",
        ),
    ] {
        let (registry, websocket) = match tls {
            true => ("https", "wss"),
            false => ("http", "ws"),
        };
        let mut command = Executor::encrypting(&format!("{registry}://{at}"), "box", &token);
        let (code, said) = ends(trusted.trusted_by(&mut command));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(says) && said.contains(instead), "{said}");
        assert!(!said.contains("trying again"), "{said}");
        let way = Way::Plain(format!("{websocket}://{at}"));
        let mut command = way.command(&["exec"], &["--", "true"]);
        let (code, said) = ends(trusted.trusted_by(&mut command));
        assert_eq!(code, Some(125), "{said}");
        assert!(said.contains(says) && said.contains(instead), "{said}");
        assert!(!said.contains("is a server listening there"), "{said}");
    }
}

#[test]
fn an_authority_that_poses_as_a_server_is_told_how_to_be_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = KeyPair::generate().expect("a key");
    let mut own = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, own.self_signed(&key).expect("signed").pem()).expect("written");
    let key_file = folder.path().join("key.pem");
    std::fs::write(&key_file, key.serialize_pem()).expect("written");
    let papers = Papers {
        authority: certificate.clone(),
        certificate,
        key: key_file,
    };
    let rendezvous = papers.rendezvous(folder.path());
    let way = Way::Plain(format!("wss://{}", rendezvous.address()));
    let (_, said) = ends(papers.trusted_by(&mut way.command(&["exec"], &["--", "true"])));
    assert!(
        said.contains("basicConstraints=critical,CA:FALSE"),
        "{said}"
    );
}

#[test]
fn papers_that_cannot_be_used_keep_it_from_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::issue(folder.path(), "own");
    let other = Papers::issue(folder.path(), "other");
    let nowhere = folder.path().join("nowhere");
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").expect("written");
    for (certificate, key, says) in [
        (&nowhere, &papers.key, "cannot read certificates from"),
        (&empty, &papers.key, "no certificate in"),
        (
            &papers.certificate,
            &empty,
            "cannot read a private key from",
        ),
        (&papers.certificate, &other.key, "cannot be used"),
    ] {
        let mut command = Command::new(lockgate());
        command.args(["rendezvous", "serve", "--store"]);
        command.arg(folder.path().join("store"));
        command.arg("--tls-cert").arg(certificate);
        let (code, said) = ends(command.arg("--tls-key").arg(key));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn attack_30_a_tls_handshake_that_never_ends_keeps_its_place_for_a_moment_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::issue(folder.path(), "own");
    let rendezvous = papers.rendezvous(folder.path());
    let sockets = [
        &b""[..],
        // A handshake record of 512 bytes, and the first of them.
        &[22, 3, 1, 2, 0, 1],
        b"GET /readyz HTTP/1.1\r\n\r\n",
    ]
    .map(|beginning| {
        let mut socket = TcpStream::connect(rendezvous.address()).expect("connected");
        socket.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        socket.write_all(beginning).expect("sent");
        socket
    });
    // Who knows how is served meanwhile.
    let token = rendezvous.token("box", "executor");
    let mut command = Executor::command(rendezvous.url(), "box", &token);
    papers.trusted_by(&mut command);
    let executor = Executor::from_command(command);
    for mut socket in sockets {
        let mut rest = Vec::new();
        if let Err(error) = socket.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        assert!(
            !rest.starts_with(b"HTTP"),
            "nothing is answered without TLS"
        );
    }
    let (status, said) = executor.stop();
    assert!(status.success(), "{said}");
}
