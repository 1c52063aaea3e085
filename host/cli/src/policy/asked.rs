//! An action on the command line, as a server would show it to a policy.

use std::path::PathBuf;

use lockgate_policy_gate::printable::printable_json;
use lockgate_policy_gate::{
    Access, Action, ActionKind, FileOperation, FilePath, FileVerb, HttpRequest, ProcessStart,
    Subject, Transport,
};
use lockgate_process::{Bounds, Readers, Spawn, Stdio};
use url::Url;

use crate::config::read_bounded;
use crate::failure::Failure;
use crate::here;

/// What is asked: one of these.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(super) struct Asked {
    /// A file is to be read
    #[arg(long, value_name = "PATH")]
    read: Option<PathBuf>,
    /// A file is to be written
    #[arg(long, value_name = "PATH")]
    write: Option<PathBuf>,
    /// A file or directory is to be removed, with all below it
    #[arg(long, value_name = "PATH")]
    remove: Option<PathBuf>,
    /// An HTTP request is to be sent: GET, or --get POST=URL for another method
    #[arg(long, value_name = "URL")]
    get: Option<String>,
    /// The action as JSON, or a line of the decision log; - for stdin
    #[arg(long, value_name = "FILE")]
    action: Option<PathBuf>,
    /// A command is to be started here, in this environment
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// An action has some lines.
const LARGEST: u64 = 1 << 20;

impl Asked {
    /// The action; none if nothing was said.
    pub(super) fn action(&self) -> Result<Option<Action>, Failure> {
        let file = |verb, path: &PathBuf, access, recursive| {
            let path = here::path(path)?.to_string();
            Ok(Some(Action::File(FileOperation {
                verb,
                paths: vec![FilePath { path, access }],
                recursive,
                sandboxed: false,
                walk: None,
            })))
        };
        if let Some(path) = &self.read {
            return file(FileVerb::Read, path, Access::Read, false);
        }
        if let Some(path) = &self.write {
            return file(FileVerb::Write, path, Access::Write, false);
        }
        if let Some(path) = &self.remove {
            return file(FileVerb::Remove, path, Access::Write, true);
        }
        if let Some(url) = &self.get {
            return http(url).map(Some);
        }
        if let Some(path) = &self.action {
            return json(path).map(Some);
        }
        match self.command.is_empty() {
            true => Ok(None),
            false => start(&self.command).map(Some),
        }
    }
}

/// An action in one line, for people. Of the variables of a command only those are named that the answer is about: there are dozens.
pub(super) fn shown(action: &Action, answer: &str) -> Result<String, Failure> {
    let failed = |error: serde_json::Error| Failure::new(error.to_string());
    let mut value = serde_json::to_value(action).map_err(failed)?;
    if let Some(names) = value.get_mut("env_names")
        && let Some(all) = names.as_array()
        && all.len() > FEW
    {
        let about = |name: &&str| answer.split(is_between_words).any(|word| word == *name);
        let named: Vec<&str> = all
            .iter()
            .filter_map(|name| name.as_str())
            .filter(about)
            .collect();
        let rest = all.len() - named.len();
        let mut shown: Vec<String> = named.into_iter().map(str::to_owned).collect();
        shown.push(format!("… {rest} more (--json)"));
        *names = shown.into();
    }
    let line = serde_json::to_string(&value).map_err(failed)?;
    Ok(printable_json(&line).into_owned())
}

/// So many variables are shown as they are.
const FEW: usize = 4;

fn is_between_words(character: char) -> bool {
    !character.is_alphanumeric() && character != '_'
}

/// A kind of action as the configuration has it.
pub(super) fn kind(word: &str) -> Result<ActionKind, String> {
    serde_json::from_value(word.into()).map_err(|_| {
        "there are process-start, process-write, file and http, with commas between them".to_owned()
    })
}

/// Who asks, where nobody else is named.
pub(super) fn subject() -> Subject {
    Subject {
        session: "0000000000000000".to_owned(),
        client: concat!("lockgate-cli/", env!("CARGO_PKG_VERSION")).to_owned(),
        environment: None,
        transport: Transport::Stdio,
        identity: None,
    }
}

fn start(command: &[String]) -> Result<Action, Failure> {
    let cwd = here::directory()?;
    let spawn = Spawn {
        argv: command.iter().map(Into::into).collect(),
        arg0: None,
        cwd: cwd.as_path().to_owned(),
        env: std::env::vars_os().collect(),
        stdio: Stdio::Pipes { stdin: false },
        readers: Readers::Optional,
        program: None,
        bounds: Bounds::default(),
    };
    let found = spawn.find();
    let mut env_names: Vec<String> = spawn
        .env
        .iter()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    env_names.sort_unstable();
    Ok(Action::ProcessStart(ProcessStart {
        argv: command.to_vec(),
        program: found.path().map(|path| path.to_string_lossy().into_owned()),
        cwd: cwd.to_string(),
        env_names,
        tty: false,
        sandboxed: false,
    }))
}

fn http(text: &str) -> Result<Action, Failure> {
    let (method, url) = match text.split_once('=') {
        Some((method, url))
            if !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase()) =>
        {
            (method, url)
        }
        _ => ("GET", text),
    };
    let no_url = || {
        Failure::usage(format!(
            "{url:?} is no URL: it is written http://HOST/… or https://HOST/…"
        ))
    };
    let mut parsed = Url::parse(url).map_err(|_| no_url())?;
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
        return Err(no_url());
    };
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(no_url());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(Failure::usage(format!(
            "{url:?} has a user name: leave that out"
        )));
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    parsed.set_fragment(None);
    Ok(Action::Http(HttpRequest {
        method: method.to_owned(),
        url: parsed.into(),
        host,
        port,
        header_names: Vec::new(),
        hop: 0,
    }))
}

fn json(path: &std::path::Path) -> Result<Action, Failure> {
    let cannot = |reason: String| Failure::new(format!("{}: {reason}", path.display()));
    let bytes = match path.as_os_str() == "-" {
        false => read_bounded(path, LARGEST).map_err(cannot)?,
        true => {
            let mut bytes = Vec::new();
            let mut stdin = std::io::Read::take(std::io::stdin(), LARGEST);
            std::io::Read::read_to_end(&mut stdin, &mut bytes)
                .map_err(|error| cannot(error.to_string()))?;
            bytes
        }
    };
    let no_action = |error: serde_json::Error| {
        cannot(format!(
            "{error}; an action is written as in the decision log: {{\"kind\":\"file\",\"verb\":\"read\",\"paths\":[{{\"path\":\"/a\",\"access\":\"read\"}}]}}"
        ))
    };
    let value = serde_json::from_slice(&bytes).map_err(no_action)?;
    // A whole line of the decision log has it as a member.
    let value = match value {
        serde_json::Value::Object(mut line) if line.contains_key("event") => {
            line.remove("action").unwrap_or_default()
        }
        value => value,
    };
    serde_json::from_value(value).map_err(no_action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_variables_those_are_shown_that_the_answer_is_about() {
        let asked = |names: &[&str]| {
            Action::ProcessStart(ProcessStart {
                argv: vec!["git".to_owned()],
                program: None,
                cwd: "/".to_owned(),
                env_names: names.iter().map(|name| (*name).to_owned()).collect(),
                tty: false,
                sandboxed: false,
            })
        };
        let many = asked(&["A", "B", "HOME", "LD_PRELOAD", "PATH"]);
        let line = shown(&many, "LD_PRELOAD, and HOMES, are not for git").expect("a line");
        assert!(
            line.contains(r#""env_names":["LD_PRELOAD","… 4 more (--json)"]"#),
            "{line}"
        );
        let few = shown(&asked(&["A", "B"]), "").expect("a line");
        assert!(few.contains(r#""env_names":["A","B"]"#), "{few}");
    }

    #[test]
    fn urls_are_taken_apart_as_the_server_does() {
        let asked = |text: &str| match http(text) {
            Ok(Action::Http(http)) => format!("{} {} {}", http.method, http.host, http.port),
            other => format!("{other:?}"),
        };
        assert_eq!(asked("https://Example.com/a?b=c"), "GET example.com 443");
        assert_eq!(asked("http://[::1]:8080/"), "GET ::1 8080");
        assert_eq!(asked("POST=http://a.test"), "POST a.test 80");
        for bad in [
            "example.com",
            "ftp://a.test",
            "http://",
            "http://u@a.test",
            "http://a.test:x",
        ] {
            assert!(http(bad).is_err(), "{bad}");
        }
    }
}
