//! Environments over real executors: one connection for all first users, changes of the file while they are in use, and nothing left behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lockgate_client::environments::provider::Source;
use lockgate_client::environments::{Environments, Followed, Selected, Selection, Setup};
use lockgate_client::{Client, ClientError, ConnectionState, Event};
use lockgate_e2e::{
    DEADLINE, Executor, Rendezvous, Server, is_running, kill_9, lockgate, start_params, tls_before,
    write_secret,
};
use tokio::net::{TcpListener, TcpStream};

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what)
        .await
        .expect("it took too long")
}

fn of(folder: &Path, text: &str) -> Arc<Environments> {
    let file = folder.join("environments.toml");
    std::fs::write(&file, text).expect("written");
    Arc::new(Environments::new(&Source::File(file), Setup::default()).expect(text))
}

/// An executor over stdio that counts its starts in the folder.
fn program(folder: &Path) -> String {
    let (program, folder) = (lockgate(), folder.to_str().expect("text"));
    let program = program.to_str().expect("text");
    format!(
        "[[environments]]\nid = 'p'\nprogram = 'sh'\nargs = ['-c', 'echo >> starts; exec {program} serve --listen stdio']\ncwd = '{folder}'\n"
    )
}

fn at(id: &str, url: &str) -> String {
    format!("[[environments]]\nid = '{id}'\nurl = '{url}'\n")
}

/// What a command prints.
async fn run(client: &Client, id: &str, command: &str) -> String {
    let params = serde_json::from_value(start_params(id, command)).expect("params");
    let mut process = client.start(&params).await.expect("starts");
    let mut text = Vec::new();
    while let Some(event) = soon(process.events.next()).await {
        match event {
            Event::Output { data, .. } => text.extend(data),
            Event::Closed => break,
            Event::Exited { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    String::from_utf8(text).expect("text")
}

/// Forwards to an executor, which can be another one later, and counts connections.
struct Forwarder {
    url: String,
    connections: Arc<AtomicUsize>,
    /// `None`: whoever comes is sent away.
    to: Arc<Mutex<Option<String>>>,
}

impl Forwarder {
    async fn start() -> Forwarder {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}", listener.local_addr().expect("bound"));
        let connections = Arc::<AtomicUsize>::default();
        let to = Arc::<Mutex<Option<String>>>::default();
        let (count, at) = (Arc::clone(&connections), Arc::clone(&to));
        tokio::spawn(async move {
            loop {
                let (mut from, _) = listener.accept().await.expect("a client");
                count.fetch_add(1, Ordering::SeqCst);
                let to = at.lock().expect("not poisoned").clone();
                tokio::spawn(async move {
                    if let Some(to) = to {
                        let mut to = TcpStream::connect(&to).await.expect("the executor");
                        // Ends with either end.
                        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Forwarder {
            url,
            connections,
            to,
        }
    }

    fn lead_to(&self, server: Option<&Server>) {
        let address = server.map(|server| server.address().to_owned());
        *self.to.lock().expect("not poisoned") = address;
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_users_share_one_connection_to_each_executor() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    let forwarder = Forwarder::start().await;
    forwarder.lead_to(Some(&server));
    let all = of(
        folder.path(),
        &(at("w", &forwarder.url) + &program(folder.path())),
    );
    let users: Vec<_> = (0..40)
        .map(|number| {
            let all = Arc::clone(&all);
            tokio::spawn(async move {
                let id = if number % 2 == 0 { "w" } else { "p" };
                let environment = all.resolve(Some(id)).expect("there");
                let client = environment.client().await.expect("connects");
                run(&client, &format!("c{number}"), &format!("echo {number}")).await
            })
        })
        .collect();
    for (number, user) in users.into_iter().enumerate() {
        assert_eq!(soon(user).await.expect("runs"), format!("{number}\n"));
    }
    assert_eq!(forwarder.connections(), 1);
    let starts = std::fs::read_to_string(folder.path().join("starts")).expect("started");
    assert_eq!(starts.lines().count(), 1);
    soon(all.close()).await;
}

#[tokio::test]
async fn an_executor_that_comes_back_is_connected_to_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let forwarder = Forwarder::start().await;
    let all = of(folder.path(), &at("w", &forwarder.url));
    let environment = all.resolve(Some("w")).expect("there");
    // Nobody is there yet.
    soon(environment.client()).await.expect_err("sent away");
    let server = Server::start();
    forwarder.lead_to(Some(&server));
    let client = soon(environment.client()).await.expect("connects");
    assert_eq!(run(&client, "a", "echo one").await, "one\n");
    forwarder.lead_to(None);
    kill_9(server.proper());
    let is_away = |state: &ConnectionState| matches!(state, ConnectionState::Away { .. });
    let mut states = client.states();
    soon(states.wait_for(is_away)).await.expect("it is told");
    // It may come back: until that is known it is the connection.
    let away = soon(environment.client()).await.expect("there");
    assert_eq!(away.session_id(), client.session_id());
    let again = Server::start();
    forwarder.lead_to(Some(&again));
    // It does, without the session.
    let error = soon(away.status()).await.expect_err("gone");
    assert!(matches!(error, ClientError::SessionGone { .. }), "{error}");
    let client = soon(environment.client()).await.expect("connects");
    assert_ne!(away.session_id(), client.session_id());
    assert_eq!(run(&client, "a", "echo two").await, "two\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_behind_tls_is_reached_where_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    let (port, pem) = tls_before(server.address()).await;
    let url = format!("wss://localhost:{port}");
    let trusted = folder.path().join("authority.pem");
    std::fs::write(&trusted, pem).expect("written");
    let file = folder.path().join("environments.toml");
    std::fs::write(file, at("box", &url)).expect("written");
    let run = |arguments: &[&str], trusted: Option<&Path>| {
        let mut command = Command::new(lockgate());
        command.args(arguments).env("LOCKGATE_HOME", folder.path());
        command
            .env_remove("SSL_CERT_DIR")
            .env_remove("SSL_CERT_FILE");
        if let Some(trusted) = trusted {
            command.env("SSL_CERT_FILE", trusted);
        }
        command.output().expect("the command runs")
    };
    for way in [["--env", "box"], ["--url", &url]] {
        let exec = [
            &["exec"],
            &way[..],
            &["--", "cat", "/proc/sys/kernel/ostype"],
        ]
        .concat();
        let ran = run(&exec, Some(&trusted));
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "Linux\n", "{ran:?}");
        let refused = run(&exec, None);
        assert_eq!(refused.status.code(), Some(125));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("certificate"), "{said}");
    }
    // As much as goes into one message.
    let large: Vec<u8> = (0..30_000_000_u32).map(|i| (i >> 3) as u8).collect();
    let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
    std::fs::write(&from, &large).expect("written");
    let paths = [&from, &to].map(|path| path.to_str().expect("text"));
    let put = run(
        &["fs", "put", "--env", "box", paths[0], paths[1]],
        Some(&trusted),
    );
    assert!(put.status.success(), "{put:?}");
    assert!(std::fs::read(&to).expect("there") == large);
}

#[tokio::test]
async fn an_executor_behind_a_rendezvous_is_one_like_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let token = rendezvous.token("box", "executor");
    let _executor = Executor::start(rendezvous.url(), "box", &token);
    let url = rendezvous.harness_url("box", None);
    let all = of(
        folder.path(),
        &(at("r", &url) + "[[environments]]\nid = 'p'\nprogram = 'false'\n"),
    );
    let environment = all.resolve(Some("r")).expect("there");
    let client = soon(environment.client()).await.expect("connects");
    assert_eq!(run(&client, "a", "echo one").await, "one\n");
    // The URL is a secret, and is not told where it does not help.
    assert!(url.contains("signature=") && url.contains("role="), "{url}");
    let mut command = Command::new(lockgate());
    command.args(["env", "check", "--json"]);
    let checked = command.env("LOCKGATE_HOME", folder.path()).output();
    let checked = checked.expect("the command runs");
    assert_eq!(checked.status.code(), Some(1));
    let text = String::from_utf8(checked.stdout).expect("text");
    assert!(
        !text.contains("signature") && !text.contains("role="),
        "{text}"
    );
    let checked: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let ok = |id: &str| {
        let mut all = checked.as_array().expect("all").iter();
        all.find(|one| one["id"] == id).expect("checked")["ok"].clone()
    };
    assert_eq!(
        (ok("r"), ok("local"), ok("p")),
        (true.into(), true.into(), false.into())
    );
}

#[tokio::test]
async fn an_executor_that_is_encrypted_from_end_to_end_has_a_name_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let rendezvous = Rendezvous::start(folder.path());
    let executor = rendezvous.token("box", "executor");
    let _executor =
        Executor::from_command(Executor::encrypting(rendezvous.url(), "box", &executor));
    let token = folder.path().join("token");
    write_secret(&token, rendezvous.token("box", "harness"));
    let lockgate = |args: &[&str]| {
        let mut command = Command::new(lockgate());
        command.args(args).env("LOCKGATE_HOME", folder.path());
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let (code, said) = lockgate(&[
        "env",
        "add",
        "far",
        "--remote",
        rendezvous.url(),
        "--environment-id",
        "box",
        "--token-file",
        token.to_str().expect("text"),
    ]);
    assert_eq!(code, Some(0), "{said}");
    let ran = lockgate(&["exec", "--env", "far", "--", "echo", "from afar"]);
    assert_eq!(ran, (Some(0), "from afar\n".to_owned()));
    let (code, said) = lockgate(&["env", "check", "far"]);
    assert_eq!(code, Some(0), "{said}");
    // For programs of one's own likewise.
    let file = std::fs::read_to_string(folder.path().join("environments.toml")).expect("there");
    let all = of(folder.path(), &file);
    let client = soon(all.resolve(Some("far")).expect("there").client())
        .await
        .expect("connects");
    assert_eq!(run(&client, "a", "echo one").await, "one\n");
    // What is wrong with the token is told by whoever was asked.
    write_secret(&token, "lockgate_none");
    let (code, said) = lockgate(&["env", "check", "far"]);
    assert!(
        code == Some(1) && said.contains("refuses the credentials (401)"),
        "{said}"
    );
    // It is taken for what it says: one that encrypts goes to no executor that does not.
    write_secret(&token, rendezvous.token("box", "harness"));
    let direct = file + "remote_transport = \"direct\"\n";
    std::fs::write(folder.path().join("environments.toml"), direct).expect("written");
    let (code, said) = lockgate(&["env", "check", "far"]);
    assert_eq!(code, Some(1), "{said}");
}

#[tokio::test]
async fn a_file_that_changes_moves_only_who_it_is_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, two] = [Server::start(), Server::start()];
    let stays = program(folder.path());
    let all = of(folder.path(), &(at("w", one.url()) + &stays));
    let file = folder.path().join("environments.toml");
    let mut following = all.follow(&file);
    let client = |id: &'static str| {
        let all = &all;
        async move { soon(all.resolve(Some(id)).expect("there").client()).await }
    };
    let (old, kept) = (
        client("w").await.expect("one"),
        client("p").await.expect("p"),
    );
    let parent = "ps -o ppid= -p $$ | tr -d ' '";
    let was = run(&old, "who", parent).await;

    std::fs::write(&file, "default = 'gone'\n").expect("written");
    let Some(Followed::Refused(error)) = soon(following.next()).await else {
        panic!("a bad file was taken up")
    };
    assert!(error.to_string().contains("`gone` is not configured"));
    assert_eq!(
        run(&client("w").await.expect("one"), "same", parent).await,
        was
    );

    std::fs::write(&file, at("w", two.url()) + &stays).expect("written");
    let Some(Followed::Changed(changes)) = soon(following.next()).await else {
        panic!("a good file was refused")
    };
    assert_eq!(changes.replaced, ["w"]);
    let new = client("w").await.expect("two");
    assert_ne!(run(&new, "who", parent).await, was);
    // Who has the old connection goes on with it.
    assert_eq!(run(&old, "still", parent).await, was);
    let same = client("p").await.expect("p");
    assert_eq!(same.session_id(), kept.session_id());
}

#[tokio::test]
async fn a_session_works_where_it_chose_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start();
    let all = of(
        folder.path(),
        &(at("w", server.url()) + &program(folder.path())),
    );
    let mut selection = Selection::default();
    selection
        .choose(&all, vec![Selected::new("p"), Selected::new("w")])
        .expect("chosen");
    let turn = [Selected::new("w")];
    for (number, (of_turn, first)) in [(None, "p"), (Some(&turn[..]), "w"), (None, "p")]
        .into_iter()
        .enumerate()
    {
        let places = selection.of_turn(&all, of_turn).expect("there");
        assert_eq!(places[0].environment.id(), first);
        let client = soon(places[0].environment.client()).await;
        let client = client.expect("connects");
        let text = run(
            &client,
            &format!("turn-{number}"),
            "tr '\\0' ' ' < /proc/$PPID/cmdline",
        )
        .await;
        assert_eq!(text.contains("stdio"), first == "p", "{text}");
    }
    soon(all.close()).await;
}

#[tokio::test]
async fn dropping_them_ends_a_program_with_all_that_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = of(folder.path(), &program(folder.path()));
    let client = soon(all.resolve(Some("p")).expect("there").client())
        .await
        .expect("connects");
    let params = serde_json::from_value(start_params("s", "echo $$; exec sleep 1000"));
    let mut process = client
        .start(&params.expect("params"))
        .await
        .expect("starts");
    let Some(Event::Output { data, .. }) = soon(process.events.next()).await else {
        panic!("no pid")
    };
    let pid: u32 = String::from_utf8_lossy(&data)
        .trim()
        .parse()
        .expect("a pid");
    assert!(is_running(pid));
    drop((process, client, all));
    soon(async {
        while is_running(pid) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}
