//! Who should vote over the catalog. Data in, data out.

use std::collections::BTreeSet;

use nyala_schema::cluster::NodeId;

/// What is known of those who vote and those who could.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    pub voters: BTreeSet<NodeId>,
    /// Members that are up, have the catalog, and may vote; voters among them or not.
    pub able: BTreeSet<NodeId>,
    /// Have been down for so long that somebody else should vote, or have the role no more.
    pub dead: BTreeSet<NodeId>,
    /// Must not vote any more.
    pub leaving: BTreeSet<NodeId>,
    pub leader: Option<NodeId>,
    /// How many should vote when there are enough.
    pub wanted: usize,
}

/// The voters that there should be: always an odd number, since an even one needs more votes and bears no more losses. A voter
/// that is dead keeps its vote as long as nobody can take it. `None` when nobody is left.
pub fn plan(situation: &Situation) -> Option<BTreeSet<NodeId>> {
    let Situation { voters, able, dead, leaving, leader, wanted } = situation;
    let stays = |id: &&NodeId| !leaving.contains(id);
    let (lost, well): (Vec<NodeId>, Vec<NodeId>) =
        voters.iter().filter(stays).partition(|id| dead.contains(id));
    let spare = able.iter().filter(stays).filter(|id| !voters.contains(id)).copied();
    let mut ranked: Vec<NodeId> = well.into_iter().chain(spare).chain(lost).collect();
    ranked.sort_by_key(|id| Some(*id) != *leader);
    let count = ranked.len().min((*wanted).max(1));
    let odd = if count.is_multiple_of(2) { count.checked_sub(1)? } else { count };
    ranked.truncate(odd);
    Some(ranked.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn planned(voters: &[u64], able: &[u64], dead: &[u64], leaving: &[u64], wanted: usize) -> Vec<u64> {
        let situation = Situation {
            voters: set(voters),
            able: set(able),
            dead: set(dead),
            leaving: set(leaving),
            leader: Some(NodeId(2)),
            wanted,
        };
        plan(&situation).into_iter().flatten().map(|id| id.0).collect()
    }

    #[test]
    fn grows_by_two() {
        assert_eq!(planned(&[2], &[2], &[], &[], 3), [2]);
        assert_eq!(planned(&[2], &[1, 2], &[], &[], 3), [2], "two voters bear no loss");
        assert_eq!(planned(&[2], &[1, 2, 3], &[], &[], 3), [1, 2, 3]);
        assert_eq!(planned(&[1, 2, 3], &[1, 2, 3, 4], &[], &[], 5), [1, 2, 3]);
        assert_eq!(planned(&[1, 2, 3], &[1, 2, 3, 4, 5], &[], &[], 5), [1, 2, 3, 4, 5]);
        assert_eq!(planned(&[1, 2, 3], &[1, 2, 3, 4, 5], &[], &[], 3), [1, 2, 3], "votes do not wander");
    }

    #[test]
    fn replaces_the_dead_when_it_can() {
        assert_eq!(planned(&[1, 2, 3], &[1, 2], &[3], &[], 3), [1, 2, 3]);
        assert_eq!(planned(&[1, 2, 3], &[1, 2, 4], &[3], &[], 3), [1, 2, 4]);
        assert_eq!(planned(&[1, 2, 3, 4, 5], &[1, 2, 3, 6], &[4, 5], &[], 5), [1, 2, 3, 4, 6]);
    }

    #[test]
    fn those_who_leave_do_not_vote() {
        assert_eq!(planned(&[1, 2, 3], &[1, 2, 3], &[], &[3], 3), [2], "the leader stays");
        assert_eq!(planned(&[1, 2, 3], &[1, 2, 3, 4], &[], &[2], 3), [1, 3, 4]);
        assert_eq!(planned(&[2], &[2], &[], &[2], 3), [0u64; 0], "nobody is left");
        assert_eq!(planned(&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5], &[], &[], 3), [1, 2, 3]);
    }
}
