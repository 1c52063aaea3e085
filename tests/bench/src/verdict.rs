//! From samples to figures: medians, ratios taken round by round, and whether a budget holds.

use crate::probe::Budget;
use crate::run::{Outcome, Taken};
use crate::statistics::{median, quantile};

/// The figures of one row from one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Median of all samples.
    pub(crate) median: f64,
    /// 99th percentile (for rates: the first, the bad end).
    pub(crate) p99: f64,
    /// How many samples.
    pub(crate) count: usize,
}

/// The figures, or `None` when nothing was taken.
pub(crate) fn figures(outcome: &Outcome, number: usize) -> Option<Figures> {
    let samples: Vec<f64> = outcome.taken.get(number)?.rounds.concat();
    let bad_end = if outcome.row.unit.more_is_better() {
        0.01
    } else {
        0.99
    };
    (!samples.is_empty()).then(|| Figures {
        median: median(&samples),
        p99: quantile(&samples, bad_end),
        count: samples.len(),
    })
}

/// The floor of each round.
fn floors(outcome: &Outcome) -> Vec<f64> {
    outcome
        .floors
        .iter()
        .map(|round| {
            let parts = outcome.row.floor.iter();
            parts
                .map(|(floor, times)| times * round.get(floor).map_or(f64::NAN, |s| median(s)))
                .sum()
        })
        .collect()
}

/// The floor's median over the rounds.
pub(crate) fn floor(outcome: &Outcome) -> Option<f64> {
    (!outcome.row.floor.is_empty()).then(|| median(&floors(outcome)))
}

/// How many times the floor: the median of the rounds' ratios, since the machine drifts between rounds.
pub(crate) fn times_floor(outcome: &Outcome, number: usize) -> Option<f64> {
    if outcome.row.floor.is_empty() {
        return None;
    }
    ratio(&medians(outcome.taken.get(number)?), &floors(outcome))
}

/// Ours against the peer, likewise, as how many times better ours is.
pub(crate) fn better_than_peer(outcome: &Outcome) -> Option<f64> {
    let ours = medians(outcome.taken.first()?);
    let peer = medians(outcome.taken.get(1)?);
    if outcome.row.unit.more_is_better() {
        ratio(&ours, &peer)
    } else {
        ratio(&peer, &ours)
    }
}

fn medians(taken: &Taken) -> Vec<f64> {
    taken.rounds.iter().map(|round| median(round)).collect()
}

fn ratio(above: &[f64], below: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = above
        .iter()
        .zip(below)
        .map(|(above, below)| above / below)
        .collect();
    // Growth may be nothing at all, and nothing is no measure of anything.
    (!ratios.is_empty())
        .then(|| median(&ratios))
        .filter(|ratio| ratio.is_finite())
}

/// A budget with what became of it.
pub(crate) struct Verdict {
    /// The budget in words.
    pub(crate) text: String,
    /// Whether it holds; `None` when there is nothing to compare with.
    pub(crate) holds: Option<bool>,
}

/// All budgets of `outcome`, for our server.
pub(crate) fn verdicts(outcome: &Outcome, all: &[Outcome]) -> Vec<Verdict> {
    outcome
        .row
        .budgets
        .iter()
        .map(|budget| judge(budget, outcome, all))
        .collect()
}

fn judge(budget: &Budget, outcome: &Outcome, all: &[Outcome]) -> Verdict {
    let unit = outcome.row.unit;
    let more = unit.more_is_better();
    let bound = if more { "≥" } else { "≤" };
    let within = |value: f64, limit: f64| if more { value >= limit } else { value <= limit };
    let own = figures(outcome, 0);
    match *budget {
        Budget::Floor(limit) => Verdict {
            text: format!("{bound} {limit}x floor"),
            holds: times_floor(outcome, 0).map(|ratio| within(ratio, limit)),
        },
        Budget::Row(name, limit) => {
            let other = all.iter().find(|other| other.row.name == name);
            let ratio = other.and_then(|other| {
                ratio(
                    &medians(outcome.taken.first()?),
                    &medians(other.taken.first()?),
                )
            });
            let shown = ratio.map_or(String::new(), |ratio| format!(" ({ratio:.2}x)"));
            Verdict {
                text: format!("{bound} {limit}x {name}{shown}"),
                holds: ratio.map(|ratio| within(ratio, limit)),
            }
        }
        Budget::Above(limit) => {
            let own = outcome.taken.first().map(medians).unwrap_or_default();
            let above: Vec<f64> = own
                .iter()
                .zip(floors(outcome))
                .map(|(own, floor)| own - floor)
                .collect();
            let above = (!above.is_empty()).then(|| median(&above));
            let shown = above.map_or(String::new(), |above| {
                format!(" (+{})", crate::report::show(unit, above))
            });
            Verdict {
                text: format!("≤ floor + {}{shown}", crate::report::show(unit, limit)),
                holds: above.map(|above| above <= limit),
            }
        }
        Budget::Median(limit) => Verdict {
            text: format!("{bound} {}", crate::report::show(unit, limit)),
            holds: own.map(|own| within(own.median, limit)),
        },
        Budget::P99(limit) => Verdict {
            text: format!("p99 ≤ {}", crate::report::show(unit, limit)),
            holds: own.map(|own| own.p99 <= limit),
        },
        Budget::Peer => Verdict {
            text: "no worse than peer".into(),
            holds: better_than_peer(outcome).map(|times| times >= 1.0),
        },
        Budget::PeerTimes(limit) => Verdict {
            text: format!("{limit}x better than peer"),
            holds: better_than_peer(outcome).map(|times| times >= limit),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::probe::{Floor, Row, Unit};

    const ROW: Row = Row {
        name: "stat",
        title: "",
        unit: Unit::Time,
        floor: &[(Floor::Echo, 2.0)],
        budgets: &[Budget::Floor(1.5), Budget::Peer],
    };

    fn outcome(ours: &[f64], peer: &[f64], echo: &[f64]) -> Outcome {
        let taken = |values: &[f64]| Taken {
            rounds: values.iter().map(|&value| vec![value]).collect(),
            ..Taken::default()
        };
        Outcome {
            row: &ROW,
            taken: vec![taken(ours), taken(peer)],
            floors: echo
                .iter()
                .map(|&time| BTreeMap::from([(Floor::Echo, vec![time])]))
                .collect(),
            placement: crate::probe::Placement::Together,
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round_so_that_drift_does_not_matter() {
        let outcome = outcome(&[12.0, 24.0, 120.0], &[6.0, 12.0, 60.0], &[5.0, 10.0, 50.0]);
        assert_eq!(times_floor(&outcome, 0), Some(1.2));
        assert_eq!(better_than_peer(&outcome), Some(0.5));
        let verdicts = verdicts(&outcome, &[]);
        assert_eq!(verdicts[0].holds, Some(true));
        assert_eq!(verdicts[1].holds, Some(false));
    }

    #[test]
    fn a_budget_without_a_peer_is_neither_kept_nor_broken() {
        let outcome = outcome(&[12.0], &[], &[5.0]);
        assert_eq!(verdicts(&outcome, &[])[1].holds, None);
    }

    #[test]
    fn what_is_above_the_floor_is_taken_round_by_round_too() {
        const ABOVE: Row = Row {
            name: "stat-cpu",
            title: "",
            unit: Unit::Time,
            floor: &[(Floor::Echo, 1.0)],
            budgets: &[Budget::Above(10.0)],
        };
        let outcome = Outcome {
            row: &ABOVE,
            ..outcome(&[14.0, 19.0, 109.0], &[], &[5.0, 10.0, 90.0])
        };
        let verdict = &verdicts(&outcome, &[])[0];
        assert_eq!(verdict.holds, Some(true));
        assert_eq!(verdict.text, "≤ floor + 10.0 us (+9.00 us)");
    }
}
