//! Nodes that failed lately are left out, for a time that grows with how often.

use std::collections::HashMap;
use std::time::Duration;

use nyala_schema::cluster::NodeId;
use tokio::time::Instant;

/// For a node that was lost.
pub(crate) const PENALTY_LOST: f64 = 1.0;
/// For a node that says that it could not reach another, when both answer here: without either the query may go well.
pub(crate) const PENALTY_WITNESS: f64 = 0.6;
/// From this on a node is left out.
const PENALTY_LISTED: f64 = 0.5;
const PENALTY_MAX: f64 = 8.0;
/// Below this a node is forgotten.
const PENALTY_MIN: f64 = 0.01;

/// Penalties that halve with time.
#[derive(Debug)]
pub(crate) struct Blacklist {
    half_life: Duration,
    penalties: HashMap<NodeId, (f64, Instant)>,
}

impl Blacklist {
    pub(crate) fn new(half_life: Duration) -> Self {
        Self { half_life, penalties: HashMap::new() }
    }

    pub(crate) fn add(&mut self, node: NodeId, penalty: f64, now: Instant) {
        let penalty = (self.penalty(node, now) + penalty).min(PENALTY_MAX);
        self.penalties.insert(node, (penalty, now));
        let half_life = self.half_life;
        self.penalties.retain(|_, (penalty, since)| decayed(*penalty, *since, now, half_life) > PENALTY_MIN);
    }

    /// A node that has been started anew is a new node.
    pub(crate) fn forgive(&mut self, node: NodeId) {
        self.penalties.remove(&node);
    }

    pub(crate) fn is_listed(&self, node: NodeId, now: Instant) -> bool {
        self.penalty(node, now) >= PENALTY_LISTED
    }

    fn penalty(&self, node: NodeId, now: Instant) -> f64 {
        self.penalties
            .get(&node)
            .map_or(0.0, |(penalty, since)| decayed(*penalty, *since, now, self.half_life))
    }
}

fn decayed(penalty: f64, since: Instant, now: Instant, half_life: Duration) -> f64 {
    let passed =
        now.saturating_duration_since(since).as_secs_f64() / half_life.as_secs_f64().max(f64::EPSILON);
    penalty * 0.5_f64.powf(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Duration = Duration::from_secs(20);

    #[test]
    fn a_lost_node_is_left_out_for_a_half_life() {
        let (mut list, start) = (Blacklist::new(HALF), Instant::now());
        list.add(NodeId(1), PENALTY_LOST, start);
        assert!(list.is_listed(NodeId(1), start + HALF - Duration::from_secs(1)));
        assert!(!list.is_listed(NodeId(1), start + HALF + Duration::from_secs(1)));
        assert!(!list.is_listed(NodeId(2), start));
    }

    #[test]
    fn repeated_failures_last_longer_and_are_bounded() {
        let (mut list, start) = (Blacklist::new(HALF), Instant::now());
        (0..100).for_each(|_| list.add(NodeId(1), PENALTY_LOST, start));
        assert!(list.is_listed(NodeId(1), start + HALF * 3));
        assert!(!list.is_listed(NodeId(1), start + HALF * 5));
    }

    #[test]
    fn witnesses_are_listed_for_a_shorter_time() {
        let (mut list, start) = (Blacklist::new(HALF), Instant::now());
        list.add(NodeId(1), PENALTY_WITNESS, start);
        assert!(list.is_listed(NodeId(1), start + HALF / 5));
        assert!(!list.is_listed(NodeId(1), start + HALF / 3));
        list.add(NodeId(1), PENALTY_WITNESS, start);
        assert!(list.is_listed(NodeId(1), start + HALF));
        list.forgive(NodeId(1));
        assert!(!list.is_listed(NodeId(1), start));
    }

    #[test]
    fn what_has_decayed_is_forgotten() {
        let (mut list, start) = (Blacklist::new(HALF), Instant::now());
        list.add(NodeId(1), PENALTY_LOST, start);
        list.add(NodeId(2), PENALTY_LOST, start + HALF * 10);
        assert_eq!(list.penalties.len(), 1);
    }
}
