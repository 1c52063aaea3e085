//! `lockgate env list`.

use std::process::ExitCode;

use lockgate_client::ConnectOptions;
use lockgate_client::environments::provider::Source;
use serde_json::{Value, json};

use super::{all, described, is_default, shown, source};
use crate::failure::Failure;
use crate::output::{print, print_json};

/// Show which environments there are, the default first, without connecting to any
#[derive(clap::Args)]
pub(crate) struct Args {
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let source = source();
    let all = all(&source, None, ConnectOptions::default())?;
    let environments = all.all();
    if args.json {
        let each = environments.iter();
        let (file, variable) = match &source {
            Source::File(file) => (file.to_string_lossy().into(), Value::Null),
            Source::Variable { name, .. } => (Value::Null, (*name).into()),
            Source::Nothing => (Value::Null, Value::Null),
        };
        print_json(&json!({
            "file": file,
            "variable": variable,
            "default": all.default().map(|default| default.id().to_owned()),
            "environments": each.map(|one| described(one, is_default(&all, one))).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let from = match &source {
        Source::File(file) => format!("In {}", file.display()),
        Source::Variable { name, .. } => format!("Of {name}"),
        Source::Nothing => {
            "Without environments.toml, LOCKGATE_URL and CODEX_EXEC_SERVER_URL".to_owned()
        }
    };
    let default = match all.default() {
        Some(_) => "* is the default",
        None => "there is no default: execution is disabled",
    };
    let mut text = format!("{from}; {default}:\n");
    let widest = environments.iter().map(|one| one.id().len()).max();
    for one in &environments {
        let mark = if is_default(&all, one) { '*' } else { ' ' };
        let (id, width) = (one.id(), widest.unwrap_or(0));
        text.push_str(&format!("{mark} {id:width$}  {}\n", shown(one)));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
