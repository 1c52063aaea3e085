//! Where executors are, and which nodes are there.

use std::collections::HashMap;
use std::time::Instant;

use lockgate_relay::registry::EnvironmentId;

use super::NodeId;
use super::bucket::Connected;
use crate::limits;

/// What the other nodes have said.
#[derive(Debug)]
pub(super) struct Table {
    environments: HashMap<EnvironmentId, (Connected, u64)>,
    /// When each node was last heard.
    nodes: HashMap<NodeId, Instant>,
    /// When this began to listen: who was not heard since may not have spoken yet.
    began: Instant,
    /// What is written comes here.
    pub(super) follows: bool,
    /// Something that was written makes no sense here.
    pub(super) is_torn: bool,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            environments: HashMap::new(),
            nodes: HashMap::new(),
            began: Instant::now(),
            follows: true,
            is_torn: false,
        }
    }
}

impl Table {
    /// A node said that it is there.
    pub(super) fn heard(&mut self, node: &str, now: Instant) {
        match self.nodes.get_mut(node) {
            Some(last) => *last = now,
            None => drop(self.nodes.insert(node.to_owned(), now)),
        }
    }

    /// Whether everything that others say is heard here: at least what this node says itself.
    pub(super) fn is_current(&self, own: &str, now: Instant) -> bool {
        let last = self.nodes.get(own).copied().unwrap_or(self.began);
        self.follows && !self.is_torn && now < last + limits::DEAD
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

    /// Takes what is said to be at a node and is not.
    pub(super) fn take_at(
        &mut self,
        node: &str,
        is_not: impl Fn(&EnvironmentId) -> bool,
    ) -> Vec<(EnvironmentId, u64)> {
        let taken = self
            .environments
            .extract_if(|id, (connected, _)| connected.node == node && is_not(id));
        taken.map(|(id, (_, revision))| (id, revision)).collect()
    }

    /// What nodes have left that are long gone, and the nodes are forgotten.
    pub(super) fn left_behind(&mut self, now: Instant) -> Vec<(EnvironmentId, u64)> {
        let is_long_gone = |node: &NodeId| {
            let last = self.nodes.get(node).copied().unwrap_or(self.began);
            now >= last + limits::LEFT_BEHIND
        };
        let left: Vec<_> = self
            .environments
            .iter()
            .filter(|(_, (connected, _))| is_long_gone(&connected.node))
            .map(|(id, (_, revision))| (id.clone(), *revision))
            .collect();
        for (id, _) in &left {
            self.environments.remove(id);
        }
        let used: std::collections::HashSet<NodeId> = self
            .environments
            .values()
            .map(|(connected, _)| connected.node.clone())
            .collect();
        self.nodes
            .retain(|node, last| now < *last + limits::LEFT_BEHIND || used.contains(node));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(node: &str) -> Connected {
        Connected {
            node: node.to_owned(),
            since: 0,
            registration: None,
        }
    }

    #[test]
    fn an_executor_is_where_it_was_last_said_to_be_as_long_as_that_node_is_heard() {
        let mut table = Table::default();
        let now = table.began;
        let id: EnvironmentId = "box".parse().expect("a name");
        table.connected(id.clone(), at("one"), 5);
        table.connected(id.clone(), at("two"), 4);
        table.left(&id, 3);
        let node = |table: &Table, now| table.find(&id, now).map(|found| found.node.clone());
        assert_eq!(node(&table, now).as_deref(), Some("one"));
        // It was never heard, and should have been.
        assert_eq!(node(&table, now + limits::DEAD), None);
        table.heard("one", now + limits::DEAD);
        assert_eq!(node(&table, now + limits::DEAD).as_deref(), Some("one"));
        assert_eq!(table.dead("self", now + 2 * limits::DEAD), ["one"]);
        assert!(table.left_behind(now + limits::LEFT_BEHIND).is_empty());
        let later = now + limits::DEAD + limits::LEFT_BEHIND;
        assert_eq!(table.left_behind(later), [(id.clone(), 5)]);
        assert_eq!(node(&table, now), None);
    }

    #[test]
    fn who_does_not_hear_itself_hears_nobody() {
        let mut table = Table::default();
        let now = table.began;
        assert!(table.is_current("self", now));
        table.heard("self", now);
        table.heard("one", now + limits::ALIVE);
        assert!(table.dead("self", now + limits::ALIVE).is_empty());
        assert!(!table.is_current("self", now + limits::DEAD));
        assert_eq!(table.dead("self", now + limits::DEAD), ["one"]);
        table.heard("self", now + limits::DEAD);
        table.is_torn = true;
        assert!(!table.is_current("self", now + limits::DEAD));
    }
}
