//! `lockgate env remove`: takes an environment out of the file, and touches nothing else in it.

use std::process::ExitCode;

use lockgate_client::environments::config::{NONE, check_id};
use toml_edit::{ArrayOfTables, DocumentMut};

use super::file::{Editing, place};
use crate::edit::set;
use crate::failure::Failure;
use crate::output::print;

/// Take an environment out of environments.toml
#[derive(clap::Args)]
#[command(after_help = "\
Remarks and everything else in the file stay as they are; a remark directly above the environment goes with it, unless the file begins \
with it. If it was the default, there is none \
afterwards: nothing runs on another machine because of this.")]
pub(crate) struct Args {
    /// Which
    #[arg(value_name = "NAME")]
    name: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    check_id(&args.name).map_err(Failure::usage)?;
    let file = place()?;
    if !file.exists() {
        return Err(Failure::usage(format!(
            "there is no {}, and so no environment {} in it",
            file.display(),
            args.name
        )));
    }
    let mut editing = Editing::begin(&file)?;
    let ids = editing.was.environments.iter().map(|entry| &entry.id);
    let Some(at) = ids.clone().position(|id| *id == args.name) else {
        let there: Vec<_> = ids.map(String::as_str).collect();
        let there = match there.is_empty() {
            true => "there is none".to_owned(),
            false => format!("there are {}", there.join(", ")),
        };
        return Err(Failure::usage(format!(
            "{} has no environment {}; {there}",
            file.display(),
            args.name
        )));
    };
    let was_default = editing.was.default.as_deref() == Some(args.name.as_str());
    // What the file begins with may be about all of it.
    let is_head = at == 0
        && !editing
            .document
            .iter()
            .any(|(key, _)| key != "environments");
    let stays = remove(editing.tables()?, at, is_head);
    if let Some(remark) = stays {
        before_the_end(&mut editing.document, &remark);
    }
    if was_default {
        set(&mut editing.document, "default", NONE);
    }
    editing.end()?;
    let default = match was_default {
        true => "; it was the default, and now there is none",
        false => "",
    };
    print(&format!(
        "{} is removed from {}{default}\n",
        args.name,
        file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the table there. Remarks above it that an empty line separates from it are about something else, and so are those at the file's head: they move to
/// the next table, or are given back where there is none.
fn remove(tables: &mut ArrayOfTables, at: usize, is_head: bool) -> Option<String> {
    let above = tables
        .get(at)
        .and_then(|table| text(table.decor().prefix()));
    tables.remove(at);
    let above = above?;
    let stays = match above.rsplit_once("\n\n") {
        Some((stays, _)) => stays,
        None if is_head && !above.starts_with('\n') => &above,
        None => return None,
    };
    if stays.trim().is_empty() {
        return None;
    }
    let stays = format!("{}\n", stays.trim_end());
    let Some(next) = tables.get_mut(at) else {
        return Some(stays);
    };
    let below = text(next.decor().prefix()).unwrap_or_default();
    let gap = match below.starts_with('\n') {
        true => "",
        false => "\n",
    };
    next.decor_mut().set_prefix(format!("{stays}{gap}{below}"));
    None
}

fn before_the_end(document: &mut DocumentMut, remark: &str) {
    let end = document.trailing().as_str().unwrap_or_default().to_owned();
    document.set_trailing(format!("{remark}{end}"));
}

fn text(raw: Option<&toml_edit::RawString>) -> Option<String> {
    raw.and_then(toml_edit::RawString::as_str)
        .map(str::to_owned)
}
