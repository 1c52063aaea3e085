//! Where executors are, and which nodes are there.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use lockgate_relay::registry::EnvironmentId;

use super::NodeId;
use super::entry::Connected;
use crate::limits;

/// What the other nodes have said.
#[derive(Debug)]
pub(super) struct Table {
    environments: HashMap<EnvironmentId, (Connected, u64)>,
    /// When each node was last heard.
    nodes: HashMap<NodeId, Instant>,
    /// When this began to listen: who was not heard since may not have spoken yet.
    began: Instant,
    /// When the pulses were begun that did not come back yet.
    pulses: VecDeque<(u64, Instant)>,
    /// Everything that was written before then is known.
    current: Option<Instant>,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            environments: HashMap::new(),
            nodes: HashMap::new(),
            began: Instant::now(),
            pulses: VecDeque::new(),
            current: None,
        }
    }
}

impl Table {
    /// A node said that it is there.
    pub(super) fn heard(&mut self, own: &str, node: &str, now: Instant) {
        // Who did not even hear itself has missed what others said: they begin anew.
        if node == own && now >= self.nodes.get(own).copied().unwrap_or(self.began) + limits::DEAD {
            self.began = now;
            self.nodes.clear();
        }
        match self.nodes.get_mut(node) {
            Some(last) => *last = now,
            None if node == own => drop(self.nodes.insert(node.to_owned(), now)),
            None => self.remember(node, now),
        }
    }

    /// A node has written that it is there: some time ago, maybe.
    pub(super) fn is_known(&mut self, node: &str) {
        if !self.nodes.contains_key(node) {
            self.remember(node, self.began);
        }
    }

    fn remember(&mut self, node: &str, at: Instant) {
        if self.nodes.len() < limits::NODES {
            self.nodes.insert(node.to_owned(), at);
        }
    }

    /// Whether a node of that name was heard of.
    pub(super) fn is_node(&self, node: &str) -> bool {
        self.nodes.contains_key(node)
    }

    /// A node has said good-bye.
    pub(super) fn ended(&mut self, node: &str, now: Instant) {
        if let Some(last) = self.nodes.get_mut(node) {
            *last = now.checked_sub(limits::DEAD).unwrap_or(self.began);
        }
    }

    /// This node writes its pulse.
    pub(super) fn pulses(&mut self, number: u64, now: Instant) {
        self.pulses.push_back((number, now));
        // Of those that were never written, the oldest are forgotten.
        while self.pulses.len() > 16 {
            self.pulses.pop_front();
        }
    }

    /// One of its pulses has come back.
    pub(super) fn came_back(&mut self, number: u64) {
        while let Some((first, begun)) = self.pulses.front().copied() {
            if first > number {
                return;
            }
            self.pulses.pop_front();
            if first == number {
                self.current = Some(begun);
            }
        }
    }

    /// It does not follow what is written any more.
    pub(super) fn is_lost(&mut self) {
        self.current = None;
        self.pulses.clear();
    }

    /// Whether everything that was written until a moment ago is known here.
    pub(super) fn is_current(&self, now: Instant) -> bool {
        self.current.is_some_and(|at| now < at + limits::CURRENT)
    }

    /// Whether everything that was written before this moment is known here.
    pub(super) fn knows_until(&self, moment: Instant) -> bool {
        self.current.is_some_and(|at| at >= moment)
    }

    /// What is written anew, from the beginning.
    pub(super) fn replace(&mut self, environments: HashMap<EnvironmentId, (Connected, u64)>) {
        self.environments = environments;
    }

    pub(super) fn connected(&mut self, id: EnvironmentId, connected: Connected, revision: u64) {
        if self
            .environments
            .get(&id)
            .is_none_or(|known| known.1 < revision)
        {
            self.environments.insert(id, (connected, revision));
        }
    }

    pub(super) fn left(&mut self, id: &EnvironmentId, revision: u64) {
        if self
            .environments
            .get(id)
            .is_some_and(|known| known.1 < revision)
        {
            self.environments.remove(id);
        }
    }

    /// Whether another node said after this revision that the executor is there.
    pub(super) fn is_elsewhere_since(&self, id: &EnvironmentId, own: &str, revision: u64) -> bool {
        let known = self.environments.get(id);
        known.is_some_and(|(connected, said)| connected.node != own && *said > revision)
    }

    /// Where its executor is, if that node is there.
    pub(super) fn find(&self, id: &EnvironmentId, now: Instant) -> Option<&Connected> {
        let (connected, _) = self.environments.get(id)?;
        let last = self
            .nodes
            .get(&connected.node)
            .copied()
            .unwrap_or(self.began);
        (now < last + limits::DEAD).then_some(connected)
    }

    /// Nodes that were heard before and are not any more; all others, if this one does not even hear itself.
    pub(super) fn dead(&self, own: &str, now: Instant) -> Vec<NodeId> {
        let is_alone = self
            .nodes
            .get(own)
            .is_some_and(|last| now >= *last + limits::DEAD);
        let silent = |last: &Instant| is_alone || now >= *last + limits::DEAD;
        let silent = self
            .nodes
            .iter()
            .filter(|(node, last)| *node != own && silent(last));
        silent.map(|(node, _)| node.clone()).collect()
    }

    /// What is said to be at a node and is not: at this one, or at others that are long gone. Only who hears all can know that.
    pub(super) fn left_behind(
        &mut self,
        own: &str,
        is_here: impl Fn(&EnvironmentId) -> bool,
        now: Instant,
    ) -> (Vec<(EnvironmentId, u64)>, Vec<NodeId>) {
        if !self.is_current(now) {
            return (Vec::new(), Vec::new());
        }
        let is_wrong = |id: &EnvironmentId, node: &NodeId| {
            let last = self.nodes.get(node).copied().unwrap_or(self.began);
            match node == own {
                true => !is_here(id),
                false => now >= last + limits::LEFT_BEHIND,
            }
        };
        let left = self
            .environments
            .iter()
            .filter(|(id, (connected, _))| is_wrong(id, &connected.node))
            .map(|(id, (_, revision))| (id.clone(), *revision))
            .collect();
        let used: HashSet<&NodeId> = self
            .environments
            .values()
            .map(|(connected, _)| &connected.node)
            .collect();
        let forgotten: Vec<NodeId> = self
            .nodes
            .extract_if(|node, last| now >= *last + limits::LEFT_BEHIND && !used.contains(node))
            .map(|(node, _)| node)
            .collect();
        (left, forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_33_names_that_nobody_has_are_not_remembered_without_end() {
        let mut table = Table::default();
        let now = Instant::now();
        for number in 0..2 * limits::NODES {
            table.heard("own", &format!("n{number}"), now);
            table.is_known(&format!("m{number}"));
        }
        assert_eq!(table.nodes.len(), limits::NODES);
        table.heard("own", "own", now);
        assert!(table.is_node("own") && !table.is_node("another"));
    }

    fn at(node: &str) -> Connected {
        Connected {
            node: node.to_owned(),
            since: 0,
            registration: None,
        }
    }

    fn id() -> EnvironmentId {
        "box".parse().expect("a name")
    }

    #[test]
    fn an_executor_is_where_it_was_last_said_to_be_as_long_as_that_node_is_heard() {
        let mut table = Table::default();
        let now = table.began;
        table.connected(id(), at("one"), 5);
        table.connected(id(), at("two"), 4);
        table.left(&id(), 3);
        let node = |table: &Table, now| table.find(&id(), now).map(|found| found.node.clone());
        assert_eq!(node(&table, now).as_deref(), Some("one"));
        // It was never heard, and should have been.
        assert_eq!(node(&table, now + limits::DEAD), None);
        table.heard("self", "one", now + limits::DEAD);
        assert_eq!(node(&table, now + limits::DEAD).as_deref(), Some("one"));
        assert_eq!(table.dead("self", now + 2 * limits::DEAD), ["one"]);
    }

    #[test]
    fn only_who_hears_all_takes_others_for_gone() {
        let mut table = Table::default();
        let now = table.began;
        let here = |_: &EnvironmentId| true;
        table.connected(id(), at("one"), 5);
        table.heard("self", "one", now);
        let later = now + limits::LEFT_BEHIND;
        assert!(table.left_behind("self", here, later).0.is_empty());
        // It was away, and hears itself again before the others.
        table.heard("self", "self", later);
        table.pulses(1, later);
        table.came_back(1);
        assert!(table.left_behind("self", here, later).0.is_empty());
        let again = later + limits::LEFT_BEHIND;
        table.pulses(2, again);
        table.came_back(2);
        assert_eq!(table.left_behind("self", here, again).0, [(id(), 5)]);
        assert!(table.find(&id(), later).is_some());
    }

    #[test]
    fn what_is_not_here_and_said_to_be_is_taken_back() {
        let mut table = Table::default();
        let now = table.began;
        table.connected(id(), at("self"), 5);
        table.pulses(1, now);
        table.came_back(1);
        assert!(table.left_behind("self", |_| true, now).0.is_empty());
        assert_eq!(table.left_behind("self", |_| false, now).0, [(id(), 5)]);
    }

    #[test]
    fn who_does_not_see_its_own_words_is_not_current() {
        let mut table = Table::default();
        let now = table.began;
        assert!(!table.is_current(now));
        table.pulses(1, now);
        table.pulses(2, now + limits::PULSE);
        table.came_back(1);
        assert!(table.is_current(now) && !table.is_current(now + limits::CURRENT));
        assert!(table.knows_until(now) && !table.knows_until(now + limits::PULSE));
        table.came_back(2);
        assert!(table.is_current(now + limits::CURRENT));
        table.is_lost();
        assert!(!table.is_current(now));
        // One from before does not count.
        table.came_back(2);
        assert!(!table.is_current(now));
    }

    #[test]
    fn who_does_not_hear_itself_hears_nobody() {
        let mut table = Table::default();
        let now = table.began;
        table.heard("self", "self", now);
        table.heard("self", "one", now + limits::ALIVE);
        assert!(table.dead("self", now + limits::ALIVE).is_empty());
        assert_eq!(table.dead("self", now + limits::DEAD), ["one"]);
    }
}
