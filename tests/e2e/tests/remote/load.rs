//! Load: harnesses that work without a pause, while something happens to what they go through.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::work::{Outcome, Way, Work, until_connected};

/// What one of them does, again and again.
#[derive(Clone, Copy)]
pub(crate) enum Piece {
    Stream,
    Copy,
}

/// As many harnesses of each kind over each way.
pub(crate) fn each<'a>(ways: &'a [Way], pieces: &[Piece]) -> Vec<(&'a Way, Piece)> {
    let over = |piece: &Piece| {
        let piece = *piece;
        ways.iter().map(move |way| (way, piece))
    };
    pieces.iter().flat_map(over).collect()
}

/// Has them work while `meanwhile` runs. All that they do is done, and right; gives how often.
pub(crate) fn under_load(
    work: &Work,
    harnesses: &[(&Way, Piece)],
    meanwhile: impl FnOnce(),
) -> usize {
    let (done, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (number, (way, piece)) in harnesses.iter().enumerate() {
            let (done, enough) = (&done, &enough);
            let target = work.source().with_file_name(format!("target{number}"));
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let outcome = until_connected(|| match piece {
                        Piece::Stream => work.stream(way),
                        Piece::Copy => work.copy(way, &target),
                    });
                    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // They end with it, also where it fails.
        let _enough = Enough(&enough);
        meanwhile();
    });
    done.into_inner() as usize
}

/// Says so when it is dropped.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
