//! Ways of running operators with several inputs.

use nyala_schema::operator::{GuestCall, HashJoin};

use super::choice::{Input, Proposal, columns_of};
use super::cost::Move;
use super::location::{Location, Partitioning, column_of};

impl Proposal<'_> {
    pub(super) fn hash_join(&mut self, join: &HashJoin) {
        self.broadcasts();
        let probe: Option<Vec<usize>> = join.keys.iter().map(|(probe, _)| column_of(probe)).collect();
        let build: Option<Vec<usize>> = join.keys.iter().map(|(_, build)| column_of(build)).collect();
        let (Some(probe), Some(build), [probes, builds]) = (probe, build, self.inputs) else { return };
        for (left, probe_way) in probes.ways.iter().enumerate() {
            for (right, build_way) in builds.ways.iter().enumerate() {
                let stay = |way| Input { way, moved: Move::Stay };
                let hash = |way, columns: Vec<usize>| Input { way, moved: Move::Hash(columns) };
                let (from, to) = (&probe_way.location, &build_way.location);
                if *from == Location::Everywhere || *to == Location::Everywhere {
                    continue;
                }
                self.add(vec![hash(left, probe.clone()), hash(right, build.clone())]);
                if let (Location::Nodes(_), Location::Nodes(_)) = (from, to) {
                    self.add(vec![stay(left), stay(right)]);
                }
                // One side stays as it is partitioned, and the other comes to it.
                if let Some(keys) = partitioned(from, join.keys.iter().map(|(probe, _)| probe)) {
                    let columns = keys.iter().map(|&key| build[key]).collect();
                    self.add(vec![stay(left), hash(right, columns)]);
                }
                if let Some(keys) = partitioned(to, join.keys.iter().map(|(_, build)| build)) {
                    let columns = keys.iter().map(|&key| probe[key]).collect();
                    self.add(vec![hash(left, columns), stay(right)]);
                }
            }
        }
    }

    /// The probe side where it is, with the build side sent to each node; and all on the coordinator.
    pub(super) fn broadcasts(&mut self) {
        self.everything_at_coordinator();
        let [probes, builds] = self.inputs else { return };
        let to_all = builds.cheapest_to(self.prices, |location| match location {
            Location::Everywhere => Some(Move::Stay),
            Location::Coordinator | Location::Nodes(_) => Some(Move::Broadcast),
        });
        let Some(build) = to_all else { return };
        for (way, probe) in probes.ways.iter().enumerate() {
            let moved = match probe.location {
                Location::Nodes(_) => Move::Stay,
                Location::Coordinator => Move::Deal,
                Location::Everywhere => continue,
            };
            self.add(vec![Input { way, moved }, build.clone()]);
        }
    }

    /// All on the coordinator, or each on the nodes; and by their common partitioning where all have the same.
    pub(super) fn union(&mut self) {
        if self.inputs.is_empty() {
            return self.add(vec![]);
        }
        self.everything_at_coordinator();
        let on_nodes = |location: &Location| match location {
            Location::Nodes(_) => Some(Move::Stay),
            Location::Coordinator => Some(Move::Deal),
            Location::Everywhere => None,
        };
        let spread = self.inputs.iter().map(|input| input.cheapest_to(self.prices, on_nodes));
        if let Some(inputs) = spread.collect() {
            self.add(inputs);
        }
        let known: Vec<Partitioning> = self.inputs[0]
            .ways
            .iter()
            .filter_map(|way| match &way.location {
                Location::Nodes(known) if known.is_known() => Some(known.clone()),
                Location::Coordinator | Location::Everywhere | Location::Nodes(_) => None,
            })
            .collect();
        for wanted in known {
            let alike = |location: &Location| match location {
                Location::Nodes(known) if known.common(&wanted).is_known() => Some(Move::Stay),
                Location::Coordinator | Location::Everywhere | Location::Nodes(_) => None,
            };
            let inputs = self.inputs.iter().map(|input| input.cheapest_to(self.prices, alike));
            if let Some(inputs) = inputs.collect() {
                self.add(inputs);
            }
        }
    }

    /// All on the coordinator, or each by the hash of its partitions' keys.
    pub(super) fn guest(&mut self, call: &GuestCall) {
        self.everything_at_coordinator();
        let mut inputs = vec![];
        for (wanted, input) in call.inputs.iter().zip(self.inputs) {
            let Some(columns) = columns_of(&wanted.partition_by).filter(|columns| !columns.is_empty()) else {
                return;
            };
            let hashed = |location: &Location| match location {
                Location::Everywhere => None,
                Location::Coordinator | Location::Nodes(_) => Some(Move::Hash(columns.clone())),
            };
            let Some(input) = input.cheapest_to(self.prices, hashed) else { return };
            inputs.push(input);
        }
        if !inputs.is_empty() {
            self.add(inputs);
        }
    }
}

/// The keys by which rows are partitioned, for each set of columns one.
fn partitioned<'a>(
    location: &Location,
    keys: impl Iterator<Item = &'a nyala_schema::Expr> + Clone,
) -> Option<Vec<usize>> {
    match location {
        Location::Nodes(known) if known.is_known() => known.keys_of(keys),
        Location::Coordinator | Location::Everywhere | Location::Nodes(_) => None,
    }
}
