//! Which node reads which part of a table, the same in every query as long as the nodes are: columns cached there are found
//! again.

use nyala_schema::cluster::NodeId;
use nyala_schema::scan::{ScanSource, TableScan};
use nyala_storage::Morsel;

/// A node may have so many hundredths of an even share of the rows before others have to take over.
const SHARE_PERCENT_MAX: u128 = 115;

/// Stands for a table's data wherever and whenever it is asked.
pub(crate) fn table_key(scan: &TableScan) -> u64 {
    match &scan.source {
        ScanSource::Managed(managed) => mix(managed.table.0 as u64 ^ mix((managed.table.0 >> 64) as u64)),
        ScanSource::Files { files, .. } => files.first().map_or(0, |file| text_hash(&file.path)),
    }
}

/// The positions of morsels that each node reads first, in their order. Rendezvous hashing: a node that comes or goes moves
/// only its own share. Even by rows, but for one morsel.
pub(crate) fn assign(table: u64, morsels: &[Morsel], nodes: &[NodeId]) -> Vec<Vec<u32>> {
    let mut shares = vec![Vec::new(); nodes.len()];
    let mut room = vec![share_max(morsels, nodes.len()); nodes.len()];
    for (position, morsel) in (0..).zip(morsels) {
        let score = |node: usize| mix(mix(table ^ mix(morsel.index as u64)) ^ nodes[node].0);
        let with_room = (0..nodes.len()).filter(|&node| room[node] > 0).max_by_key(|&node| score(node));
        let Some(node) = with_room.or_else(|| (0..nodes.len()).max_by_key(|&node| score(node))) else {
            break;
        };
        room[node] -= i128::from(morsel.rows.max(1));
        shares[node].push(position);
    }
    shares
}

fn share_max(morsels: &[Morsel], nodes: usize) -> i128 {
    let total: u128 = morsels.iter().map(|morsel| u128::from(morsel.rows.max(1))).sum();
    (total * SHARE_PERCENT_MAX / 100 / nodes.max(1) as u128) as i128 + 1
}

/// The finalizer of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// FNV-1a.
fn text_hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().map(|id| NodeId(mix(*id))).collect()
    }

    fn morsels(count: usize) -> Vec<Morsel> {
        (0..count).map(|index| Morsel { index, rows: 1000 }).collect()
    }

    #[test]
    fn every_morsel_has_one_node_and_shares_are_even() {
        for count in [0, 1, 2, 3, 7, 100, 1000] {
            let shares = assign(7, &morsels(count), &nodes(&[1, 2, 3]));
            let mut all: Vec<u32> = shares.concat();
            all.sort_unstable();
            assert_eq!(all, (0..count as u32).collect::<Vec<_>>());
            let most = shares.iter().map(Vec::len).max().unwrap();
            assert!(most <= count.div_ceil(3) * 115 / 100 + 1, "{most} of {count}");
        }
    }

    #[test]
    fn a_node_that_leaves_moves_little() {
        let rows = morsels(1000);
        let before = assign(7, &rows, &nodes(&[1, 2, 3, 4]));
        let after = assign(7, &rows, &nodes(&[1, 2, 3]));
        let stayed = (0..3).map(|n| before[n].iter().filter(|m| after[n].contains(m)).count()).sum::<usize>();
        assert!(stayed > 650, "only {stayed} of about 750 stayed");
    }

    #[test]
    fn tables_begin_on_different_nodes() {
        let first: std::collections::HashSet<usize> = (0..50)
            .map(|table| {
                assign(mix(table), &morsels(1), &nodes(&[1, 2, 3]))
                    .iter()
                    .position(|s| !s.is_empty())
                    .unwrap()
            })
            .collect();
        assert_eq!(first.len(), 3);
    }
}
