//! The rule language: Starlark with three functions, run once for each file when the policy is loaded.
//!
//! What the functions are told becomes plain data at once. An error stops everything, with `FILE:LINE:COLUMN` of the call that made it.

use std::cell::RefCell;

use lockgate_policy::path;
use starlark::any::ProvidesStaticType;
use starlark::environment::{Globals, GlobalsBuilder, LibraryExtension, Module};
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::syntax::{AstModule, Dialect};
use starlark::values::Value;
use starlark::values::list::{ListRef, UnpackList};
use starlark::values::none::{NoneOr, NoneType};

use crate::files::{self, File};
use crate::rules::{
    Alternatives, Decision, Executables, NetworkRule, PrefixRule, Protocol, Rules, example_matches,
};
use crate::words;

/// The rules of a configuration; the error is for the operator.
pub(crate) fn load(config: &str) -> Result<Rules, String> {
    let home = files::home(config).map(path::normalized).transpose();
    let home = home.map_err(|error| format!("# home: {error}"))?;
    let written = Written {
        rules: RefCell::default(),
        home,
    };
    let globals =
        GlobalsBuilder::extended_by(&[LibraryExtension::Print, LibraryExtension::StructType])
            .with(functions)
            .build();
    for file in files::split(config) {
        run(file, &globals, &written).map_err(|error| placed(&error))?;
    }
    Ok(written.rules.into_inner())
}

fn run(file: File, globals: &Globals, written: &Written) -> starlark::Result<()> {
    let dialect = Dialect {
        enable_load: false,
        enable_f_strings: true,
        ..Dialect::Extended
    };
    let module = AstModule::parse(&file.name, file.text, &dialect)?;
    Module::with_temp_heap(|heap| {
        let mut evaluator = Evaluator::new(&heap);
        evaluator.extra = Some(written);
        evaluator.set_print_handler(&Printed);
        evaluator.eval_module(module, globals)?;
        Ok(())
    })
}

/// `print` tells the operator something.
struct Printed;

impl starlark::PrintHandler for Printed {
    fn println(&self, text: &str) -> starlark::Result<()> {
        lockgate_policy::info!("{text}");
        Ok(())
    }
}

/// `FILE:LINE:COLUMN: what is wrong`, as editors take it.
fn placed(error: &starlark::Error) -> String {
    let message = error.without_diagnostic().to_string();
    match error.span() {
        Some(span) => {
            let begin = span.resolve_span().begin;
            let (file, line, column) = (span.filename(), begin.line + 1, begin.column + 1);
            format!("{file}:{line}:{column}: {message}")
        }
        None => message,
    }
}

/// What the functions have been told so far.
#[derive(Debug, ProvidesStaticType)]
struct Written {
    rules: RefCell<Rules>,
    home: Option<String>,
}

impl Written {
    fn of<'a>(evaluator: &Evaluator<'_, 'a, '_>) -> Result<&'a Written, Wrong> {
        let written = evaluator.extra.and_then(|extra| extra.downcast_ref());
        written.ok_or_else(|| Wrong("rules are written at the top of a file".to_owned()))
    }
}

/// What is wrong with a call.
#[derive(Debug)]
struct Wrong(String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}
impl std::error::Error for Wrong {}
impl From<Wrong> for starlark::Error {
    fn from(wrong: Wrong) -> starlark::Error {
        starlark::Error::new_other(wrong)
    }
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong(message.into()))
}

#[starlark_module]
fn functions(builder: &mut GlobalsBuilder) {
    fn prefix_rule<'v>(
        pattern: UnpackList<Value<'v>>,
        #[starlark(default = NoneOr::None)] decision: NoneOr<&'v str>,
        #[starlark(default = NoneOr::None)] r#match: NoneOr<UnpackList<Value<'v>>>,
        #[starlark(default = NoneOr::None)] not_match: NoneOr<UnpackList<Value<'v>>>,
        #[starlark(default = NoneOr::None)] justification: NoneOr<&'v str>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let mut rules = Written::of(eval)?.rules.borrow_mut();
        let decision = match decision.into_option() {
            None => Decision::Allow,
            Some(word) => self::decision(word, &[("allow", Decision::Allow)])?,
        };
        let made = made(
            &pattern.items,
            decision,
            self::justification(justification)?,
        )?;
        let as_told = |examples: NoneOr<UnpackList<Value<'v>>>, expected, name| {
            let items = examples.into_option().map(|list| list.items);
            check_examples(
                &items.unwrap_or_default(),
                expected,
                name,
                &made,
                rules.executables(),
            )
        };
        as_told(r#match, true, "match")?;
        as_told(not_match, false, "not_match")?;
        for rule in made {
            rules.add_prefix(rule);
        }
        Ok(NoneType)
    }

    fn host_executable<'v>(
        name: &'v str,
        paths: UnpackList<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let written = Written::of(eval)?;
        if name.is_empty() || name.contains('/') {
            wrong(format!(
                "name is a program's bare name, and {name:?} is none"
            ))?;
        }
        let mut files = Vec::new();
        for path in &paths.items {
            if let Some(path) = executable(name, *path, written.home.as_deref())?
                && !files.contains(&path)
            {
                files.push(path);
            }
        }
        let mut rules = written.rules.borrow_mut();
        rules.executables_mut().set(name.to_owned(), files);
        Ok(NoneType)
    }

    fn network_rule<'v>(
        host: &'v str,
        protocol: &'v str,
        decision: &'v str,
        #[starlark(default = NoneOr::None)] justification: NoneOr<&'v str>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let more = [("allow", Decision::Allow), ("deny", Decision::Forbidden)];
        let rule = NetworkRule {
            host: self::host(host)?,
            protocol: self::protocol(protocol)?,
            decision: self::decision(decision, &more)?,
            justification: self::justification(justification)?,
        };
        Written::of(eval)?.rules.borrow_mut().add_network(rule);
        Ok(NoneType)
    }
}

/// One rule for each program that the pattern may begin with.
fn made(
    pattern: &[Value],
    decision: Decision,
    justification: Option<String>,
) -> Result<Vec<PrefixRule>, Wrong> {
    let words: Vec<Alternatives> = pattern
        .iter()
        .map(|word| alternatives(*word))
        .collect::<Result<_, _>>()?;
    let Some((programs, words)) = words.split_first() else {
        return wrong("pattern is a list with at least one word");
    };
    if programs.0.iter().any(String::is_empty) {
        return wrong("pattern begins with a program's name or path, and that is not empty");
    }
    let rule = |program: &String| PrefixRule {
        program: program.clone(),
        words: words.to_vec(),
        decision,
        justification: justification.clone(),
    };
    Ok(programs.0.iter().map(rule).collect())
}

fn alternatives(word: Value) -> Result<Alternatives, Wrong> {
    if let Some(text) = word.unpack_str() {
        return Ok(Alternatives(vec![text.to_owned()]));
    }
    let Some(list) = ListRef::from_value(word) else {
        return wrong(format!(
            "pattern is made of strings and lists of strings, and {} is a {}",
            word.to_repr(),
            word.get_type()
        ));
    };
    let mut texts = Vec::new();
    for item in list.iter() {
        match item.unpack_str() {
            Some(text) if texts.iter().any(|other| other == text) => {}
            Some(text) => texts.push(text.to_owned()),
            None => {
                return wrong(format!(
                    "an alternative in pattern is a string, and {} is none",
                    item.to_repr()
                ));
            }
        }
    }
    match texts.is_empty() {
        true => wrong("a list of alternatives in pattern has at least one"),
        false => Ok(Alternatives(texts)),
    }
}

/// The examples of a rule have to match it, or must not.
fn check_examples(
    examples: &[Value],
    expected: bool,
    name: &str,
    rules: &[PrefixRule],
    executables: &Executables,
) -> Result<(), Wrong> {
    for example in examples {
        let words = example_words(*example, name)?;
        if example_matches(rules, executables, &words) != expected {
            return wrong(match expected {
                true => format!(
                    "the example {} in {name} does not match the rule",
                    example.to_repr()
                ),
                false => format!(
                    "the example {} in {name} matches the rule",
                    example.to_repr()
                ),
            });
        }
    }
    Ok(())
}

fn example_words(example: Value, name: &str) -> Result<Vec<String>, Wrong> {
    let words = match (example.unpack_str(), ListRef::from_value(example)) {
        (Some(text), _) => words::split(text),
        (None, Some(list)) => list
            .iter()
            .map(|word| word.unpack_str().map(str::to_owned))
            .collect(),
        (None, None) => None,
    };
    match words {
        Some(words) if !words.is_empty() => Ok(words),
        _ => wrong(format!(
            "an example in {name} is a command: a list of strings, or a string with the quotes that it needs, and {} is none",
            example.to_repr()
        )),
    }
}

fn decision(word: &str, more: &[(&str, Decision)]) -> Result<Decision, Wrong> {
    let known = [
        ("prompt", Decision::Prompt),
        ("forbidden", Decision::Forbidden),
    ];
    let found = more.iter().chain(&known).find(|(name, _)| *name == word);
    let names = || {
        more.iter()
            .chain(&known)
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
    };
    match found {
        Some((_, decision)) => Ok(*decision),
        None => wrong(format!(
            "decision {word:?} is none; there are: {}",
            names().join(", ")
        )),
    }
}

fn justification(text: NoneOr<&str>) -> Result<Option<String>, Wrong> {
    match text.into_option() {
        Some(text) if text.trim().is_empty() => {
            wrong("justification is empty: say why, or leave it out")
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// A file of a program. None for one below a home that is not known here: then it is no file at all.
fn executable(name: &str, value: Value, home: Option<&str>) -> Result<Option<String>, Wrong> {
    let Some(text) = value.unpack_str() else {
        return wrong(format!(
            "paths is a list of strings, and {} is none",
            value.to_repr()
        ));
    };
    let path = match (text.strip_prefix("~/"), home) {
        (None, _) => path::normalized(text),
        (Some(rest), Some(home)) => path::normalized(&format!("{home}/{rest}")),
        (Some(rest), None) => path::normalized(&format!("/{rest}")),
    };
    let path = path.map_err(Wrong)?;
    if path::name(&path) != name {
        return wrong(format!(
            "{text:?} is no path of {name:?}: its last name is another"
        ));
    }
    if text.starts_with("~/") && home.is_none() {
        lockgate_policy::warn!(
            "{text:?} matches no file: a policy does not know where home is; say it in a line `# home: PATH`, or write the path out"
        );
        return Ok(None);
    }
    Ok(Some(path))
}

fn protocol(word: &str) -> Result<Protocol, Wrong> {
    match word {
        "http" => Ok(Protocol::Http),
        "https" | "https_connect" | "http-connect" => Ok(Protocol::Https),
        "socks5_tcp" => Ok(Protocol::Socks5Tcp),
        "socks5_udp" => Ok(Protocol::Socks5Udp),
        _ => wrong(format!(
            "protocol {word:?} is none; there are: http, https (also https_connect), socks5_tcp, socks5_udp"
        )),
    }
}

/// A host as requests have it: in lower case, without port, brackets and a dot at the end.
fn host(text: &str) -> Result<String, Wrong> {
    let no_host = || {
        format!(
            "{text:?} is no host: write a name or an address, without scheme, path and wildcard"
        )
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() && !port.starts_with('+');
    let bare = text.trim();
    let bare = match bare.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, ""))) => address,
        Some(Some((address, rest))) if rest.strip_prefix(':').is_some_and(is_port) => address,
        Some(_) => return wrong(no_host()),
        None => match bare.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => bare,
        },
    };
    // `HostPattern` takes wildcards, and these rules never did.
    match lockgate_policy::HostPattern::parse(bare) {
        Ok(_) if !bare.contains('*') => {
            let lower = bare.to_ascii_lowercase();
            Ok(lower.strip_suffix('.').unwrap_or(&lower).to_owned())
        }
        _ => wrong(no_host()),
    }
}

#[cfg(test)]
#[path = "language_tests.rs"]
mod tests;
