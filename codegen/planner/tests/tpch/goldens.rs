//! The whole plans of the 22 queries, and of some for three nodes. `UPDATE_EXPECT=1 cargo test` writes them anew.

use expect_test::expect_file;
use nyala_schema::Fragment;

use crate::{cluster, folder, plan, query};

/// A partial aggregation; a broadcast; partitioned joins; groups where a join has them; groups of what is grouped;
/// an aggregate for all nodes.
const CUT: [usize; 6] = [1, 3, 9, 13, 18, 22];

fn text(fragments: &[Fragment]) -> String {
    fragments.iter().map(ToString::to_string).collect()
}

#[test]
fn plans_are_as_expected() {
    for number in 1..=22 {
        let fragments = plan(&query(number)).expect("a plan");
        let path = folder().join(format!("tests/tpch/plans/q{number:02}.txt"));
        expect_file![path].assert_eq(&text(&fragments));
    }
}

#[test]
fn plans_for_three_nodes_are_as_expected() {
    for number in CUT {
        let fragments = cluster::auto(&query(number));
        let path = folder().join(format!("tests/tpch/plans/q{number:02}_nodes.txt"));
        expect_file![path].assert_eq(&text(&fragments));
    }
}
