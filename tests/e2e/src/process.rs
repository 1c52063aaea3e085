//! Processes as a test sees them.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::Wire;

/// What a process did, put together from its notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Standard output, or what the terminal showed.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// The exit code.
    pub code: i64,
    /// The number of the exit event.
    pub exit_seq: u64,
    /// The last number, that of the close.
    pub closed_seq: u64,
}

/// `process/start` params for a shell command with pipes, in a usual environment.
pub fn start_params(id: &str, command: &str) -> Value {
    json!({
        "processId": id,
        "argv": ["/bin/bash", "-c", command],
        "cwd": "/",
        "env": {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        "tty": false,
    })
}

impl Wire {
    /// Starts a process and expects success.
    pub async fn start(&mut self, params: Value) {
        let answer = self.call("process/start", params.clone()).await;
        assert_eq!(answer.expect("it starts")["processId"], params["processId"]);
    }

    /// Follows a process by its notifications until it is closed; every number must come, in order.
    pub async fn follow(&mut self, id: &str) -> Ended {
        let mut ended = Ended::default();
        let mut next = 1;
        loop {
            let (method, params) = self.notification().await;
            if params["processId"] != id {
                continue;
            }
            assert_eq!(params["seq"], next, "{method}: {params}");
            match method.as_str() {
                "process/output" => {
                    let chunk = params["chunk"].as_str().expect("a chunk");
                    let bytes = base64_simd::STANDARD.decode_to_vec(chunk).expect("base64");
                    if params["stream"] == "stderr" {
                        ended.stderr.extend(bytes);
                    } else {
                        ended.stdout.extend(bytes);
                    }
                }
                "process/exited" => {
                    ended.code = params["exitCode"].as_i64().expect("a code");
                    ended.exit_seq = next;
                }
                "process/closed" => {
                    ended.closed_seq = next;
                    return ended;
                }
                other => panic!("unexpected notification {other}"),
            }
            next += 1;
        }
    }

    /// Waits until the output of a process contains a text.
    pub async fn wait_for_output(&mut self, id: &str, text: &str) -> String {
        let mut shown = String::new();
        while !shown.contains(text) {
            let (method, params) = self.notification().await;
            if method == "process/output" && params["processId"] == id {
                let chunk = params["chunk"].as_str().expect("a chunk");
                let bytes = base64_simd::STANDARD.decode_to_vec(chunk).expect("base64");
                shown.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        shown
    }

    /// Runs a shell command to its end.
    pub async fn run(&mut self, id: &str, command: &str) -> Ended {
        self.start(start_params(id, command)).await;
        self.follow(id).await
    }
}

/// Whether a process of this number exists (a zombie does not count).
pub fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit(')')
                .next()
                .map(|rest| !rest.trim_start().starts_with('Z'))
        })
        .unwrap_or(false)
}

/// Ends a process as nothing can prevent.
pub fn kill_9(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a pid");
    kill_process(pid, Signal::KILL).expect("killed");
}
