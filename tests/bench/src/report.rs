//! The table for people and the JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::probe::{Placement, Unit};
use crate::run::{Order, Outcome};
use crate::verdict::{better_than_peer, figures, floor, times_floor, verdicts};

/// A value with its unit, three digits or so.
pub(crate) fn show(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Time if value >= 1e6 => format!("{:.2} s", value / 1e6),
        Unit::Time if value >= 1e3 => format!("{} ms", digits(value / 1e3)),
        Unit::Time => format!("{} us", digits(value)),
        Unit::Memory if value >= 1024.0 => format!("{} MiB", digits(value / 1024.0)),
        Unit::Memory => format!("{} KiB", digits(value)),
        Unit::Rate if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        Unit::Rate if value >= 1e4 => format!("{:.0} k/s", value / 1e3),
        Unit::Rate => format!("{value:.0} /s"),
        Unit::Throughput if value >= 1024.0 => format!("{:.2} GiB/s", value / 1024.0),
        Unit::Throughput => format!("{value:.0} MiB/s"),
    }
}

fn digits(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |ratio| {
        if ratio >= 100.0 {
            format!("{ratio:.0}x")
        } else {
            format!("{ratio:.2}x")
        }
    })
}

/// The table, with what could not be taken below it.
pub(crate) fn table(order: &Order, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut notes = Vec::new();
    let peer = order.peer.is_some();
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "{:<38}{:>11}{:>11}{:>7}{:>11}{:>9}",
        "measure (* one CPU, + one each)", "ours p50", "p99", "n", "floor", "of floor"
    );
    if peer {
        let _ = write!(text, "{:>11}{:>11}{:>10}", "peer p50", "p99", "better by");
    }
    text.push_str("  budget\n");
    for outcome in outcomes {
        let unit = outcome.row.unit;
        let star = match outcome.placement {
            Placement::Free => "",
            Placement::Together => "*",
            Placement::Apart => "+",
        };
        let _ = write!(text, "{:<38}", format!("{}{star}", outcome.row.title));
        match figures(outcome, 0) {
            Some(own) => {
                let _ = write!(
                    text,
                    "{:>11}{:>11}{:>7}",
                    show(unit, own.median),
                    spread(own.count, || show(unit, own.p99)),
                    own.count
                );
            }
            None => {
                let _ = write!(text, "{:>11}{:>11}{:>7}", missing(outcome, 0), "-", 0);
            }
        }
        let bound = floor(outcome).map_or("-".into(), |floor| show(unit, floor));
        let _ = write!(text, "{bound:>11}{:>9}", times(times_floor(outcome, 0)));
        if peer {
            match figures(outcome, 1) {
                Some(other) => {
                    let _ = write!(
                        text,
                        "{:>11}{:>11}{:>10}",
                        show(unit, other.median),
                        spread(other.count, || show(unit, other.p99)),
                        times(better_than_peer(outcome))
                    );
                }
                None => {
                    let _ = write!(text, "{:>11}{:>11}{:>10}", missing(outcome, 1), "-", "-");
                }
            }
        }
        let budgets: Vec<String> = verdicts(outcome, outcomes)
            .iter()
            .filter_map(|verdict| {
                let word = if verdict.holds? { "ok" } else { "OVER" };
                Some(format!("{} {word}", verdict.text))
            })
            .collect();
        let _ = writeln!(text, "  {}", budgets.join(", "));
        // Rows that belong to another one have failed with it, for the same reason.
        let own = !outcome.row.title.starts_with(' ');
        for (taken, label) in outcome.taken.iter().zip(["ours", "peer"]) {
            if let Some(failure) = taken.failure.as_ref().filter(|_| own) {
                let word = if taken.refused { "refused" } else { "failed" };
                notes.push(format!("{label}, {}: {word}: {failure}", outcome.row.name));
            }
        }
    }
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// A percentile of a handful of samples would be a word for the worst one.
fn spread(count: usize, p99: impl Fn() -> String) -> String {
    if count >= 20 { p99() } else { "-".into() }
}

fn missing(outcome: &Outcome, number: usize) -> &'static str {
    match outcome.taken.get(number) {
        Some(taken) if taken.refused => "refused",
        Some(taken) if taken.failure.is_some() => "failed",
        _ => "-",
    }
}

/// The same for programs: times in microseconds, memory in KiB.
pub(crate) fn json(order: &Order, outcomes: &[Outcome]) -> Value {
    let rows: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            let side = |number: usize| match figures(outcome, number) {
                Some(figures) => json!({
                    "p50": figures.median,
                    "p99": figures.p99,
                    "count": figures.count,
                    "timesFloor": times_floor(outcome, number),
                }),
                None => json!({
                    "refused": outcome.taken.get(number).and_then(|taken| taken.failure.clone()),
                }),
            };
            let budgets: Vec<Value> = verdicts(outcome, outcomes)
                .iter()
                .map(|verdict| json!({"budget": verdict.text, "holds": verdict.holds}))
                .collect();
            json!({
                "name": outcome.row.name,
                "title": outcome.row.title.trim(),
                "unit": unit(outcome.row.unit),
                "placement": match outcome.placement {
                    Placement::Free => "free",
                    Placement::Together => "together",
                    Placement::Apart => "apart",
                },
                "ours": side(0),
                "peer": order.peer.as_ref().map(|_| side(1)),
                "floor": floor(outcome),
                "betterThanPeerBy": better_than_peer(outcome),
                "budgets": budgets,
            })
        })
        .collect();
    json!({"server": order.server, "peer": order.peer, "quick": order.quick, "rows": rows})
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Time => "microseconds",
        Unit::Memory => "KiB",
        Unit::Rate => "per second",
        Unit::Throughput => "MiB per second",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_the_unit_that_a_person_would_choose() {
        assert_eq!(show(Unit::Time, 8.214), "8.21 us");
        assert_eq!(show(Unit::Time, 48_700.0), "48.7 ms");
        assert_eq!(show(Unit::Memory, 30_720.0), "30.0 MiB");
        assert_eq!(show(Unit::Rate, 712_345.0), "712 k/s");
        assert_eq!(show(Unit::Throughput, 1_536.0), "1.50 GiB/s");
    }
}
