//! Commands, terminals, and the end of both.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};

use crate::broken::{Broken, ensure};
use crate::client::Client;
use crate::server::{Server, readable};
use crate::story::{Story, show};

/// How a process ended, with everything it wrote.
struct End {
    stdout: String,
    stderr: String,
    code: i64,
    events: u64,
}

/// Parameters of `process/start`.
fn start(id: &str, argv: &[&str], tty: bool) -> Value {
    json!({
        "processId": id,
        "argv": argv,
        "cwd": "file:///tmp",
        "env": {"PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "xterm"},
        "tty": tty,
    })
}

/// Reads events until the process has closed; every number must come once.
fn follow(story: &Story, client: &mut Client, id: &str) -> Result<End, Broken> {
    let mut end = End {
        stdout: String::new(),
        stderr: String::new(),
        code: 0,
        events: 0,
    };
    loop {
        let event = client.event(id)?;
        story.received(&event);
        end.events += 1;
        let params = &event["params"];
        ensure(params["seq"] == end.events, || {
            format!("event {} came as {event}", end.events)
        })?;
        match event["method"].as_str() {
            Some("process/output") => {
                let text = text_of(params)?;
                let stderr = params["stream"] == "stderr";
                if stderr {
                    &mut end.stderr
                } else {
                    &mut end.stdout
                }
                .push_str(&text);
            }
            Some("process/exited") => end.code = params["exitCode"].as_i64().unwrap_or(-1),
            Some("process/closed") => return Ok(end),
            other => return Err(Broken::Promise(format!("an unknown event: {other:?}"))),
        }
    }
}

pub(crate) fn text_of(params: &Value) -> Result<String, Broken> {
    let chunk = params["chunk"].as_str().unwrap_or_default();
    let bytes = base64_simd::STANDARD
        .decode_to_vec(chunk)
        .map_err(|_| Broken::Promise(format!("output that is no base64: {chunk}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A command with both streams and an exit code.
pub(crate) fn command(story: &mut Story, client: &mut Client) -> Result<(), Broken> {
    story.chapter(
        "Run a command",
        "Output, exit and close share one gapless sequence, so a client always knows that it has everything.",
    );
    let script = "echo out; echo err >&2; exit 3";
    let begin = Instant::now();
    let params = start("command", &["/bin/sh", "-c", script], false);
    client.show(story, "process/start answered", "process/start", params)?;
    let end = follow(story, client, "command")?;
    story.time("start to closed", begin.elapsed());
    ensure(
        end.stdout == "out\n" && end.stderr == "err\n" && end.code == 3,
        || {
            format!(
                "stdout {:?}, stderr {:?}, code {}",
                end.stdout, end.stderr, end.code
            )
        },
    )?;
    story.holds(&format!(
        "both streams apart, exit code 3, numbers 1 to {} without a gap",
        end.events
    ));
    Ok(())
}

/// A terminal session: size, typing, resize, exit code.
pub(crate) fn terminal(story: &mut Story, client: &mut Client) -> Result<(), Broken> {
    story.chapter(
        "Hold a terminal session",
        "A real controlling terminal: the shell sees its size, and sees it change. Resizing is an addition of Lockgate.",
    );
    let params = start("terminal", &["/bin/sh"], true);
    client.show(story, "terminal started", "process/start", params)?;
    let mut screen = String::new();
    let size = typed(story, client, "stty size", &mut screen)?;
    ensure(size == "24 80", || format!("stty size said {size:?}"))?;
    story.holds("stty size: 24 80");
    let params = json!({"processId": "terminal", "rows": 50, "cols": 132});
    client.show(story, "terminal resized", "lockgate/process/resize", params)?;
    let size = typed(story, client, "stty size", &mut screen)?;
    ensure(size == "50 132", || {
        format!("after resizing stty size said {size:?}")
    })?;
    story.holds("stty size: 50 132");
    type_line(client, "exit 7")?;
    loop {
        let event = client.event("terminal")?;
        if event["method"] == "process/exited" {
            story.received(&event);
            ensure(event["params"]["exitCode"] == 7, || {
                format!("exit 7 came as {event}")
            })?;
            story.holds("typed `exit 7`, exit code 7");
            return Ok(());
        }
    }
}

fn type_line(client: &mut Client, line: &str) -> Result<(), Broken> {
    client.type_into("terminal", &format!("{line}\n"))
}

/// Types a command between two marks and gives what it printed.
fn typed(
    story: &mut Story,
    client: &mut Client,
    command: &str,
    screen: &mut String,
) -> Result<String, Broken> {
    screen.clear();
    let begin = Instant::now();
    // The marks are put together by the shell, so the echo of what is typed does not hold them.
    type_line(
        client,
        &format!("printf '<%s' '<'; {command}; printf '>%s' '>'"),
    )?;
    story.note(&format!("typed: {command}"));
    loop {
        let event = client.event("terminal")?;
        ensure(event["method"] == "process/output", || {
            format!("the shell ended: {event}")
        })?;
        screen.push_str(&text_of(&event["params"])?);
        if let Some((_, after)) = screen.split_once("<<")
            && let Some((printed, _)) = after.split_once(">>")
        {
            story.time(&format!("`{command}` typed and answered"), begin.elapsed());
            return Ok(printed.trim().to_owned());
        }
    }
}

/// An interrupt, and a kill of something that ignores it, grandchild and all.
pub(crate) fn long_running(story: &mut Story, client: &mut Client) -> Result<(), Broken> {
    story.chapter(
        "Stop what runs too long",
        "An interrupt goes to the whole process group; termination is SIGKILL to it, and nothing is left.",
    );
    client.call(
        "process/start",
        start("sleep", &["/bin/sleep", "1000"], false),
    )?;
    let begin = Instant::now();
    let params = json!({"processId": "sleep", "signal": "interrupt"});
    client.show(story, "interrupt answered", "process/signal", params)?;
    let end = follow(story, client, "sleep")?;
    story.time("interrupt to closed", begin.elapsed());
    ensure(end.code == 130, || {
        format!("exit code {} after SIGINT", end.code)
    })?;
    story.holds("sleep ended by SIGINT: exit code 130");

    let script = "trap '' INT TERM; sleep 1000 & echo $!; wait; wait";
    client.call(
        "process/start",
        start("stubborn", &["/bin/sh", "-c", script], false),
    )?;
    let grandchild = pid_in(&client.event("stubborn")?)?;
    let begin = Instant::now();
    let params = json!({"processId": "stubborn"});
    client.show(story, "terminate answered", "process/terminate", params)?;
    loop {
        let event = client.event("stubborn")?;
        if event["method"] == "process/closed" {
            break;
        }
    }
    story.time("terminate to closed", begin.elapsed());
    gone(grandchild)?;
    story.holds(&format!(
        "a shell that ignores signals is gone, and its child {grandchild} too"
    ));
    Ok(())
}

/// SIGTERM to the server: it ends, and so does everything that it started.
pub(crate) fn end_of_server(
    story: &mut Story,
    mut client: Client,
    server: Server,
) -> Result<(), Broken> {
    story.chapter(
        "End the server",
        "Nothing survives it, not even a process that made a session of its own.",
    );
    let script = "setsid sleep 1000 & echo $!; wait";
    client.call(
        "process/start",
        start("left", &["/bin/sh", "-c", script], false),
    )?;
    let left = pid_in(&client.event("left")?)?;
    let taken = server.stop()?;
    story.time("SIGTERM to the end", taken);
    gone(left)?;
    story.holds(&format!(
        "the server ended in {}, process {left} is gone",
        show(taken)
    ));
    Ok(())
}

/// The process id that a script printed.
fn pid_in(event: &Value) -> Result<i32, Broken> {
    let text = text_of(&event["params"])?;
    text.trim()
        .parse()
        .map_err(|_| Broken::Promise(format!("no process id in {event}")))
}

/// Waits until a process is gone: it was killed, but its end may take a moment.
fn gone(pid: i32) -> Result<(), Broken> {
    let Some(pid) = Pid::from_raw(pid) else {
        return Ok(());
    };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return Ok(());
    };
    let ended = readable(&handle, Duration::from_secs(2))?;
    let name =
        fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
    ensure(ended, || {
        format!(
            "process {} ({}) is still there",
            pid.as_raw_nonzero(),
            name.trim()
        )
    })
}
