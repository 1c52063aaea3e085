//! Questions of the executor's policies, put to the person at our terminal.
//!
//! They come before anything is done, so mostly while nothing else has the terminal. Once a command's input is read from it, a question
//! could not be told from the command's own: then the answer is no, and says why.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, PipeReader, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_client::{ApprovalDecision, ApprovalParams, ApprovalResult, Approver};
use lockgate_policy_gate::printable::{printable, quoted};
use lockgate_policy_gate::{Action, FileOperation, FileVerb};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::{Mutex, oneshot};

use crate::policy_gate::word;
use crate::progress::Asked;

/// Something else reads the terminal from now on.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// From now on a command reads the terminal.
pub(crate) fn terminal_is_taken() {
    TAKEN.store(true, Ordering::Release);
}

/// Asks at our terminal; none if there is nobody at it.
pub(crate) fn approver() -> Option<Approver> {
    if !stderr().is_terminal() {
        return None;
    }
    terminal().ok()?;
    // One question at a time.
    let turn = Arc::new(Mutex::new(()));
    Some(Approver::new(move |question| {
        let turn = Arc::clone(&turn);
        async move {
            let _turn = turn.lock().await;
            ask(question).await
        }
    }))
}

async fn ask(question: ApprovalParams) -> ApprovalResult {
    if TAKEN.load(Ordering::Acquire) {
        return no(Some("the terminal is used by a command"));
    }
    let (tell, told) = oneshot::channel();
    // Its other end goes when the question is withdrawn, and this with it.
    let Ok((withdrawn, _here)) = std::io::pipe() else {
        return no(Some(NOT_PUT));
    };
    // Not of the runtime's threads: it would wait for this one at its end, and nobody may ever answer.
    let asking = std::thread::Builder::new()
        .name("approval".into())
        .spawn(move || {
            let _ = tell.send(put(&question, withdrawn));
        });
    match asking {
        Ok(_) => told.await.unwrap_or_else(|_| no(None)),
        Err(_) => no(Some(NOT_PUT)),
    }
}

const NOT_PUT: &str = "the question could not be put";

fn put(question: &ApprovalParams, withdrawn: PipeReader) -> ApprovalResult {
    match terminal().and_then(|terminal| read(question, terminal, withdrawn)) {
        Ok(true) => ApprovalResult {
            decision: ApprovalDecision::Allow,
            reason: None,
        },
        Ok(false) => no(None),
        Err(_) => no(Some("the terminal is gone")),
    }
}

fn read(question: &ApprovalParams, terminal: File, withdrawn: PipeReader) -> std::io::Result<bool> {
    let asked = Asked::begin();
    let mut out = terminal.try_clone()?;
    // What was typed before is no answer to this.
    let _ = rustix::termios::tcflush(&terminal, rustix::termios::QueueSelector::IFlush);
    write!(out, "{}", text(question))?;
    out.flush()?;
    // What is typed after it was withdrawn is no answer to it, and may be one to the next.
    if !is_answered(&terminal, &withdrawn)? {
        return Ok(false);
    }
    let mut answer = String::new();
    if BufReader::new(terminal).read_line(&mut answer)? > 0 {
        asked.answered();
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

/// Waits until something was typed. False where nobody waits for it any more.
fn is_answered(terminal: &File, withdrawn: &PipeReader) -> std::io::Result<bool> {
    loop {
        let mut both = [
            PollFd::new(withdrawn, PollFlags::IN),
            PollFd::new(terminal, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(both[0].revents().is_empty()),
        }
    }
}

/// The question, as it is shown. What it quotes comes from elsewhere and is not let loose on the terminal.
fn text(question: &ApprovalParams) -> String {
    let who = match &question.policy {
        Some(policy) => format!("policy \"{}\"", printable(policy)),
        None => "the operator".to_owned(),
    };
    let rule = match &question.rule {
        Some(rule) => format!(" (rule {})", printable(rule)),
        None => String::new(),
    };
    let action = deed(&question.action);
    let action = printable(&action);
    let prompt = printable(&question.prompt);
    format!("lockgate: {who}{rule} asks: {prompt}\n  {action}\nAllow it, this once? [y/N] ")
}

/// What is to be done, in words; what this version has none for as it came. What a name could be taken for stands outside of its marks.
fn deed(action: &serde_json::Value) -> String {
    let paths = |file: &FileOperation| {
        let paths: Vec<_> = file.paths.iter().map(|path| quoted(&path.path)).collect();
        paths.join(" -> ")
    };
    match serde_json::from_value(action.clone()) {
        Ok(Action::ProcessStart(start)) => {
            let program = start.program.as_deref().map(quoted);
            let program = program.unwrap_or_else(|| "nothing that is there".to_owned());
            let argv: Vec<_> = start.argv.iter().map(|argument| quoted(argument)).collect();
            format!(
                "run [{}] in {} (the file is {program})",
                argv.join(", "),
                quoted(&start.cwd)
            )
        }
        Ok(Action::ProcessWrite(write)) => {
            let program = quoted(&write.argv0);
            format!("write to {program} (process {})", write.process)
        }
        Ok(Action::File(file)) if file.recursive => {
            let others = match file.verb {
                FileVerb::CreateDirectory => "those above it that are missing",
                _ => "all below",
            };
            format!("{} {}, and {others}", word(file.verb), paths(&file))
        }
        Ok(Action::File(file)) => format!("{} {}", word(file.verb), paths(&file)),
        Ok(Action::Http(http)) => format!("{} {}", http.method, http.url),
        Err(_) => action.to_string(),
    }
}

fn no(reason: Option<&str>) -> ApprovalResult {
    ApprovalResult {
        decision: ApprovalDecision::Deny,
        reason: reason.map(str::to_owned),
    }
}

fn terminal() -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_is_said_in_words() {
        let start = serde_json::json!({
            "kind": "process-start", "argv": ["git", "push"], "cwd": "/w", "program": "/usr/bin/git", "env_names": ["PATH"],
        });
        assert_eq!(
            deed(&start),
            r#"run ["git", "push"] in "/w" (the file is "/usr/bin/git")"#
        );
        let paths = serde_json::json!([{"path": "/a", "access": "read"}, {"path": "/b", "access": "write"}]);
        let copy =
            serde_json::json!({"kind": "file", "verb": "copy", "recursive": true, "paths": paths});
        assert_eq!(deed(&copy), r#"copy "/a" -> "/b", and all below"#);
        let paths = serde_json::json!([{"path": "/a/b", "access": "write"}]);
        let make = serde_json::json!({"kind": "file", "verb": "create-directory", "recursive": true, "paths": paths});
        assert_eq!(
            deed(&make),
            r#"create-directory "/a/b", and those above it that are missing"#
        );
        assert_eq!(
            deed(&serde_json::json!({"kind": "new"})),
            r#"{"kind":"new"}"#
        );
    }

    #[test]
    fn attack_31_no_name_reads_as_another_deed_at_the_terminal() {
        let asked = |verb: &str, paths: &[&str]| {
            let paths: Vec<_> = paths
                .iter()
                .map(|path| serde_json::json!({"path": path, "access": "write"}))
                .collect();
            deed(&serde_json::json!({"kind": "file", "verb": verb, "paths": paths}))
        };
        assert_eq!(
            asked("rename", &["/a", "/b\" -> \"/c"]),
            r#"rename "/a" -> "/b\" -> \"/c""#
        );
        assert_eq!(
            asked("remove", &["/x, and all below"]),
            r#"remove "/x, and all below""#
        );
        assert_eq!(
            asked(
                "write",
                &["/Makefile\u{3164}\u{e0020}\u{ad}\u{206a}\u{fe0f}"]
            ),
            r#"write "/Makefile\u{3164}\u{e0020}\u{ad}\u{206a}\u{fe0f}""#
        );
        let start = |cwd: &str, program: Option<&str>| {
            let argv = ["ls\u{fe0f}"];
            deed(&serde_json::json!({
                "kind": "process-start", "argv": argv, "cwd": cwd, "program": program, "env_names": [],
            }))
        };
        assert_eq!(
            start("/w (the file is /bin/ls)", Some("/w/ls")),
            r#"run ["ls\u{fe0f}"] in "/w (the file is /bin/ls)" (the file is "/w/ls")"#
        );
        assert!(start("/w", None).ends_with("(the file is nothing that is there)"));
        let write = serde_json::json!({"kind": "process-write", "argv0": "ls (process p-1)", "process": "p-2"});
        assert_eq!(deed(&write), r#"write to "ls (process p-1)" (process p-2)"#);
    }

    #[test]
    fn a_question_cannot_paint_over_itself() {
        let question = ApprovalParams {
            approval_id: "approval-1".into(),
            policy: Some("workspace".into()),
            rule: Some("r1".into()),
            prompt: "Remove it?\u{1b}[2K\r Read it?\u{202e}".into(),
            action: serde_json::json!({"kind": "file", "paths": [{"path": "/a\u{1b}]0;x\u{7}"}]}),
            request_id: None,
            expires_in_ms: 1,
        };
        let text = text(&question);
        assert!(
            text.starts_with(
                r#"lockgate: policy "workspace" (rule r1) asks: Remove it?\u{1b}[2K\r Read it?\u{202e}"#
            ),
            "{text}"
        );
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }
}
