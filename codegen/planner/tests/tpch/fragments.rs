//! Plans cut for several nodes.

use nyala_planner::cut::{Distribution, cut};
use nyala_schema::Fragment;
use nyala_schema::fragment::FragmentOutput;
use nyala_schema::operator::{AggregateMode, OperatorKind};

use crate::{operators, query};

fn on_three_nodes(sql: &str) -> Vec<Fragment> {
    cut(operators(sql), 7, Distribution { nodes: 3 })
}

fn mode(fragment: &Fragment) -> Option<AggregateMode> {
    let mut found = None;
    fragment.root.for_each(&mut |operator| {
        if let OperatorKind::Aggregate { mode, .. } = &operator.kind {
            found = Some(*mode);
        }
    });
    found
}

#[test]
fn aggregates_are_split() {
    let fragments = on_three_nodes(&query(1));
    assert_eq!(fragments.len(), 2);
    assert_eq!(mode(&fragments[0]), Some(AggregateMode::Final));
    assert_eq!(mode(&fragments[1]), Some(AggregateMode::Partial));
    assert_eq!(fragments[1].output, FragmentOutput::Gather { to: fragments[0].id });
    // Two keys; four sums; three averages of two states; a count.
    assert_eq!(fragments[1].root.schema.fields().len(), 2 + 4 + 3 * 2 + 1);
}

#[test]
fn rows_are_gathered_below_what_cannot_be_split() {
    let distinct = on_three_nodes("select count(distinct l_suppkey), sum(distinct l_tax) from lineitem");
    assert_eq!(distinct.len(), 2);
    assert_eq!(mode(&distinct[1]), None);
    let sorted = on_three_nodes("select n_name from nation order by n_name");
    assert!(matches!(sorted[0].root.kind, OperatorKind::Sort { .. }));
    assert!(matches!(sorted[1].root.kind, OperatorKind::Scan(_)));
}

#[test]
fn one_node_has_one_fragment() {
    let fragments = cut(operators(&query(1)), 7, Distribution::default());
    assert_eq!(fragments.len(), 1);
    assert_eq!(fragments[0].output, FragmentOutput::Client);
}

#[test]
fn identifiers_stay_unique() {
    let fragments = on_three_nodes(&query(6));
    let mut ids = vec![];
    fragments.iter().for_each(|fragment| fragment.root.for_each(&mut |operator| ids.push(operator.id)));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
