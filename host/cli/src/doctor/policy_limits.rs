//! The limits of the policy gate, all of them: whoever writes a policy, or wonders why one failed, looks here.

use std::time::Duration;

use lockgate_policy_gate::limits as policy;
use lockgate_server::limits as server;

use super::{Section, bytes};

/// Of policies, of their decisions, and of questions to people.
pub(super) fn section() -> Section {
    let section = Section::new("limits of policies");
    let section = questions(answers(decisions(components(section))));
    log(section)
}

fn components(section: Section) -> Section {
    section
        .with("policies in a chain", policy::POLICIES)
        .with(
            "to start a policy and to have it describe itself",
            time(policy::LOAD_TIME),
        )
        .with(
            "a policy's configuration",
            bytes(policy::CONFIG_BYTES as u64),
        )
        .with(
            "a signature's file",
            bytes(policy::SIGNATURE_FILE_BYTES as u64),
        )
        .with(
            "parts of a policy",
            format!(
                "{} core instances, {} memories, {} tables of {} elements each; with `wasi = \"empty\"` {} handles",
                policy::CORE_INSTANCES,
                policy::MEMORIES,
                policy::TABLES,
                policy::TABLE_ELEMENTS,
                policy::HANDLES
            ),
        )
        .with(
            "a policy's words for itself",
            format!(
                "a name of {} bytes, a summary of {}",
                policy::POLICY_NAME_BYTES,
                policy::SUMMARY_BYTES
            ),
        )
}

fn decisions(section: Section) -> Section {
    section
        .with(
            "time for a decision",
            format!(
                "{} (time_ms, at most {}), looked at every {}; a single instruction on much memory is not interrupted",
                time(policy::DECISION_TIME),
                time(policy::MAX_DECISION_TIME),
                time(policy::TICK)
            ),
        )
        .with(
            "memory for a decision",
            format!("{} (memory_mib)", bytes(policy::MEMORY_BYTES as u64)),
        )
        .with(
            "decisions at once",
            format!(
                "{}; of one connection {} beside its file calls",
                policy::DECISIONS_AT_ONCE,
                server::DECISIONS_AT_ONCE
            ),
        )
        .with(
            "decisions where other work waits",
            format!(
                "of policies that take {} on average, each given up after {} and made again elsewhere",
                time(policy::QUICK),
                time(policy::AT_ONCE)
            ),
        )
        .with(
            "instances kept",
            format!(
                "{} in all; of a policy {} of `instances = \"reused\"` that grew by {} at most, or {} that have decided and wait to be dropped; {} of each memory stay mapped",
                policy::WARM_AT_ONCE,
                policy::WARM_PER_POLICY,
                bytes(policy::WARM_GROWTH_BYTES as u64),
                policy::SPENT_PER_POLICY,
                bytes(policy::KEEP_RESIDENT_BYTES as u64)
            ),
        )
        .with(
            "an instance is started before it is needed",
            format!(
                "where it has {} at most and the last start took {}; within {}, {} for a whole chain",
                bytes(policy::SMALL_BYTES as u64),
                time(policy::QUICK_START),
                time(policy::PREPARE_TIME),
                time(policy::PREPARE_ALL)
            ),
        )
        .with(
            "answers that are remembered",
            format!(
                "{} a policy, each of {} at most",
                bytes(policy::REMEMBERED_BYTES as u64),
                bytes(policy::REMEMBERED_ANSWER_BYTES as u64)
            ),
        )
}

fn answers(section: Section) -> Section {
    section
        .with(
            "an answer",
            format!(
                "{} in all; {} for a reason or a prompt, {} bytes for the name of a rule or a variable, {} for details",
                bytes(policy::REPLY_BYTES as u64),
                bytes(policy::MESSAGE_BYTES as u64),
                policy::NAME_BYTES,
                bytes(policy::DETAILS_BYTES as u64)
            ),
        )
        .with(
            "what an answer narrows",
            format!(
                "{} entries of a grant, {} variables; {} of it are logged, of more a digest",
                policy::GRANT_ENTRIES,
                policy::DROPPED_VARIABLES,
                bytes(policy::LOGGED_NARROWING_BYTES as u64)
            ),
        )
        .with(
            "log lines of a policy",
            format!(
                "{} of {} bytes a call; with `wasi = \"empty\"` {} of output",
                policy::LOG_LINES_PER_CALL,
                policy::LOG_LINE_BYTES,
                bytes(policy::OUTPUT_BYTES as u64)
            ),
        )
}

fn questions(section: Section) -> Section {
    section
        .with(
            "to agree to what a policy asks",
            format!(
                "{} (ask_seconds); {} questions of a connection at once",
                time(policy::ASK_TIME),
                server::APPROVALS
            ),
        )
        .with(
            "shown to policies of what is written to a process",
            format!("{} at once", bytes(server::POLICY_WRITE_BYTES as u64)),
        )
}

fn log(section: Section) -> Section {
    section.with(
        "decision log",
        format!(
            "{} a line, or of a text in it the first {} and the last {}, of a list {}; {} wait to be written, for which a decision waits {}, one that has to be logged (log_required) {}, and the end of the server {}",
            bytes(policy::DECISION_LINE_BYTES as u64),
            bytes(policy::CUT_BEGINNING_BYTES as u64),
            bytes(policy::CUT_END_BYTES as u64),
            bytes(policy::CUT_LIST_BYTES as u64),
            bytes(policy::LOG_QUEUE_BYTES as u64),
            time(policy::LOG_PATIENCE),
            time(policy::LOG_PATIENCE_REQUIRED),
            time(policy::LOG_PATIENCE_AT_END)
        ),
    )
}

/// In the largest unit of which it is a whole number.
fn time(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis(), time.subsec_micros()) {
        (seconds, 0, 0) => format!("{seconds} s"),
        (_, _, micros) if micros % 1_000 == 0 => format!("{} ms", time.as_millis()),
        _ => format!("{} us", time.as_micros()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_the_policy_gate_is_printed() {
        let limits = include_str!("../../../policy/src/limits.rs");
        let printed = include_str!("policy_limits.rs");
        let names: Vec<_> = limits
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
            .collect();
        assert!(names.len() > 30, "{names:?}");
        for name in names {
            let used = format!("policy::{name}");
            let whole = |rest: &str| {
                !rest.starts_with(|char: char| char == '_' || char.is_ascii_uppercase())
            };
            assert!(printed.split(&used).skip(1).any(whole), "{name}");
        }
    }

    #[test]
    fn times_are_told_in_a_unit_that_fits() {
        let told = [1_000_000, 300_000_000, 50_000, 1_500_000, 250]
            .map(|micros| time(Duration::from_micros(micros)));
        assert_eq!(told, ["1 s", "300 s", "50 ms", "1500 ms", "250 us"]);
    }
}
