//! A client of one connection, and the judge that decides over it.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use base64_of::encode;
use lockgate_policy_gate::{
    Action, ActionKind, Answer, Decision, Default as Fallback, Narrowing, Ruling, Subject, Verdict,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::options::{LedgerChoice, Options, PolicyOptions, ProcessSandbox};
use crate::policy::{Judge, Peer};
use crate::service::Service;
use crate::transport::{Inbound, Transport};

type Opinion = dyn Fn(&Action) -> Verdict + Send + Sync;

/// Decides by a closure, and remembers what it was asked.
pub(super) struct Closure {
    opinion: Box<Opinion>,
    asked: Mutex<Vec<(Subject, Action)>>,
    answered: Mutex<Vec<(bool, String)>>,
    quick: AtomicBool,
    gives_up: bool,
    generation: AtomicU64,
    prepared: AtomicUsize,
    kinds: Mutex<Vec<ActionKind>>,
    ask_time: Duration,
}

impl Judge for Closure {
    fn wants(&self, kind: ActionKind) -> bool {
        self.kinds.lock().expect("not poisoned").contains(&kind)
    }

    fn decide(&self, subject: &Subject, action: &Action) -> Ruling {
        let asked = (subject.clone(), action.clone());
        self.asked.lock().expect("not poisoned").push(asked);
        let answer = Answer {
            policy: "test".to_owned(),
            verdict: (self.opinion)(action),
        };
        Ruling::of(vec![answer], Fallback::Deny)
    }

    fn decide_at_once(&self, subject: &Subject, action: &Action) -> Option<Ruling> {
        (!self.gives_up).then(|| self.decide(subject, action))
    }

    fn answered(&self, _: &Subject, _: &Action, _: &Ruling, approved: bool, by: &str) {
        let answered = (approved, by.to_owned());
        self.answered.lock().expect("not poisoned").push(answered);
    }

    fn is_quick(&self, _: ActionKind) -> bool {
        self.quick.load(Ordering::Relaxed)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn ask_time(&self) -> Duration {
        self.ask_time
    }

    fn prepare(&self) {
        self.prepared.fetch_add(1, Ordering::Relaxed);
    }
}

impl Closure {
    pub(super) fn asked(&self) -> Vec<Action> {
        let asked = self.asked.lock().expect("not poisoned");
        asked.iter().map(|(_, action)| action.clone()).collect()
    }

    pub(super) fn subjects(&self) -> Vec<Subject> {
        let asked = self.asked.lock().expect("not poisoned");
        asked.iter().map(|(subject, _)| subject.clone()).collect()
    }

    /// From now on it is another one, which wants to see these.
    pub(super) fn is_exchanged(&self, kinds: &[ActionKind]) {
        *self.kinds.lock().expect("not poisoned") = kinds.to_vec();
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was let prepare for the next decision.
    pub(super) fn prepared(&self) -> usize {
        self.prepared.load(Ordering::Relaxed)
    }

    pub(super) fn answered_by(&self) -> Vec<(bool, String)> {
        self.answered.lock().expect("not poisoned").clone()
    }
}

pub(super) fn allow() -> Verdict {
    Decision::Allow.into()
}

pub(super) fn deny(reason: &str) -> Verdict {
    Decision::Deny {
        reason: reason.to_owned(),
    }
    .into()
}

pub(super) fn ask(prompt: &str) -> Verdict {
    Decision::Ask {
        prompt: prompt.to_owned(),
    }
    .into()
}

pub(super) fn allow_within(narrowing: Narrowing) -> Verdict {
    Verdict {
        narrowing: Some(narrowing),
        ..allow()
    }
}

/// What a test may choose.
pub(super) struct Setting {
    pub(super) quick: bool,
    /// However quick, it decides nothing where other work waits.
    pub(super) gives_up: bool,
    pub(super) approvals: bool,
    pub(super) kinds: Vec<ActionKind>,
    pub(super) ask_time: Duration,
    pub(super) process_sandbox: ProcessSandbox,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting {
            quick: false,
            gives_up: false,
            approvals: false,
            kinds: vec![
                ActionKind::ProcessStart,
                ActionKind::ProcessWrite,
                ActionKind::File,
                ActionKind::Http,
            ],
            ask_time: Duration::from_secs(600),
            process_sandbox: ProcessSandbox::Refuse,
        }
    }
}

/// A client past its handshake.
pub(super) struct Client {
    to_server: mpsc::UnboundedSender<Utf8Bytes>,
    from_server: mpsc::UnboundedReceiver<String>,
    /// What came while something else was waited for.
    aside: VecDeque<Value>,
    last: i64,
    pub(super) judge: Arc<Closure>,
    pub(super) session_id: String,
    directory: TempDir,
}

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    pub(super) async fn of(
        setting: Setting,
        opinion: impl Fn(&Action) -> Verdict + Send + Sync + 'static,
    ) -> Client {
        let judge = Arc::new(Closure {
            opinion: Box::new(opinion),
            asked: Mutex::default(),
            answered: Mutex::default(),
            quick: AtomicBool::new(setting.quick),
            gives_up: setting.gives_up,
            generation: AtomicU64::new(0),
            prepared: AtomicUsize::new(0),
            kinds: Mutex::new(setting.kinds),
            ask_time: setting.ask_time,
        });
        let options = Options {
            remote: None,
            listen: "stdio".parse().expect("a listener"),
            process_sandbox: setting.process_sandbox,
            capfs: lockgate_capfs::Options::default(),
            ledger: LedgerChoice::Off,
            http: crate::HttpOptions::default(),
            policy: Some(PolicyOptions {
                judge: Arc::clone(&judge) as Arc<dyn Judge>,
                reload: Arc::new(|| {}),
            }),
        };
        let service = Service::new(options, lockgate_process::Engine::new().unkept());
        let (to_server, incoming) = mpsc::unbounded_channel();
        let (outgoing, from_server) = mpsc::unbounded_channel();
        let memory = Memory { incoming, outgoing };
        tokio::spawn(crate::connection::serve(memory, service));
        let mut client = Client {
            to_server,
            from_server,
            aside: VecDeque::new(),
            last: 0,
            judge,
            session_id: String::new(),
            directory: TempDir::new().expect("a directory"),
        };
        let mut params = json!({"clientName": "the test"});
        if setting.approvals {
            params["lockgate"] = json!({"approvals": true});
        }
        let initialized = client.call("initialize", params).await.expect("a session");
        client.session_id = initialized["sessionId"].as_str().expect("an id").to_owned();
        client.send(&json!({"method": "initialized", "params": {}}));
        client
    }

    /// A directory of this test.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it, as text.
    pub(super) fn path(&self, name: &str) -> String {
        let path = self.directory().canonicalize().expect("it is there");
        path.join(name).to_str().expect("text").to_owned()
    }

    pub(super) fn send(&mut self, message: &Value) {
        let sent = self.to_server.send(message.to_string().into());
        sent.expect("the server reads");
    }

    /// Sends a request.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.last += 1;
        self.send(&json!({"id": self.last, "method": method, "params": params}));
        self.last
    }

    /// The next message; none once the connection has ended.
    async fn next(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(PATIENCE, self.from_server.recv());
        let text = next.await.expect("in time")?;
        Some(serde_json::from_str(&text).expect("JSON"))
    }

    /// The first message of which this holds.
    pub(super) async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.aside.iter().position(&wanted) {
            return self.aside.remove(at).expect("it is there");
        }
        loop {
            let next = self.next().await.expect("the connection ended");
            if wanted(&next) {
                return next;
            }
            self.aside.push_back(next);
        }
    }

    /// The answer to a request.
    pub(super) async fn answer(&mut self, id: i64) -> Result<Value, (i64, String)> {
        let answer = self
            .find(|message| message["id"] == id && message.get("method").is_none())
            .await;
        match answer.get("error") {
            None => Ok(answer["result"].clone()),
            Some(error) => Err((
                error["code"].as_i64().expect("a code"),
                error["message"].as_str().expect("a text").to_owned(),
            )),
        }
    }

    pub(super) async fn call(
        &mut self,
        method: &str,
        params: Value,
    ) -> Result<Value, (i64, String)> {
        let id = self.ask(method, params);
        self.answer(id).await
    }

    /// The refusal of a request, which must be one.
    pub(super) async fn refusal(&mut self, method: &str, params: Value) -> (i64, String) {
        let refused = self.call(method, params).await;
        refused.expect_err("it is refused")
    }

    /// A question that the server puts.
    pub(super) async fn question(&mut self) -> Value {
        self.find(|message| message["method"] == "lockgate/approval/request")
            .await
    }

    /// True once the server has ended the connection.
    pub(super) async fn is_cut_off(&mut self) -> bool {
        while self.next().await.is_some() {}
        true
    }
}

/// `text` as the wire has bytes.
pub(super) fn base64(text: &str) -> Value {
    encode(text)
}

mod base64_of {
    use lockgate_wire::Base64;
    use serde_json::Value;

    pub(super) fn encode(text: &str) -> Value {
        serde_json::to_value(Base64(text.as_bytes().to_vec())).expect("text")
    }
}

/// A transport within this process.
struct Memory {
    incoming: mpsc::UnboundedReceiver<Utf8Bytes>,
    outgoing: mpsc::UnboundedSender<String>,
}

impl Transport for Memory {
    const HALF_CLOSES: bool = false;
    const NAME: &'static str = "memory";
    const PINGS: bool = false;

    fn peer(&self) -> Peer {
        Peer::over(lockgate_policy_gate::Transport::Stdio)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Inbound>>> {
        let next = self.incoming.poll_recv(cx);
        next.map(|next| next.map(|text| Ok(Inbound::Message(text))))
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(&mut self, message: String) -> io::Result<()> {
        let sent = self.outgoing.send(message);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn start_ping(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn heard(&self) -> Option<u64> {
        None
    }

    fn has_hung_up(&self) -> bool {
        self.outgoing.is_closed()
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
