//! The tools: which there are, what they say about themselves, and the way from a call's arguments to what does the work.
//!
//! Few and whole rather than one for each call of the protocol: an agent reads all their descriptions. A tool's file has its parameters,
//! its result and its work; schemas come from these types.

mod arguments;
mod beforehand;
mod edit;
mod files;
mod list;
mod no;
mod process;
mod read;
mod report;
mod run;
mod schema;
mod search;
mod write;

use std::sync::LazyLock;
use std::time::Duration;

use rmcp::model::{JsonObject, ToolAnnotations};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::answer::{Outcome, Refusal};
use super::call::Call;
use super::limits;

/// One tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Run,
    ProcessOutput,
    ProcessWrite,
    ProcessStop,
    Read,
    Write,
    Edit,
    List,
    Search,
    Move,
    Remove,
}

const ALL: [Tool; 11] = [
    Tool::Run,
    Tool::ProcessOutput,
    Tool::ProcessWrite,
    Tool::ProcessStop,
    Tool::Read,
    Tool::Write,
    Tool::Edit,
    Tool::List,
    Tool::Search,
    Tool::Move,
    Tool::Remove,
];

/// What is offered.
pub(super) fn definitions(commands: bool) -> Vec<rmcp::model::Tool> {
    // Every request over HTTP looks at them, and schemas are work.
    static DEFINED: LazyLock<Vec<rmcp::model::Tool>> =
        LazyLock::new(|| ALL.into_iter().map(Tool::definition).collect());
    let all = ALL.into_iter().zip(DEFINED.iter());
    let offered = all.filter(|(tool, _)| commands || !tool.is_of_commands());
    offered.map(|(_, defined)| defined.clone()).collect()
}

impl Tool {
    pub(super) fn named(name: &str) -> Option<Tool> {
        ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// It has to do with processes.
    pub(super) fn is_of_commands(self) -> bool {
        use Tool::{ProcessOutput, ProcessStop, ProcessWrite, Run};
        matches!(self, Run | ProcessOutput | ProcessWrite | ProcessStop)
    }

    fn name(self) -> &'static str {
        match self {
            Tool::Run => "run",
            Tool::ProcessOutput => "process_output",
            Tool::ProcessWrite => "process_write",
            Tool::ProcessStop => "process_stop",
            Tool::Read => "read",
            Tool::Write => "write",
            Tool::Edit => "edit",
            Tool::List => "list",
            Tool::Search => "search",
            Tool::Move => "move",
            Tool::Remove => "remove",
        }
    }

    /// For people, who may be asked whether it may be used.
    fn title(self) -> &'static str {
        match self {
            Tool::Run => "Run a command",
            Tool::ProcessOutput => "Read the output of a process",
            Tool::ProcessWrite => "Write to a process",
            Tool::ProcessStop => "Stop a process",
            Tool::Read => "Read a file",
            Tool::Write => "Write a file",
            Tool::Edit => "Edit a file",
            Tool::List => "List a directory",
            Tool::Search => "Search files",
            Tool::Move => "Move a file or directory",
            Tool::Remove => "Remove a file or directory",
        }
    }

    /// Does the work.
    pub(super) async fn call(self, call: &Call, arguments: JsonObject) -> Outcome {
        let outcome = self.work(call, arguments).await;
        match self {
            Tool::ProcessOutput | Tool::Read | Tool::List | Tool::Search => outcome,
            _ => outcome.map_err(|refusal| refusal.of_a_change(call.changes())),
        }
    }

    async fn work(self, call: &Call, arguments: JsonObject) -> Outcome {
        match self {
            Tool::Run => run::run(call, self.decode(arguments)?).await,
            Tool::ProcessOutput => process::output(call, self.decode(arguments)?).await,
            Tool::ProcessWrite => process::write(call, self.decode(arguments)?).await,
            Tool::ProcessStop => process::stop(call, self.decode(arguments)?).await,
            Tool::Read => read::read(call, self.decode(arguments)?).await,
            Tool::Write => write::write(call, self.decode(arguments)?).await,
            Tool::Edit => edit::edit(call, self.decode(arguments)?).await,
            Tool::List => list::list(call, self.decode(arguments)?).await,
            Tool::Search => search::search(call, self.decode(arguments)?).await,
            Tool::Move => files::rename(call, self.decode(arguments)?).await,
            Tool::Remove => files::remove(call, self.decode(arguments)?).await,
        }
    }

    fn decode<P: DeserializeOwned + JsonSchema>(self, arguments: JsonObject) -> Result<P, Refusal> {
        arguments::decode(self.name(), arguments, || (*schema::input::<P>()).clone())
    }

    fn definition(self) -> rmcp::model::Tool {
        match self {
            Tool::Run => {
                self.described::<run::Params, report::Report>(run::DESCRIPTION, Effect::Anything)
            }
            Tool::ProcessOutput => self
                .described::<process::OutputParams, report::Report>(process::OUTPUT, Effect::None),
            Tool::ProcessWrite => self.described::<process::WriteParams, report::Report>(
                process::WRITE,
                Effect::Anything,
            ),
            Tool::ProcessStop => self
                .described::<process::StopParams, report::Report>(process::STOP, Effect::Destroys),
            Tool::Read => {
                self.described::<read::Params, read::Result>(read::DESCRIPTION, Effect::None)
            }
            Tool::Write => {
                self.described::<write::Params, write::Result>(write::DESCRIPTION, Effect::Destroys)
            }
            Tool::Edit => {
                self.described::<edit::Params, edit::Result>(edit::DESCRIPTION, Effect::Destroys)
            }
            Tool::List => {
                self.described::<list::Params, list::Result>(list::DESCRIPTION, Effect::None)
            }
            Tool::Search => {
                self.described::<search::Params, search::Result>(search::DESCRIPTION, Effect::None)
            }
            Tool::Move => {
                self.described::<files::MoveParams, files::Result>(files::MOVE, Effect::Destroys)
            }
            Tool::Remove => self
                .described::<files::RemoveParams, files::Result>(files::REMOVE, Effect::Destroys),
        }
    }

    fn described<P: JsonSchema, R: JsonSchema>(
        self,
        description: &'static str,
        effect: Effect,
    ) -> rmcp::model::Tool {
        let hints = ToolAnnotations::with_title(self.title()).read_only(effect == Effect::None);
        let hints = match effect {
            Effect::None => hints.open_world(false),
            Effect::Destroys => hints.destructive(true).open_world(false),
            Effect::Anything => hints.destructive(true).open_world(true),
        };
        rmcp::model::Tool::new(self.name(), description, schema::input::<P>())
            .with_title(self.title())
            .with_raw_output_schema(schema::output::<R>())
            .with_annotations(hints)
    }
}

/// What a tool may do to the world.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    /// It changes files of the executor, and may lose what was there.
    Destroys,
    /// Whatever a program does.
    Anything,
}

/// A number that was asked for, if it is in bounds.
fn bounded(what: &str, asked: Option<u64>, usual: u64, most: u64) -> Result<u64, Refusal> {
    match asked {
        None => Ok(usual),
        Some(0) => Err(Refusal::new(format!("`{what}` must be at least 1"))),
        Some(asked) if asked > most => Err(Refusal::new(format!(
            "`{what}` is {asked}, at most {most} is possible"
        ))),
        Some(asked) => Ok(asked),
    }
}

/// How many bytes of text to give at most.
fn max_bytes(asked: Option<u64>, usual: usize) -> Result<usize, Refusal> {
    let (least, most) = (limits::LEAST_BYTES, limits::MOST_BYTES);
    match asked.map(usize::try_from) {
        None => Ok(usual),
        Some(Ok(asked)) if (least..=most).contains(&asked) => Ok(asked),
        Some(_) => Err(Refusal::new(format!(
            "`max_bytes` is {}; at least {least} and at most {most} are possible",
            asked.unwrap_or_default()
        ))),
    }
}

/// A number of lines, of which none is none to ask for.
fn counted(what: &str, asked: Option<u64>, usual: u64) -> Result<u64, Refusal> {
    match asked {
        Some(0) => Err(Refusal::new(format!(
            "`{what}` is 0: lines count from 1, and at least one is read"
        ))),
        _ => Ok(asked.unwrap_or(usual)),
    }
}

/// How long to wait, if that is in bounds: seconds, and parts of them.
fn wait(asked: Option<f64>, usual: Duration) -> Result<Duration, Refusal> {
    let most = limits::MOST_WAIT.as_secs();
    let Some(asked) = asked else { return Ok(usual) };
    match Duration::try_from_secs_f64(asked) {
        Ok(asked) if asked <= limits::MOST_WAIT => Ok(asked),
        _ => Err(Refusal::new(format!(
            "`wait_seconds` is {asked}; at least 0 and at most {most} are possible"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_tool_describes_itself() {
        for tool in definitions(true) {
            let described = serde_json::to_value(&tool).expect("JSON");
            assert_eq!(described["inputSchema"]["type"], "object", "{described}");
            assert_eq!(
                described["inputSchema"]["additionalProperties"], false,
                "{described}"
            );
            assert_eq!(described["outputSchema"]["type"], "object", "{described}");
            for word in ["format", "$ref", "oneOf", "anyOf"] {
                assert!(
                    !described.to_string().contains(&format!("\"{word}\"")),
                    "{word}: {described}"
                );
            }
            let properties = described["inputSchema"]["properties"]
                .as_object()
                .expect("an object");
            for (name, property) in properties {
                assert!(property["description"].is_string(), "{}: {name}", tool.name);
            }
        }
        assert_eq!(definitions(false).len(), definitions(true).len() - 4);
    }

    #[test]
    fn a_wait_may_be_part_of_a_second_and_has_bounds() {
        let usual = Duration::from_secs(30);
        assert_eq!(wait(None, usual).ok(), Some(usual));
        for (asked, millis) in [(0.0, 0), (0.25, 250), (1.0, 1_000), (600.0, 600_000)] {
            let expected = Duration::from_millis(millis);
            assert_eq!(wait(Some(asked), usual).ok(), Some(expected), "{asked}");
        }
        for asked in [-0.1, 600.1, 1e300, f64::NAN, f64::INFINITY] {
            let refused = wait(Some(asked), usual).expect_err("out of bounds");
            assert!(
                refused.text.contains("at least 0 and at most 600"),
                "{}",
                refused.text
            );
        }
    }

    #[test]
    fn a_mistake_in_the_arguments_is_told_with_the_tool_the_member_and_what_belongs_there() {
        let path = "`path` takes a text: The file; relative paths begin in the working directory";
        for (arguments, starts, ends) in [
            (
                json!({"paht": "a"}),
                "invalid arguments for `read`: unknown field `paht`, expected one of `path`, ",
                "",
            ),
            (
                json!({}),
                "invalid arguments for `read`: missing field `path`. ",
                path,
            ),
            (
                json!({"path": 7}),
                "invalid arguments for `read`: `path`: invalid type: integer `7`, expected a string. ",
                path,
            ),
            (
                json!({"path": "a", "lines": 1, "max_bytes": "x"}),
                "invalid arguments for `read`: `max_bytes`: invalid type: string \"x\", expected u64. `max_bytes` takes a whole number of at least 1024 and at most 262144: ",
                "",
            ),
        ] {
            let Value::Object(arguments) = arguments else {
                unreachable!()
            };
            let Err(Refusal { text, .. }) = Tool::Read.decode::<read::Params>(arguments) else {
                panic!("a mistake");
            };
            assert!(text.starts_with(starts) && text.ends_with(ends), "{text}");
        }
    }
}
