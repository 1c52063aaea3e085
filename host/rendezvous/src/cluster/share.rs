//! What one other node may make this one hold. Nodes believe each other about who is let in, and yet one that is stuck, hostile or of another mind must not cost
//! more than its share: its pipes are counted, and what came through them and nobody has taken yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::NodeId;
use crate::hub::lock;
use crate::limits;

/// The shares of all other nodes.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<HashMap<NodeId, Weak<Share>>>);

impl Shares {
    /// That of one node, kept as long as anybody holds on to it.
    pub(super) fn of(&self, node: &NodeId) -> Arc<Share> {
        let mut shares = lock(&self.0);
        if let Some(share) = shares.get(node).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share::new(limits::NODE_PIPES, limits::NODE_BYTES));
        shares.insert(node.clone(), Arc::downgrade(&share));
        share
    }
}

/// Of one node.
#[derive(Debug)]
pub(super) struct Share {
    most_pipes: usize,
    most_bytes: usize,
    pipes: AtomicUsize,
    bytes: AtomicUsize,
}

impl Share {
    pub(super) fn new(most_pipes: usize, most_bytes: usize) -> Share {
        Share {
            most_pipes,
            most_bytes,
            pipes: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// A pipe's part of it, unless that node has as many as it may have.
    pub(super) fn pipe(self: &Arc<Share>) -> Option<Part> {
        let before = self.pipes.fetch_add(1, Ordering::Relaxed);
        let part = Part {
            share: Arc::clone(self),
            bytes: 0,
        };
        (before < self.most_pipes).then_some(part)
    }
}

/// Of one pipe. Dropping it gives back what it has.
#[derive(Debug)]
pub(super) struct Part {
    share: Arc<Share>,
    bytes: usize,
}

impl Part {
    /// What the pipe holds now; whether that is allowed. What is not allowed is not counted.
    pub(super) fn set(&mut self, bytes: usize) -> bool {
        let all = &self.share.bytes;
        if bytes <= self.bytes {
            all.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            let before = all.fetch_add(more, Ordering::Relaxed);
            if before.saturating_add(more) > self.share.most_bytes {
                all.fetch_sub(more, Ordering::Relaxed);
                return false;
            }
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.share.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.share.pipes.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_part_gives_back_another_one_may_have() {
        let share = Arc::new(Share::new(2, 100));
        let mut one = share.pipe().expect("the first");
        let mut two = share.pipe().expect("the second");
        assert!(share.pipe().is_none());
        assert!(one.set(60) && two.set(40));
        assert!(!two.set(41) && !one.set(61));
        assert!(one.set(10) && two.set(90));
        drop(two);
        assert!(one.set(100));
        let mut three = share.pipe().expect("there is a place again");
        assert!(!three.set(1) && three.set(0));
    }

    #[test]
    fn a_node_has_the_same_share_as_long_as_it_has_pipes() {
        let shares = Shares::default();
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let part = shares.of(&a).pipe().expect("a place");
        assert!(Arc::ptr_eq(&shares.of(&a), &part.share));
        assert!(!Arc::ptr_eq(&shares.of(&b), &part.share));
        drop(part);
        let _b = shares.of(&b);
        assert!(!lock(&shares.0).contains_key(&a));
    }
}
