//! All that is known of all nodes. Data in, data out: time is given, nothing is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use nyala_schema::cluster::{NodeId, NodeInfo, NodeState};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::pulse::Pulse;
use crate::record::{Record, Word};
use crate::settings::GossipSettings;

/// Intervals of gossip after which silence says nothing of what is usual.
const BREAK_INTERVALS: u32 = 10;

/// Rounds after which a node that had been forgotten is taken to be alive.
const ROUNDS_OF_LIFE: u64 = 100;
/// Nodes that are forgotten and known to be; older ones are not likely to be told of.
const FORGOTTEN_MAX: usize = 10_000;

/// What one node knows of another, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub id: u64,
    pub incarnation: u64,
    pub revision: u64,
    /// Counts the rounds of the node itself.
    pub heartbeat: u64,
}

pub struct Roster {
    local: NodeId,
    settings: GossipSettings,
    nodes: BTreeMap<NodeId, Sighting>,
    /// Taken out of the cluster: nothing is heard of them any more. With when, so that they need not be kept for ever.
    removed: BTreeMap<NodeId, Instant>,
    /// Down for so long that they are not shown any more; others may still tell of them.
    forgotten: BTreeMap<NodeId, Digest>,
}

struct Sighting {
    record: Record,
    heartbeat: u64,
    pulse: Pulse,
    /// Its connection broke and it refused another: given up until it is heard itself.
    is_refusing: bool,
    down_since: Option<Instant>,
    /// It has been heard since this node knows of it. Until then, what others tell may be of a node that is dead.
    is_confirmed: bool,
}

impl Roster {
    pub fn new(local: Record, settings: GossipSettings, now: Instant) -> Self {
        let id = local.node();
        let own = settings.sighting(local, now);
        let nodes = BTreeMap::from([(id, own)]);
        Self { local: id, settings, nodes, removed: BTreeMap::new(), forgotten: BTreeMap::new() }
    }

    pub fn local(&self) -> &Record {
        // Put in by `new`, and never taken out.
        &self.nodes[&self.local].record
    }

    /// Counts a round of this node.
    pub fn beat(&mut self) {
        if let Some(own) = self.nodes.get_mut(&self.local) {
            own.heartbeat += 1;
        }
    }

    /// Changes what this node says of itself.
    pub fn change_local(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(own) = self.nodes.get_mut(&self.local) {
            let before = own.record.clone();
            change(&mut own.record);
            if own.record != before {
                own.record.revision += 1;
            }
        }
    }

    pub fn digest(&self) -> Vec<Digest> {
        self.nodes.values().map(Sighting::digest).collect()
    }

    /// The records of which whoever has that digest has an older one or none.
    pub fn newer_than(&self, digest: &[Digest]) -> Vec<Record> {
        let known: BTreeMap<u64, (u64, u64)> =
            digest.iter().map(|entry| (entry.id, (entry.incarnation, entry.revision))).collect();
        let records = self.nodes.values().map(|sighting| &sighting.record);
        let is_newer = |record: &&Record| {
            known
                .get(&record.id)
                .is_none_or(|(incarnation, revision)| record.is_newer_than(*incarnation, *revision))
        };
        records.filter(is_newer).cloned().collect()
    }

    /// Takes a record in, unless a newer one is known; whether it was news.
    pub fn learn(&mut self, record: Record, now: Instant) -> bool {
        let id = record.node();
        let is_of_old = self.forgotten.get(&id).is_some_and(|old| record.incarnation <= old.incarnation);
        if self.removed.contains_key(&id) || is_of_old || id == self.local {
            return false;
        }
        self.forgotten.remove(&id);
        match self.nodes.get_mut(&id) {
            Some(known) if !record.is_newer_than(known.record.incarnation, known.record.revision) => false,
            Some(known) => {
                if record.incarnation > known.record.incarnation {
                    // Another run of the node: it begins anew.
                    *known = self.settings.sighting(record, now);
                } else {
                    known.record = record;
                }
                true
            }
            None => {
                self.nodes.insert(id, self.settings.sighting(record, now));
                true
            }
        }
    }

    /// Signs of life, as another node has seen them.
    pub fn hear(&mut self, digest: &[Digest], now: Instant) {
        for entry in digest {
            let id = NodeId(entry.id);
            // One that was away for long has gone round often; a few rounds are what others had heard before.
            if self.forgotten.get(&id).is_some_and(|old| entry.heartbeat > old.heartbeat + ROUNDS_OF_LIFE) {
                self.forgotten.remove(&id);
            }
            let Some(known) = self.nodes.get_mut(&id) else { continue };
            if entry.incarnation == known.record.incarnation && entry.heartbeat > known.heartbeat {
                // The first is what others know; it may have been so for long.
                known.is_confirmed |= known.heartbeat > 0;
                known.heartbeat = entry.heartbeat;
                known.pulse.beat(now);
            }
        }
    }

    /// A message of the node itself.
    pub fn hear_itself(&mut self, id: NodeId, incarnation: u64) {
        self.forgotten.remove(&id);
        if let Some(known) = self.nodes.get_mut(&id)
            && incarnation == known.record.incarnation
        {
            known.is_refusing = false;
            known.is_confirmed = true;
        }
    }

    /// Its connection broke, and it refuses another.
    pub fn refuse(&mut self, id: NodeId, incarnation: u64) {
        if let Some(known) = self.nodes.get_mut(&id)
            && known.record.incarnation == incarnation
        {
            known.is_refusing = true;
        }
    }

    /// The node is not in the cluster any more.
    pub fn remove(&mut self, id: NodeId, now: Instant) {
        if id != self.local {
            self.nodes.remove(&id);
            self.removed.insert(id, now);
        }
    }

    /// What is known: this node first, the others by id. Forgets what has been down for long.
    pub fn look(&mut self, now: Instant) -> Vec<NodeInfo> {
        let (local, settings) = (self.local, self.settings.clone());
        for (id, sighting) in &mut self.nodes {
            let is_down = *id != local && sighting.state(&settings, now) == NodeState::Down;
            match (is_down, sighting.down_since) {
                (true, None) => sighting.down_since = Some(now),
                (false, Some(_)) => sighting.down_since = None,
                _ => {}
            }
        }
        let is_old = |since: Instant| now.saturating_duration_since(since) >= settings.forget_after;
        let old: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, sighting)| sighting.down_since.is_some_and(is_old))
            .map(|(id, _)| *id)
            .collect();
        for id in old {
            self.forgotten.extend(self.nodes.remove(&id).map(|sighting| (id, sighting.digest())));
        }
        while self.forgotten.len() > FORGOTTEN_MAX {
            self.forgotten.pop_first();
        }
        self.removed.retain(|_, since| !is_old(*since));
        let state = |id: &NodeId, sighting: &Sighting| match *id == local {
            true => sighting.record.state.state(),
            false => sighting.state(&settings, now),
        };
        let mut nodes: Vec<NodeInfo> =
            self.nodes.iter().map(|(id, sighting)| sighting.record.info(state(id, sighting))).collect();
        nodes.sort_by_key(|node| (node.peer.id != local, node.peer.id));
        nodes
    }

    /// How long a node has been down, as of the last look.
    pub fn down_for(&self, id: NodeId, now: Instant) -> Option<Duration> {
        let since = self.nodes.get(&id)?.down_since?;
        Some(now.saturating_duration_since(since))
    }

    /// The node is in the cluster, whatever was heard before.
    pub fn welcome(&mut self, id: NodeId) {
        self.removed.remove(&id);
    }

    pub fn is_removed(&self, id: NodeId) -> bool {
        self.removed.contains_key(&id)
    }

    pub fn has_left(&self, id: NodeId) -> bool {
        self.nodes.get(&id).is_some_and(|sighting| sighting.record.state == Word::Left)
    }

    pub fn records(&self) -> Vec<Record> {
        self.nodes.values().map(|sighting| sighting.record.clone()).collect()
    }

    pub fn record(&self, id: NodeId) -> Option<&Record> {
        self.nodes.get(&id).map(|sighting| &sighting.record)
    }
}

impl GossipSettings {
    fn sighting(&self, record: Record, now: Instant) -> Sighting {
        let pulse = Pulse::new(now, self.interval, BREAK_INTERVALS * self.interval);
        Sighting { record, heartbeat: 0, pulse, is_refusing: false, down_since: None, is_confirmed: false }
    }
}

impl Sighting {
    fn digest(&self) -> Digest {
        Digest {
            id: self.record.id,
            incarnation: self.record.incarnation,
            revision: self.record.revision,
            heartbeat: self.heartbeat,
        }
    }

    fn state(&self, settings: &GossipSettings, now: Instant) -> NodeState {
        let (silence, phi) = (self.pulse.silence(now), self.pulse.phi(now));
        if self.is_refusing || silence >= settings.down_after {
            NodeState::Down
        } else if self.record.state.state() != NodeState::Down
            && silence >= settings.suspect_after
            && phi >= settings.phi_suspect
        {
            NodeState::Suspect
        } else if !self.is_confirmed && self.record.state == Word::Active {
            NodeState::Joining
        } else {
            self.record.state.state()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::role_names;
    use nyala_schema::cluster::Roles;

    fn record(id: u64, incarnation: u64) -> Record {
        Record {
            id,
            incarnation,
            revision: 0,
            address: format!("node-{id}:1"),
            name: format!("n{id}"),
            state: Word::Active,
            roles: role_names(Roles::default()),
            cores: 1,
            memory_bytes: 1,
            version: "0.1.0".into(),
            protocol_min: 1,
            protocol_max: 1,
            catalog_version: 0,
            http: None,
            machine: None,
        }
    }

    struct Watch {
        roster: Roster,
        start: Instant,
    }

    impl Watch {
        fn new() -> Self {
            let start = Instant::now();
            let mut roster = Roster::new(record(1, 1), GossipSettings::default(), start);
            roster.learn(record(2, 1), start);
            let mut watch = Self { roster, start };
            for beat in 1..=40 {
                watch.beat(1, beat, beat * 250);
            }
            watch
        }

        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn beat(&mut self, incarnation: u64, heartbeat: u64, millis: u64) {
            let now = self.at(millis);
            self.roster.hear(&[Digest { id: 2, incarnation, revision: 0, heartbeat }], now);
        }

        fn state(&mut self, millis: u64) -> Option<NodeState> {
            let now = self.at(millis);
            self.roster.look(now).iter().find(|node| node.peer.id == NodeId(2)).map(|node| node.state)
        }
    }

    #[test]
    fn silence_makes_suspect_then_down_then_forgotten() {
        let mut watch = Watch::new();
        assert_eq!(watch.state(12_900), Some(NodeState::Active), "a short break is none");
        assert_eq!(watch.state(13_500), Some(NodeState::Suspect));
        assert_eq!(watch.state(20_100), Some(NodeState::Down));
        watch.beat(1, 41, 21_000);
        assert_eq!(watch.state(21_000), Some(NodeState::Active), "it was away only");
        assert_eq!(watch.state(40_000), Some(NodeState::Down));
        assert_eq!(watch.state(400_000), None);
        assert!(!watch.roster.learn(record(2, 1), watch.at(400_000)), "others have not forgotten it yet");
        watch.beat(1, 50, 400_000);
        assert!(!watch.roster.learn(record(2, 1), watch.at(400_000)), "they had heard a little more of it");
        watch.beat(1, 500, 400_000);
        assert!(watch.roster.learn(record(2, 1), watch.at(400_000)), "it lives");
    }

    #[test]
    fn what_is_only_told_is_not_taken_to_be_alive() {
        let mut watch = Watch::new();
        watch.roster.learn(record(3, 1), watch.at(10_000));
        let mut third = |heartbeat: u64, millis: u64| {
            let now = watch.at(millis);
            watch.roster.hear(&[Digest { id: 3, incarnation: 1, revision: 0, heartbeat }], now);
            watch.roster.look(now).iter().find(|node| node.peer.id == NodeId(3)).map(|node| node.state)
        };
        assert_eq!(third(70, 10_100), Some(NodeState::Joining), "it may have died at its 70th round");
        assert_eq!(third(71, 10_600), Some(NodeState::Active));
    }

    #[test]
    fn one_that_refuses_is_down_until_it_speaks() {
        let mut watch = Watch::new();
        watch.roster.refuse(NodeId(2), 1);
        watch.beat(1, 41, 10_100);
        assert_eq!(watch.state(10_100), Some(NodeState::Down), "that is what others had heard before");
        watch.roster.hear_itself(NodeId(2), 1);
        assert_eq!(watch.state(10_200), Some(NodeState::Active));
        watch.roster.refuse(NodeId(2), 1);
        let now = watch.at(10_300);
        assert!(watch.roster.learn(record(2, 2), now));
        assert_eq!(watch.state(10_300), Some(NodeState::Joining), "another run of it, not heard yet");
        watch.roster.hear_itself(NodeId(2), 2);
        assert_eq!(watch.state(10_300), Some(NodeState::Active));
        assert!(!watch.roster.learn(record(2, 1), now), "the old run is gone");
        watch.roster.refuse(NodeId(2), 1);
        assert_eq!(watch.state(10_300), Some(NodeState::Active), "the old run refused");
    }

    #[test]
    fn removed_ones_are_not_heard_of_again() {
        let mut watch = Watch::new();
        watch.roster.remove(NodeId(2), watch.at(10_000));
        assert!(!watch.roster.learn(record(2, 3), watch.at(10_000)));
        assert_eq!(watch.state(10_000), None);
    }

    #[test]
    fn only_what_is_newer_is_sent() {
        let watch = Watch::new();
        let mut other = Roster::new(record(2, 2), GossipSettings::default(), watch.start);
        assert_eq!(watch.roster.newer_than(&other.digest()).iter().map(|r| r.id).collect::<Vec<_>>(), [1]);
        assert_eq!(other.newer_than(&watch.roster.digest()), [record(2, 2)]);
        other.change_local(|record| record.state = Word::Draining);
        assert_eq!(other.local().revision, 1);
        other.change_local(|record| record.state = Word::Draining);
        assert_eq!(other.local().revision, 1, "nothing new");
    }
}
