//! Warm instances: given back by one request, taken by the next one of the same scope, and of no other.
//!
//! One store for all scopes, so that the instance that was used longest ago can make room whoever's it is.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::limits;

/// A scope's number; never used twice.
pub(crate) type ScopeId = u64;

/// Idle instances, by scope and by age.
pub(crate) struct Warm<T> {
    /// By when they were given back.
    by_age: BTreeMap<u64, Idle<T>>,
    /// The keys in `by_age`, oldest first.
    by_scope: HashMap<ScopeId, Vec<u64>>,
    next: u64,
}

struct Idle<T> {
    scope: ScopeId,
    since: Instant,
    instance: T,
}

impl<T> Default for Warm<T> {
    fn default() -> Self {
        Warm {
            by_age: BTreeMap::new(),
            by_scope: HashMap::new(),
            next: 0,
        }
    }
}

impl<T> Warm<T> {
    /// The scope's instance that was used last.
    pub(crate) fn take(&mut self, scope: ScopeId) -> Option<T> {
        let key = self.by_scope.get_mut(&scope)?.pop()?;
        self.by_age.remove(&key).map(|idle| idle.instance)
    }

    /// Keeps an instance. What has no room any more comes back, for the caller to drop where no lock is held.
    #[must_use]
    pub(crate) fn give(&mut self, scope: ScopeId, instance: T) -> Option<T> {
        if self
            .by_scope
            .get(&scope)
            .is_some_and(|keys| keys.len() >= limits::WARM_PER_SCOPE)
        {
            return Some(instance);
        }
        let evicted = if self.by_age.len() >= limits::WARM_INSTANCES {
            self.evict()
        } else {
            None
        };
        self.by_scope.entry(scope).or_default().push(self.next);
        self.by_age.insert(
            self.next,
            Idle {
                scope,
                since: Instant::now(),
                instance,
            },
        );
        self.next += 1;
        evicted
    }

    /// The instance that was used longest ago, whoever's it is.
    #[must_use]
    pub(crate) fn evict(&mut self) -> Option<T> {
        let (key, idle) = self.by_age.pop_first()?;
        if let Some(keys) = self.by_scope.get_mut(&idle.scope) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_scope.remove(&idle.scope);
            }
        }
        Some(idle.instance)
    }

    /// All of a scope that is no more.
    #[must_use]
    pub(crate) fn forget(&mut self, scope: ScopeId) -> Vec<T> {
        let keys = self.by_scope.remove(&scope).unwrap_or_default();
        keys.iter()
            .filter_map(|key| self.by_age.remove(key))
            .map(|idle| idle.instance)
            .collect()
    }

    /// All that nobody used for this long.
    #[must_use]
    pub(crate) fn unused_for(&mut self, time: Duration) -> Vec<T> {
        let mut unused = Vec::new();
        while self
            .by_age
            .first_key_value()
            .is_some_and(|(_, idle)| idle.since.elapsed() >= time)
        {
            unused.extend(self.evict());
        }
        unused
    }

    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_26_an_instance_goes_back_to_its_own_scope_only() {
        let mut warm = Warm::default();
        assert!(warm.give(1, "of 1").is_none());
        assert_eq!(warm.take(2), None);
        assert_eq!(warm.take(1), Some("of 1"));
        assert_eq!(warm.take(1), None);
    }

    #[test]
    fn the_one_used_longest_ago_makes_room() {
        let mut warm = Warm::default();
        for scope in 0..limits::WARM_INSTANCES as u64 {
            assert!(warm.give(scope, scope).is_none());
        }
        let first = warm.take(0).expect("kept");
        assert!(warm.give(0, first).is_none(), "used a moment ago");
        assert_eq!(warm.give(9_999, 9_999), Some(1));
        assert_eq!(warm.len(), limits::WARM_INSTANCES);
        assert_eq!(warm.take(1), None);
        assert_eq!(warm.evict(), Some(2));
    }

    #[test]
    fn a_scope_keeps_a_few_and_is_forgotten_whole() {
        let mut warm = Warm::default();
        for number in 0..limits::WARM_PER_SCOPE {
            assert!(warm.give(7, number).is_none());
        }
        assert_eq!(warm.give(7, 99), Some(99));
        assert_eq!(warm.forget(7).len(), limits::WARM_PER_SCOPE);
        assert_eq!((warm.len(), warm.evict()), (0, None));
    }

    #[test]
    fn what_nobody_uses_is_given_back() {
        let mut warm = Warm::default();
        assert!(warm.give(1, ()).is_none());
        assert!(warm.unused_for(Duration::from_secs(3600)).is_empty());
        assert_eq!(warm.unused_for(Duration::ZERO).len(), 1);
        assert_eq!(warm.len(), 0);
    }
}
