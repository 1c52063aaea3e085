//! Environments connect when somebody needs them: once, however many come at once, and again when nothing came of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockgate_client::environments::config::{self, Config, Program, Reach};
use lockgate_client::environments::{Environment, EnvironmentError, Environments, Provider, Setup};
use lockgate_client::{Client, ClientError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::stdio::{gone, pid};
use crate::support::{Peer, soon};

const USERS: usize = 50;

/// Says what a text says, with the directory in the place of `DIR`.
struct Text(String);

impl Provider for Text {
    fn snapshot(&self) -> Result<Config, EnvironmentError> {
        config::parse(&self.0, Path::new("environments.toml"), None)
    }
}

fn environments(text: &str) -> Environments {
    Environments::new(&Text(text.to_owned()), Setup::default()).expect(text)
}

fn at(url: &str) -> Arc<Environment> {
    let all = environments(&format!(
        "default='a'\n[[environments]]\nid='a'\nurl='{url}'"
    ));
    all.default().expect("one")
}

/// A program that counts its starts in `DIR/starts` and serves once `DIR/ready` is there; else it ends at once.
fn program(dir: &Path) -> Arc<Environment> {
    let script = r#"echo >> starts; echo $$ > pid; [ -e ready ] || exit 1; read line; echo '{"id":1,"result":{"sessionId":"s","environmentInfo":{"shell":{"name":"sh","path":"/bin/sh"}}}}'; cat > /dev/null"#;
    let cwd = dir.to_str().expect("text");
    let all = environments(&format!(
        "default='a'\n[[environments]]\nid='a'\nprogram='/bin/sh'\nargs=['-c', '''{script}''']\ncwd='{cwd}'"
    ));
    all.default().expect("one")
}

fn starts(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("starts")).map_or(0, |text| text.lines().count())
}

/// A server that counts connections. The first `refused` it closes without a word, once `gate` lets it; all others are served until the
/// client leaves.
struct Counted {
    url: String,
    connections: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Counted {
    async fn start(refused: usize) -> Counted {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}", listener.local_addr().expect("bound"));
        let (connections, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (count, wait) = (Arc::clone(&connections), Arc::clone(&gate));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a client");
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, number < refused, Arc::clone(&wait)));
            }
        });
        Counted {
            url,
            connections,
            gate,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, refused: bool, gate: Arc<Semaphore>) {
    gate.acquire().await.expect("open").forget();
    if !refused {
        let mut peer = Peer::accept(stream).await;
        peer.handshake().await;
        peer.left().await;
    }
}

/// Many users at once: on one thread all of them wait before the gate opens.
async fn users(
    environment: &Arc<Environment>,
    gate: &Semaphore,
) -> Vec<Result<Client, ClientError>> {
    let begun = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..USERS)
        .map(|_| {
            let (environment, begun) = (Arc::clone(environment), Arc::clone(&begun));
            tokio::spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                environment.client().await
            })
        })
        .collect();
    while begun.load(Ordering::SeqCst) < USERS {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    let mut outcomes = Vec::new();
    for user in all {
        outcomes.push(soon(user).await.expect("ends"));
    }
    outcomes
}

#[tokio::test]
async fn nothing_is_connected_to_before_it_is_used() {
    let server = Counted::start(0).await;
    let environment = at(&server.url);
    assert!(environment.connected().is_none());
    server.gate.add_permits(1);
    soon(environment.client()).await.expect("connects");
    assert!(environment.connected().is_some());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn first_users_that_come_at_once_share_one_connection() {
    let server = Counted::start(0).await;
    let environment = at(&server.url);
    for user in users(&environment, &server.gate).await {
        assert_eq!(user.expect("connects").session_id(), "s-1");
    }
    assert_eq!(server.connections(), 1);
    soon(environment.client()).await.expect("is still there");
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_do_users_on_several_threads() {
    let server = Counted::start(0).await;
    let environment = at(&server.url);
    for user in users(&environment, &server.gate).await {
        user.expect("connects");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_failed_attempt_is_told_to_all_who_waited_and_the_next_user_tries_again() {
    let server = Counted::start(2).await;
    let environment = at(&server.url);
    for failed in 1..=2 {
        for user in users(&environment, &server.gate).await {
            let error = user.expect_err("refused");
            assert!(matches!(error, ClientError::Connect { .. }), "{error}");
        }
        assert_eq!(server.connections(), failed);
    }
    for user in users(&environment, &server.gate).await {
        user.expect("connects");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_program_that_fails_is_started_again_by_the_next_user() {
    let dir = tempfile::tempdir().expect("a directory");
    let environment = program(dir.path());
    let nothing = Semaphore::new(0);
    for failed in 1..=2 {
        for user in users(&environment, &nothing).await {
            assert!(
                matches!(user, Err(ClientError::NoServer { .. })),
                "{user:?}"
            );
        }
        assert_eq!(starts(dir.path()), failed);
    }
    std::fs::write(dir.path().join("ready"), "").expect("written");
    for user in users(&environment, &nothing).await {
        user.expect("connects");
    }
    assert_eq!(starts(dir.path()), 3);
}

#[tokio::test]
async fn a_program_with_a_variable_that_has_no_name_is_not_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let cwd = dir.path().to_str().expect("text");
    let all = environments(&format!(
        "default='a'\n[[environments]]\nid='a'\nprogram='touch'\nargs=['began']\ncwd='{cwd}'\nenv={{ 'A=B'='c' }}"
    ));
    let failed = soon(all.default().expect("one").client()).await;
    let said = failed.expect_err("it cannot be").to_string();
    assert!(
        said.starts_with("cannot start the server `touch`: env name `A=B`"),
        "{said}"
    );
    assert!(!dir.path().join("began").exists());
}

#[tokio::test]
async fn a_user_who_gives_up_takes_nobodys_connection_along() {
    let server = Counted::start(0).await;
    let environment = at(&server.url);
    let first = tokio::spawn({
        let environment = Arc::clone(&environment);
        async move { environment.client().await }
    });
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.expect_err("given up").is_cancelled());
    server.gate.add_permits(1);
    soon(environment.client()).await.expect("connects");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn after_a_lost_connection_the_next_user_connects_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("ready"), "").expect("written");
    let environment = program(dir.path());
    let client = soon(environment.client()).await.expect("connects");
    let leader = pid(&dir.path().join("pid")).await;
    rustix::process::kill_process(leader, rustix::process::Signal::KILL).expect("killed");
    soon(client.status()).await.expect_err("lost");
    let again = soon(environment.client()).await.expect("connects");
    assert!(!again.is_closed() && starts(dir.path()) == 2);
}

#[tokio::test]
async fn dropping_all_ends_the_programs() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("ready"), "").expect("written");
    let environment = program(dir.path());
    soon(environment.client()).await.expect("connects");
    drop(environment);
    gone(pid(&dir.path().join("pid")).await).await;
}

#[tokio::test]
async fn dropping_all_ends_a_program_that_does_not_answer_the_handshake_either() {
    let dir = tempfile::tempdir().expect("a directory");
    let cwd = dir.path().to_str().expect("text");
    let all = environments(&format!(
        "default='a'\n[[environments]]\nid='a'\nprogram='/bin/sh'\nargs=['-c', 'echo $$ > pid; exec sleep 1000']\ncwd='{cwd}'"
    ));
    let environment = all.default().expect("one");
    let user = tokio::spawn({
        let environment = Arc::clone(&environment);
        async move { environment.client().await }
    });
    let leader = pid(&dir.path().join("pid")).await;
    user.abort();
    drop((all, environment, user.await));
    gone(leader).await;
}

#[tokio::test]
async fn closing_tells_who_waits_and_leaves_no_program_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let environment = program(dir.path());
    std::fs::write(dir.path().join("ready"), "").expect("written");
    let client = soon(environment.client()).await.expect("connects");
    let leader = pid(&dir.path().join("pid")).await;
    soon(environment.close()).await;
    assert!(client.is_closed() && rustix::process::test_kill_process(leader).is_err());

    let server = Counted::start(0).await;
    let environment = at(&server.url);
    let user = tokio::spawn({
        let environment = Arc::clone(&environment);
        async move { environment.client().await }
    });
    tokio::task::yield_now().await;
    soon(environment.close()).await;
    let error = soon(user).await.expect("ends").expect_err("closed");
    assert!(error.to_string().contains("`a` was closed"), "{error}");
}

#[tokio::test]
async fn the_timeouts_of_an_entry_hold() {
    let server = Counted::start(0).await;
    let url = &server.url;
    let all = environments(&format!(
        "default='a'\n[[environments]]\nid='a'\nurl='{url}'\nconnect_timeout_sec=0.05\n[[environments]]\nid='p'\nprogram='sleep'\nargs=['1000']\ninitialize_timeout_sec=0.05"
    ));
    // Nobody opens the gate.
    let error = soon(all.default().expect("one").client())
        .await
        .expect_err("late");
    assert!(
        error.to_string().contains("no connection to ws://"),
        "{error}"
    );
    let silent = all.resolve(Some("p")).expect("there");
    let error = soon(silent.client()).await.expect_err("late");
    assert!(error.to_string().contains("within 0.05 s"), "{error}");
}

#[tokio::test]
async fn this_host_is_what_the_embedder_brings() {
    let all = environments("");
    let error = soon(all.default().expect("local").client())
        .await
        .expect_err("none");
    assert!(matches!(error, ClientError::NoExecutor { .. }), "{error}");

    let script = r#"read line; echo '{"id":1,"result":{"sessionId":"here","environmentInfo":{"shell":{"name":"sh","path":"/bin/sh"}}}}'; cat > /dev/null"#;
    let local = Program {
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script.to_owned()],
        ..Program::default()
    };
    let setup = Setup {
        local: Some(Reach::Program(local)),
        ..Setup::default()
    };
    let all = Environments::new(&Text(String::new()), setup).expect("local");
    let client = soon(all.default().expect("local").client())
        .await
        .expect("starts");
    assert_eq!(client.session_id(), "here");
    soon(all.close()).await;
    assert!(client.is_closed());
}

#[tokio::test]
async fn an_attempt_that_breaks_off_is_not_waited_for_by_the_next_user() {
    use lockgate_client::environments::Connector;
    let attempts = Arc::new(AtomicUsize::new(0));
    let connector = Connector::new({
        let attempts = Arc::clone(&attempts);
        move |_| {
            let attempt = attempts.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(attempt > 0, "a mistake of the embedder");
                Err(ClientError::Closed("it was reached".to_owned()))
            }
        }
    });
    let setup = Setup {
        local: Some(Reach::Connector(connector)),
        ..Setup::default()
    };
    let all = Environments::new(&Text(String::new()), setup).expect("sound");
    let environment = all.default().expect("local");
    let error = soon(environment.client()).await.expect_err("broken off");
    assert!(error.to_string().contains("broke off"), "{error}");
    let error = soon(environment.client()).await.expect_err("tried again");
    assert!(error.to_string().contains("it was reached"), "{error}");
}

#[tokio::test]
async fn one_that_is_replaced_serves_who_waited_for_it_and_who_uses_it_to_the_end() {
    let (old, new) = (Counted::start(0).await, Counted::start(0).await);
    let all = environments(&format!(
        "default='a'\n[[environments]]\nid='a'\nurl='{}'",
        old.url
    ));
    let waiting = tokio::spawn({
        let environment = all.default().expect("one");
        async move { environment.client().await }
    });
    while old.connections() == 0 {
        tokio::task::yield_now().await;
    }
    all.add("a", &new.url).expect("replaced");
    old.gate.add_permits(1);
    let client = soon(waiting).await.expect("no panic").expect("connects");
    let in_flight = tokio::spawn({
        let client = client.clone();
        async move { client.status().await }
    });
    all.add("a", &new.url).expect("replaced again");
    new.gate.add_permits(1);
    let newer = soon(all.default().expect("one").client()).await;
    let newer = newer.expect("connects");
    assert_eq!((old.connections(), new.connections()), (1, 1));
    assert!(!client.is_closed() && !newer.is_closed() && !in_flight.is_finished());
    // And no longer than somebody wants it.
    soon(client.close()).await;
    soon(in_flight)
        .await
        .expect("no panic")
        .expect_err("closed");
    assert!(!newer.is_closed());
}
