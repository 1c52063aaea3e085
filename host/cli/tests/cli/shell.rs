//! `shell` in a real terminal: one that another server of ours provides.

use std::process::Command;
use std::time::Duration;

use lockgate_client::{Client, ConnectOptions, Event, Process};
use lockgate_wire::process::StartParams;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::timeout;

use crate::policy_folder::{folder, policy};
use crate::support::{LOCKGATE, done, nobody_runs, ok, running};

/// A terminal in which a script runs.
struct Terminal {
    client: Client,
    process: Process,
    seen: String,
    /// Of `lockgate shell`.
    pid: i32,
}

impl Terminal {
    /// The terminal's settings are printed before and after the shell, in front of its exit code.
    async fn with_shell(mark: &str) -> Terminal {
        let script = concat!(
            r#"stty -g; sh -c 'echo "pid=$$"; exec "$0" shell --set "PS1=$1> " --set ENV= --cwd /' "$0" "$1"; "#,
            r#"echo "code=$?"; stty -g"#
        );
        let mut terminal = Terminal::with_script(script, mark).await;
        terminal.sees("pid=").await;
        terminal.pid = terminal
            .sees("\r\n")
            .await
            .trim()
            .parse()
            .expect("a number");
        terminal.sees(&format!("{mark}> ")).await;
        terminal
    }

    /// `$0` is lockgate, `$1` the mark.
    async fn with_script(script: &str, mark: &str) -> Terminal {
        let mut command = Command::new(LOCKGATE);
        command
            .args(["serve", "--listen", "stdio"])
            .env_remove("LOCKGATE_LOG");
        let client = Client::spawn_stdio(command, ConnectOptions::default())
            .await
            .expect("a server");
        let params: StartParams = serde_json::from_value(json!({
            "processId": "terminal",
            "argv": ["/bin/sh", "-c", script, LOCKGATE, mark],
            "cwd": "/",
            "env": { "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "TERM": "dumb", "HOME": "/" },
            "tty": true,
            "size": { "rows": 31, "cols": 101 },
        }))
        .expect("params");
        let process = client.start(&params).await.expect("started");
        Terminal {
            client,
            process,
            seen: String::new(),
            pid: 0,
        }
    }

    async fn types(&self, keys: &str) {
        self.process
            .handle
            .write(keys.as_bytes())
            .await
            .expect("typed");
    }

    /// Waits for `text` and forgets what came up to it.
    async fn sees(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match timeout(Duration::from_secs(20), self.process.events.next()).await {
                Ok(Some(Event::Output { data, .. })) => {
                    self.seen.push_str(&String::from_utf8_lossy(&data))
                }
                Ok(Some(Event::Exited { .. })) => {}
                other => panic!("waiting for {text:?}: {other:?} after {:?}", self.seen),
            }
        }
    }

    /// Everything up to the end.
    async fn ends(&mut self) -> String {
        while let Ok(Some(event)) =
            timeout(Duration::from_secs(20), self.process.events.next()).await
        {
            if let Event::Output { data, .. } = event {
                self.seen.push_str(&String::from_utf8_lossy(&data));
            }
        }
        std::mem::take(&mut self.seen)
    }
}

/// The two lines that `stty -g` printed, out of what was on the screen.
fn settings(screen: &str) -> Vec<&str> {
    screen
        .lines()
        .map(str::trim)
        .filter(|line| line.split(':').count() > 10)
        .collect()
}

#[tokio::test]
async fn keys_size_and_exit_code_pass_and_the_terminal_is_put_back() {
    let mut terminal = Terminal::with_shell("mark-keys").await;
    let before = terminal
        .process
        .handle
        .read(None, None, None)
        .await
        .expect("retained");
    let first: Vec<u8> = before
        .chunks
        .iter()
        .flat_map(|chunk| chunk.chunk.to_vec())
        .collect();
    let first = String::from_utf8_lossy(&first).into_owned();

    terminal.types("echo a$((1+1))b; stty size\n").await;
    terminal.sees("a2b").await;
    terminal.sees("31 101").await;

    // The window changes: the shell's terminal follows.
    terminal
        .process
        .handle
        .resize(20, 50)
        .await
        .expect("resized");
    terminal
        .types("for i in 1 2 3 4 5 6 7 8 9; do stty size; sleep 0.1; done\n")
        .await;
    terminal.sees("20 50").await;

    // Ctrl-C is a key like any other: it interrupts what the shell runs, not us.
    terminal.types("sleep 1000; echo not-this\n").await;
    terminal.sees("sleep 1000").await;
    while !running("sleep\u{0}1000") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    terminal.types("\u{3}").await;
    terminal.types("echo b$((2+2))c\n").await;
    terminal.sees("b4c").await;

    terminal.types("exit 4\n").await;
    let last = terminal.ends().await;
    assert!(last.contains("code=4"), "{last}");
    let (before, after) = (settings(&first), settings(&last));
    assert_eq!(before.len(), 1, "{first}");
    assert_eq!(before, after);
    terminal.client.close().await;
}

#[tokio::test]
async fn the_escape_leaves_a_shell_that_does_not_listen() {
    let mut terminal = Terminal::with_shell("mark-escape").await;
    terminal.types("trap '' INT HUP; sleep 1001\n").await;
    terminal.sees("sleep 1001").await;
    terminal.types("\u{1d}\u{1d}\u{1d}").await;
    terminal.sees("session ended").await;
    let last = terminal.ends().await;
    assert!(last.contains("code=125"), "{last}");
    assert_eq!(settings(&last).len(), 1, "{last}");
    nobody_runs("sleep\u{0}1001");
    terminal.client.close().await;
}

#[tokio::test]
async fn a_shell_that_is_terminated_puts_the_terminal_back() {
    let mut terminal = Terminal::with_shell("mark-killed").await;
    let pid = Pid::from_raw(terminal.pid).expect("a pid");
    kill_process(pid, Signal::TERM).expect("sent");
    terminal.sees("code=143").await;
    let last = terminal.ends().await;
    assert_eq!(settings(&last).len(), 1, "{last}");
    assert!(!last.contains("-icanon"), "{last}");
    terminal.client.close().await;
}

#[tokio::test]
async fn keys_for_a_pager_behind_exec_are_left_to_it() {
    let script = concat!(
        r#""$0" exec -- sh -c 'while :; do echo line; sleep 0.02; done' | "#,
        r#"sh -c 'read line; stty -icanon -echo </dev/tty; "#,
        r#"for turn in 1 2 3; do echo "ready$turn"; key=$(dd bs=1 count=1 2>/dev/null </dev/tty); echo "key=$key"; done'; "#,
        r#"echo over"#
    );
    let mut terminal = Terminal::with_script(script, "").await;
    for (turn, key) in [(1, "q"), (2, "w"), (3, "e")] {
        terminal.sees(&format!("ready{turn}\r\n")).await;
        terminal.types(key).await;
        terminal.sees(&format!("key={key}\r\n")).await;
    }
    terminal.sees("over\r\n").await;
}

#[tokio::test]
async fn of_a_window_that_is_half_set_the_half_that_is_set_counts() {
    let script = r#"for side in 'cols 0' 'rows 0' 'rows 0 cols 0'; do stty rows 31 cols 101 $side; "$0" exec --tty -- stty size; done"#;
    let mut terminal = Terminal::with_script(script, "").await;
    for size in ["31 80\r\n", "24 101\r\n", "24 80\r\n"] {
        let before = terminal.sees("\r\n").await;
        assert_eq!(before, size);
    }
}

#[tokio::test]
async fn exec_in_the_background_is_not_stopped_for_looking_at_the_terminal() {
    let script = r#"set -m; "$0" exec -- sh -c 'sleep 0.2; echo "done"' & wait; echo "code=$?""#;
    let mut terminal = Terminal::with_script(script, "").await;
    terminal.sees("done\r\n").await;
    terminal.sees("code=0\r\n").await;
}

/// A folder in which a policy asks about a file.
fn asking() -> tempfile::TempDir {
    let dir = folder();
    let hostile = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../guest/dist/test-policy-hostile.wasm"
    );
    ok(policy(
        &dir,
        &["install", hostile, "--config", "lockgate.toml"],
    ));
    // The policy asks about a file of this name.
    std::fs::write(dir.path().join("ask"), "contents\n").expect("written");
    dir
}

#[tokio::test]
async fn a_question_of_a_policy_is_put_at_the_terminal_and_only_a_yes_is_one() {
    let dir = asking();
    let script = r#"cd "$1"; LOCKGATE_CONFIG=lockgate.toml "$0" fs cat ask; echo "code=$?""#;
    for (keys, says, code) in [
        ("y\n", "contents", "code=0"),
        ("\n", "was answered with no", "code=1"),
    ] {
        let mut terminal = Terminal::with_script(script, dir.path().to_str().expect("text")).await;
        let asked = terminal.sees("Allow it, this once? [y/N] ").await;
        assert!(
            asked.contains(r#"policy "hostile" (rule told) asks: may it?"#),
            "{asked}"
        );
        assert!(asked.contains("read ") && asked.contains("/ask"), "{asked}");
        terminal.types(keys).await;
        terminal.sees(says).await;
        terminal.sees(code).await;
    }
}

#[tokio::test]
async fn after_a_question_that_nobody_answered_a_line_begins_and_the_next_one_is_put() {
    let dir = asking();
    let config = dir.path().join("lockgate.toml");
    let text = std::fs::read_to_string(&config).expect("there");
    let text = text.replacen("[policy]\n", "", 1);
    std::fs::write(&config, format!("[policy]\nask_seconds = 4\n{text}")).expect("written");
    let script = r#"cd "$1"; LOCKGATE_CONFIG=lockgate.toml "$0" fs cat ask ./ask; echo "code=$?""#;
    let mut terminal = Terminal::with_script(script, dir.path().to_str().expect("text")).await;
    let question = "Allow it, this once? [y/N] ";
    terminal.sees(question).await;
    let rest = terminal.sees("lockgate: ").await;
    assert_eq!(rest, "\r\nlockgate: ");
    let said = terminal.sees(question).await;
    assert!(said.starts_with("ask: ") && said.contains("4 s"), "{said}");
    terminal.types("y\n").await;
    terminal.sees("contents").await;
    terminal.sees("code=1").await;
}

#[test]
fn a_command_whose_input_a_policy_refuses_is_ended_and_the_refusal_is_told() {
    let dir = asking();
    for (input, says) in [("deny", "denies this: as told"), ("ask", "may it?")] {
        let script = format!("echo {input} | LOCKGATE_CONFIG=lockgate.toml {LOCKGATE} exec -- cat");
        let mut command = Command::new("timeout");
        command.args(["60", "sh", "-c", &script]);
        let done = done(command.current_dir(dir.path()).output().expect("runs"));
        assert_eq!((done.code, done.out.as_str()), (Some(125), ""), "{done:?}");
        let begins = "lockgate: the command was ended, because its input was refused: ";
        assert!(
            done.err.starts_with(begins) && done.err.contains(says),
            "{done:?}"
        );
    }
}

#[test]
fn a_command_that_closes_its_input_goes_on_to_its_own_end() {
    let script = format!(
        "head -c 3000000 /dev/zero | {LOCKGATE} exec -- sh -c 'exec 0<&-; sleep 1; echo done; exit 3'"
    );
    let mut command = Command::new("timeout");
    let done = done(
        command
            .args(["60", "sh", "-c", &script])
            .env("LOCKGATE_CONFIG", "")
            .output()
            .expect("runs"),
    );
    assert_eq!(
        (done.code, done.out.as_str(), done.err.as_str()),
        (Some(3), "done\n", "")
    );
}

#[tokio::test]
async fn who_types_what_a_policy_refuses_is_told_and_types_on() {
    let dir = asking();
    let script = r#"cd "$1"; LOCKGATE_CONFIG=lockgate.toml "$0" exec -- cat; echo "code=$?""#;
    let mut terminal = Terminal::with_script(script, dir.path().to_str().expect("text")).await;
    let told = "lockgate: what was typed was refused: ";
    for (typed, says) in [("deny\n", "denies this: as told"), ("ask\n", "may it?")] {
        terminal.types(typed).await;
        terminal.sees(told).await;
        terminal.sees(says).await;
    }
    terminal.types("more\n").await;
    terminal.sees("more\r\nmore\r\n").await;
    terminal.types("\u{4}").await;
    terminal.sees("code=0").await;
}
