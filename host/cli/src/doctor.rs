//! `lockgate doctor`: what is enforced on this machine and how, and what is not.

mod limits;
mod policies;
mod policy_limits;

use std::process::ExitCode;

use lockgate_capfs::{CapFs, Report, ledger};
use lockgate_engine::{Allocator, CompiledCode};
use lockgate_policy_gate::Report as Policies;
use lockgate_server::{HttpOutlook, ProxyChoice};
use serde::Serialize;

use crate::config::{self, Config};
use crate::failure::{FAILED, Failure};
use crate::output::{print, print_json};

/// Tell what is enforced here and how, and what is not
#[derive(clap::Args)]
#[command(after_help = EXIT)]
pub(crate) struct Args {
    /// As a JSON array of sections
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: config::Source,
}

const EXIT: &str = "\
The exit code is 1 where the capability gate or the policy gate does not start, as with a file guest that is none; all else is told all the same.";

/// One subject.
#[derive(Serialize)]
struct Section {
    title: &'static str,
    facts: Vec<Fact>,
}

#[derive(Serialize)]
struct Fact {
    name: String,
    value: String,
}

impl Section {
    fn new(title: &'static str) -> Section {
        Section {
            title,
            facts: Vec::new(),
        }
    }

    fn with(mut self, name: impl Into<String>, value: impl ToString) -> Section {
        self.facts.push(Fact {
            name: name.into(),
            value: value.to_string(),
        });
        self
    }
}

pub(crate) fn run(args: Args) -> Result<ExitCode, Failure> {
    let config = args.config.load()?;
    let gate = gate(&config);
    let policies = policies::look(&config);
    let sections = sections(&config, &gate, &policies);
    if args.json {
        print_json(&sections)?
    } else {
        print(&render(&sections))?
    }
    Ok(match (gate, policies) {
        (Ok(_), Ok(_)) => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}

/// What the capability gate came out as, or why it does not start.
fn gate(config: &Config) -> Result<Report, String> {
    let said = |failure: Failure| failure.to_string();
    let options = lockgate_capfs::Options {
        own: config.keep().map_err(said)?,
        ..config.files.gate().map_err(said)?
    };
    match CapFs::new(options) {
        Ok(gate) => Ok(gate.report()),
        Err(error) => Err(config.files.blame(error)),
    }
}

fn sections(
    config: &Config,
    gate: &Result<Report, String>,
    policies: &Result<Option<Policies>, String>,
) -> Vec<Section> {
    vec![
        program(config),
        files(config, gate),
        writes(),
        http(config),
        processes(),
        policies::section(config, policies),
        limits::server(),
        policy_limits::section(),
        limits::client(),
        limits::relay(),
        limits::rendezvous(),
        limits::nodes(),
        limits::mcp(),
        not_enforced(config, policies),
    ]
}

fn program(config: &Config) -> Section {
    let uname = rustix::system::uname();
    Section::new("lockgate")
        .with("version", env!("CARGO_PKG_VERSION"))
        .with(
            "kernel",
            format!(
                "{} {}",
                uname.sysname().to_string_lossy(),
                uname.release().to_string_lossy()
            ),
        )
        .with(
            "configuration",
            match &config.file {
                Some(file) => file.display().to_string(),
                None => "no file, all defaults".to_owned(),
            },
        )
}

fn files(config: &Config, gate: &Result<Report, String>) -> Section {
    let section = Section::new("files");
    let gate = match gate {
        Ok(gate) => gate,
        Err(reason) => {
            let outcome = match config.files.is_default() && config.keep().is_ok() {
                true => "does not start, sandboxed requests fail",
                false => "does not start as configured, and the server refuses to",
            };
            return section.with("capability gate", format!("{outcome}: {reason}"));
        }
    };
    let yes = |is: bool, no: &str| {
        if is {
            "yes".to_owned()
        } else {
            format!("no: {no}")
        }
    };
    section
        .with(
            "capability gate",
            "on: sandboxed requests reach only what their profile grants",
        )
        .with("path back end", gate.path_back_end)
        .with("file guest", format!("sha256:{}", gate.guest))
        .with(
            "file guest comes from",
            match &config.files.guest {
                Some(guest) => format!("{} ({})", guest.path.display(), guest.pinned_at),
                None => "this binary".to_owned(),
            },
        )
        .with(
            "file guest is the built-in one",
            yes(gate.stock_guest, "another component takes its place"),
        )
        .with(
            "file guest writes log lines",
            match gate.guest_logs {
                true => {
                    "yes: LOCKGATE_LOG=lockgate::guest=info shows them, with the paths of requests"
                }
                false => "no",
            },
        )
        .with("guest memory", allocator(&gate.engine.allocator))
        .with("compiled guests", compiled(&gate.engine.compiled_code))
        .with(
            "fast clearing of guest memory",
            match (gate.engine.pagemap_scan, gate.engine.swap_is_off) {
                (true, _) => "yes",
                (false, true) => "no: not asked for",
                (false, false) => "no: swap is on",
            },
        )
}

/// What becomes of contents that are overwritten.
fn writes() -> Section {
    let section = Section::new("writes");
    let noted = ledger::standard_directory()
        .and_then(|directory| Ok((ledger::collect(&directory)?, directory)));
    match noted {
        Err(error) => section.with("overwrites under way are noted", format!("no: {error}")),
        Ok((unfinished, directory)) => unfinished.iter().fold(
            section.with(
                "overwrites under way are noted",
                format!("in {}", directory.display()),
            ),
            |section, write| section.with("unfinished", write),
        ),
    }
}

fn allocator(allocator: &Allocator) -> String {
    match allocator {
        Allocator::Pool(instances) => format!("pool of {instances} instances"),
        Allocator::OnDemand { reason } => format!("on demand, slower: {reason}"),
    }
}

fn compiled(code: &CompiledCode) -> String {
    match code {
        CompiledCode::Cached(directory) => format!("cached in {}", directory.display()),
        CompiledCode::InMemory { reason } => format!("compiled at every start, slower: {reason}"),
    }
}

fn processes() -> Section {
    Section::new("processes")
        .with("kernel features", lockgate_process::Engine::new().support())
        .with("limits of policies", "hold for all that a process starts, daemons too: it has a keeper above it, and is not started where it cannot have one")
        .with("sandbox", "none of our own: --process-sandbox refuse (default) refuses sandboxed starts, external runs them unconfined")
}

/// Requests that clients have sent from here.
fn http(config: &Config) -> Section {
    let section = Section::new("http requests");
    if !config.http.enabled {
        return section.with("http/request", "off: clients are told that there is none");
    }
    let outlook = HttpOutlook::new(&config.http);
    let rules = &config.http.rules;
    let denied = [
        (rules.deny_loopback, "this machine"),
        (rules.deny_link_local, "link-local"),
        (rules.deny_private, "private networks"),
    ];
    let denied: Vec<_> = denied
        .iter()
        .filter(|(denied, _)| *denied)
        .map(|(_, what)| *what)
        .collect();
    let counted = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let addresses = [
        (!denied.is_empty()).then(|| denied.join(", ")),
        counted(rules.deny_addresses.len(), "networks of their own"),
    ];
    let addresses: Vec<_> = addresses.into_iter().flatten().collect();
    let joined = |hosts: &[lockgate_server::HostPattern]| {
        hosts
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let nothing = "none: the list of those allowed is empty";
    section
        .with("http/request", "on: sent with this machine's network, as its clients ask")
        .with(
            "hosts",
            match (&rules.allow_hosts, &*rules.deny_hosts) {
                (None, []) => "all".to_owned(),
                (Some(allowed), _) if allowed.is_empty() => nothing.to_owned(),
                (None, denied) => format!("all but {}", joined(denied)),
                (Some(allowed), []) => format!("only {}", joined(allowed)),
                (Some(allowed), denied) => format!("only {}, but not {}", joined(allowed), joined(denied)),
            },
        )
        .with(
            "ports",
            match &rules.ports {
                None => "all".to_owned(),
                Some(ports) if ports.is_empty() => nothing.to_owned(),
                Some(ports) => ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            },
        )
        .with(
            "addresses that are denied",
            match (addresses.is_empty(), rules.allow_addresses.len()) {
                (true, _) => "none".to_owned(),
                (false, 0) => format!("{}; the address that was looked at is the one connected to", addresses.join("; ")),
                (false, count) => format!("{} (with {count} exceptions); the address that was looked at is the one connected to", addresses.join("; ")),
            },
        )
        .with("proxies", proxies(config, &outlook))
        .with(
            "https",
            match outlook.trouble {
                None => "trusts the certificate authorities of this machine".to_owned(),
                Some(trouble) => format!("is refused: {trouble}"),
            },
        )
        .with(
            "variables for headers",
            match &*config.http.header_env_vars {
                [] => "none".to_owned(),
                names => names.join(", "),
            },
        )
}

fn proxies(config: &Config, outlook: &HttpOutlook) -> String {
    let looked_at = config.http.rules.look_at_addresses();
    let said = match (outlook.through_proxies, config.http.proxy()) {
        (true, _) if outlook.refuses_names => {
            "those of the environment; one is told addresses (socks5://), and names that go through it are refused: the rules about addresses would not hold. Name it as socks5h://"
        }
        (true, _) if looked_at => {
            "those of the environment; names that go through one are resolved there, where the rules about addresses do not reach"
        }
        (true, _) => "those of the environment",
        (false, ProxyChoice::Environment) => "none: the environment names none",
        (false, ProxyChoice::None) if looked_at && config.http.proxy.is_none() => {
            "none: rules about addresses hold only without; `proxy = \"environment\"` under [http] uses them all the same"
        }
        (false, ProxyChoice::None) => "none, as configured",
    };
    match &*outlook.no_proxies {
        [] => said.to_owned(),
        names => format!(
            "{said}; passed over, since it is none that can be used: {}",
            names.join(", ")
        ),
    }
}

fn not_enforced(config: &Config, policies: &Result<Option<Policies>, String>) -> Section {
    let section = Section::new("not enforced");
    policies::not_enforced(section, config, policies)
        .with("processes", "a command may do all that the server's user may; WebAssembly does not confine native code")
        .with(
            "network",
            match config.http.enabled && !config.http.rules.refuse_something() {
                true => "neither of commands nor of http requests; a start that demands a managed network is refused",
                false => "of commands; a start that demands a managed network is refused",
            },
        )
        .with(
            "requests without a sandbox",
            match policies {
                Ok(Some(_)) => "go to the file system directly, unless a policy denies them or leaves only a part of the files",
                _ => "go to the file system directly, as the client asks",
            },
        )
        .with("who connects", "is not authenticated; requests with an Origin header (browsers) are refused")
}

fn bytes(count: u64) -> String {
    match count {
        count if count.is_multiple_of(1 << 20) => format!("{} MiB", count >> 20),
        count if count.is_multiple_of(1 << 10) => format!("{} KiB", count >> 10),
        count => format!("{count} bytes"),
    }
}

fn render(sections: &[Section]) -> String {
    let width = sections
        .iter()
        .flat_map(|section| &section.facts)
        .map(|fact| fact.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(section.title);
        text.push('\n');
        for fact in &section.facts {
            text.push_str(&format!("  {:width$}  {}\n", fact.name, fact.value));
        }
    }
    text
}
