//! Which seeds a simulation runs. One that fails is printed. `RELAY_SEED=…` runs that one alone, exactly as it ran before; `RELAY_SEEDS=…` another number of
//! them than the usual one.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs as many as are usual, or those that were asked for.
pub(crate) fn run_seeds(usual: u64, run: impl Fn(u64)) {
    let number = |name: &str| -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse()
                .unwrap_or_else(|_| panic!("{name}={text} is no number")),
        )
    };
    for seed in chosen(number("RELAY_SEED"), number("RELAY_SEEDS"), usual) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("RELAY_SEED={seed} runs what failed again");
            resume_unwind(panic);
        }
    }
}

fn chosen(one: Option<u64>, many: Option<u64>, usual: u64) -> Range<u64> {
    match one {
        Some(seed) => seed..seed + 1,
        None => 0..many.unwrap_or(usual),
    }
}

#[test]
fn one_seed_is_run_alone_and_a_number_of_them_from_the_first() {
    assert_eq!(chosen(Some(7), Some(9), 1_000), 7..8);
    assert_eq!(chosen(None, Some(9), 1_000), 0..9);
    assert_eq!(chosen(None, None, 1_000), 0..1_000);
}
