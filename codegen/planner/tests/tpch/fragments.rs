//! Plans cut for several nodes: what is moved where.

use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::operator::{AggregateMode, JoinKind, OperatorKind};
use nyala_schema::{Fragment, Operator};

use crate::cluster::{always, auto, holder, outputs, received};
use crate::query;

/// The operators of that kind, with the fragments that they are in.
fn find(fragments: &[Fragment], is_wanted: impl Fn(&OperatorKind) -> bool) -> Vec<(&Fragment, &Operator)> {
    let mut found = vec![];
    for fragment in fragments {
        fragment.root.for_each(&mut |operator| {
            if is_wanted(&operator.kind) {
                found.push((fragment, operator));
            }
        });
    }
    found
}

fn modes(fragments: &[Fragment]) -> Vec<(Placement, AggregateMode)> {
    let aggregates = find(fragments, |kind| matches!(kind, OperatorKind::Aggregate { .. }));
    let mode = |(fragment, operator): (&Fragment, &Operator)| match operator.kind {
        OperatorKind::Aggregate { mode, .. } => Some((fragment.placement, mode)),
        _ => None,
    };
    aggregates.into_iter().filter_map(mode).collect()
}

fn joins(fragments: &[Fragment]) -> Vec<(&Fragment, &Operator)> {
    find(fragments, |kind| matches!(kind, OperatorKind::HashJoin(_) | OperatorKind::NestedLoopJoin { .. }))
}

fn text(fragments: &[Fragment]) -> String {
    fragments.iter().map(ToString::to_string).collect()
}

#[test]
fn few_groups_are_gathered_from_partial_aggregates() {
    use AggregateMode::{Final, Partial};
    let fragments = auto(&query(1));
    assert_eq!(modes(&fragments), [(Placement::Coordinator, Final), (Placement::Nodes, Partial)]);
    assert_eq!(fragments[1].output, FragmentOutput::Gather { to: fragments[0].id });
    // Two keys; four sums; three averages of two states; a count.
    assert_eq!(fragments[1].root.schema.fields().len(), 2 + 4 + 3 * 2 + 1);
}

#[test]
fn many_groups_stay_on_the_nodes() {
    use AggregateMode::{Final, Partial, Single};
    let some =
        auto("select l_partkey, sum(l_quantity) from lineitem group by 1 having sum(l_quantity) > 300");
    assert_eq!(modes(&some), [(Placement::Nodes, Final), (Placement::Nodes, Partial)], "{}", text(&some));
    assert!(outputs(&some).contains(&"hash"));
    // Nearly each row is a group of its own: nothing is gained by grouping before.
    let all = always("select l_orderkey, l_linenumber, sum(l_quantity) from lineitem group by 1, 2");
    assert_eq!(modes(&all), [(Placement::Nodes, Single)], "{}", text(&all));
}

#[test]
fn what_cannot_be_split_gets_whole_groups() {
    for call in [
        "median(l_quantity)",
        "array_agg(l_tax order by l_tax)",
        "sum(distinct l_tax), count(distinct l_discount)",
    ] {
        let grouped = auto(&format!("select l_suppkey, {call} from lineitem group by 1"));
        assert_eq!(modes(&grouped), [(Placement::Nodes, AggregateMode::Single)], "{}", text(&grouped));
        assert_eq!(outputs(&grouped), ["client", "gather", "hash"], "{}", text(&grouped));
        let all = always(&format!("select {call} from lineitem"));
        assert_eq!(modes(&all), [(Placement::Coordinator, AggregateMode::Single)], "{}", text(&all));
        assert_eq!(outputs(&all), ["client", "gather"]);
    }
}

#[test]
fn groups_that_a_join_has_brought_together_stay() {
    let fragments = auto(&query(13));
    let (fragment, join) = joins(&fragments)[0];
    assert!(matches!(&join.kind, OperatorKind::HashJoin(join) if join.kind == JoinKind::BuildOuter));
    let modes = modes(&fragments);
    assert!(modes.contains(&(Placement::Nodes, AggregateMode::Single)), "{}", text(&fragments));
    let (grouped, _) =
        find(&fragments, |kind| matches!(kind, OperatorKind::Aggregate { mode: AggregateMode::Single, .. }))
            [0];
    assert_eq!(grouped.id, fragment.id);
}

#[test]
fn small_sides_are_broadcast_and_large_ones_partitioned() {
    let small = auto("select count(*) from lineitem join supplier on l_suppkey = s_suppkey");
    assert!(outputs(&small).contains(&"broadcast"), "{}", text(&small));
    let large = auto("select count(*) from lineitem join orders on l_orderkey = o_orderkey");
    assert_eq!(outputs(&large).iter().filter(|output| **output == "hash").count(), 2, "{}", text(&large));
}

#[test]
fn a_side_that_is_partitioned_already_is_not_moved_again() {
    let fragments = auto(
        "select o_orderkey, count(*) from orders join lineitem a on a.l_orderkey = o_orderkey
         join lineitem b on b.l_orderkey = a.l_orderkey and b.l_linenumber > a.l_linenumber group by o_orderkey",
    );
    assert_eq!(outputs(&fragments), ["client", "gather", "hash", "hash", "hash"], "{}", text(&fragments));
    assert!(joins(&fragments).iter().all(|(fragment, _)| fragment.id == fragments[1].id));
}

/// Rows of the build side that come out of a join come out once; NOT IN sees each NULL.
#[test]
fn joins_that_need_all_rows_get_them() {
    let queries = [
        "select * from nation full join region on n_regionkey = r_regionkey",
        "select * from region left join nation on n_regionkey = r_regionkey",
        "select * from nation n1 left join nation n2 on n1.n_nationkey < n2.n_nationkey",
        "select * from nation full join region on n_regionkey < r_regionkey",
        "select * from region where r_regionkey in (select l_suppkey from lineitem)",
        "select * from region where not exists (select 1 from lineitem where l_suppkey = r_regionkey)",
        "select * from nation where n_regionkey not in (select r_regionkey from region where r_name like 'A%')",
        "select * from lineitem where l_suppkey not in (select s_suppkey + 0 * s_nationkey from supplier)",
        "select * from region where r_regionkey in (select l_suppkey from lineitem) or r_name = 'ASIA'",
    ];
    let mut kinds = std::collections::HashSet::new();
    for sql in queries {
        for fragments in [always(sql), auto(sql)] {
            for (fragment, join) in joins(&fragments) {
                let (kind, null_aware) = match &join.kind {
                    OperatorKind::HashJoin(join) => (join.kind, join.null_aware),
                    OperatorKind::NestedLoopJoin { kind, .. } => (*kind, false),
                    other => panic!("{other}"),
                };
                kinds.insert(kind);
                if fragment.placement == Placement::Coordinator {
                    continue;
                }
                let build = received(&fragments, &join.inputs[1]);
                assert!(!kind.emits_build_rows() || build == Some("hash"), "{sql}\n{}", text(&fragments));
                assert!(!null_aware || build == Some("broadcast"), "{sql}\n{}", text(&fragments));
            }
        }
    }
    assert!(kinds.len() >= 4, "{kinds:?}");
}

#[test]
fn first_rows_are_picked_on_nodes_and_once_more() {
    for (sql, kept) in [
        ("select * from orders order by o_totalprice desc limit 10 offset 5", 15),
        ("select o_comment from orders limit 10 offset 5", 15),
    ] {
        let fragments = always(sql);
        assert_eq!(outputs(&fragments), ["client", "gather"], "{}", text(&fragments));
        let picked = match fragments[1].root.kind {
            OperatorKind::Sort { fetch, .. } => fetch,
            OperatorKind::Limit { skip: 0, fetch } => fetch,
            ref other => panic!("{other}"),
        };
        assert_eq!(picked, Some(kept));
        let last =
            find(&fragments[..1], |kind| matches!(kind, OperatorKind::Limit { skip: 5, fetch: Some(10) }));
        assert_eq!(last.len(), 1, "{}", text(&fragments));
    }
    let random = always("select o_orderkey from orders order by random() limit 3");
    let sorts = find(&random, |kind| matches!(kind, OperatorKind::Sort { .. }));
    assert!(sorts.iter().all(|(fragment, _)| fragment.placement == Placement::Coordinator));
}

#[test]
fn all_rows_are_sorted_on_nodes_and_merged() {
    let queries = [
        "select l_orderkey, l_comment from lineitem order by l_comment desc nulls last, l_orderkey",
        "select o_orderkey from orders order by o_totalprice * 2, o_orderkey",
        "select l_orderkey, count(*) as c from lineitem group by 1 order by c",
        "select o_orderdate from orders order by 1 offset 10",
    ];
    for sql in queries {
        for fragments in [always(sql), auto(sql)] {
            let sorts = find(&fragments, |kind| matches!(kind, OperatorKind::Sort { fetch: None, .. }));
            let [(fragment, sort)] = sorts.as_slice() else { panic!("{}", text(&fragments)) };
            let OperatorKind::Sort { keys, .. } = &sort.kind else { panic!("{sort}") };
            assert_eq!(fragment.placement, Placement::Nodes, "{}", text(&fragments));
            let merge = OperatorKind::Receive { from: fragment.id, order: keys.clone() };
            let merges = find(&fragments, |kind| *kind == merge);
            assert_eq!(merges[0].0.placement, Placement::Coordinator, "{}", text(&fragments));
        }
    }
    // What is small when it comes to the sort is sorted where it is.
    let few = auto("select l_returnflag, sum(l_tax) from lineitem group by 1 order by 1");
    assert!(few.iter().all(|fragment| !text(std::slice::from_ref(fragment)).contains("Merge")));
}

/// Narrow rows are moved once more, so that little is left for the coordinator to merge.
#[test]
fn ranges_are_sorted_where_the_key_is_known_well() {
    let narrow = auto("select l_orderkey from lineitem order by l_orderkey desc");
    assert_eq!(outputs(&narrow), ["client", "gather", "range"], "{}", text(&narrow));
    let FragmentOutput::Range { key, bounds, .. } = &narrow[2].output else { panic!("{}", text(&narrow)) };
    assert!(
        key.descending && matches!(&narrow[1].root.kind, OperatorKind::Sort { keys, .. } if keys[0] == *key)
    );
    let bounds: Vec<i128> = bounds.iter().filter_map(nyala_schema::Value::as_i128).collect();
    assert_eq!(bounds, [4_000_000, 2_000_000]);
    let dates = always("select o_orderdate, o_comment from orders order by o_orderdate, o_comment");
    assert_eq!(outputs(&dates), ["client", "gather", "range"], "{}", text(&dates));
    let unknown = [
        "select l_comment from lineitem order by l_comment",
        "select l_orderkey from lineitem where l_orderkey < 1000000 order by l_orderkey",
        "select l_orderkey from lineitem order by l_orderkey + l_partkey",
        "select o_totalprice from orders order by o_totalprice",
    ];
    for sql in unknown {
        let fragments = always(sql);
        assert_eq!(outputs(&fragments), ["client", "gather"], "{}", text(&fragments));
    }
    let wide = auto("select l_orderkey, l_comment from lineitem order by l_orderkey");
    assert_eq!(outputs(&wide), ["client", "gather"], "{}", text(&wide));
}

#[test]
fn windows_see_whole_partitions() {
    let is_window = |kind: &OperatorKind| matches!(kind, OperatorKind::Window { .. });
    let parted = auto("select rank() over (partition by o_custkey order by o_orderdate) from orders");
    assert_eq!(find(&parted, is_window)[0].0.placement, Placement::Nodes);
    assert_eq!(outputs(&parted), ["client", "gather", "hash"]);
    let computed = auto("select sum(o_totalprice) over (partition by o_custkey % 1000) from orders");
    assert_eq!(find(&computed, is_window)[0].0.placement, Placement::Nodes, "{}", text(&computed));
    let numbered = auto("select row_number() over (), o_comment from orders");
    assert_eq!(find(&numbered, is_window)[0].0.placement, Placement::Coordinator);
}

#[test]
fn keys_are_computed_once() {
    let fragments = always(
        "select (random() * 100)::int as k, count(*), count(distinct o_custkey) from orders group by 1",
    );
    let grouped = find(&fragments, |kind| matches!(kind, OperatorKind::Aggregate { .. }));
    assert!(!grouped.is_empty());
    let joined = auto("select count(*) from lineitem join orders on l_orderkey + 1 = o_orderkey * 2");
    let join = joins(&joined)[0].1;
    assert_eq!(received(&joined, &join.inputs[0]), Some("hash"), "{}", text(&joined));
}

#[test]
fn unions_run_where_their_inputs_are() {
    let fragments =
        always("select l_orderkey from lineitem union all select o_orderkey from orders union all select 1");
    let (fragment, _) = find(&fragments, |kind| *kind == OperatorKind::Union)[0];
    assert_eq!(fragment.placement, Placement::Nodes, "{}", text(&fragments));
    assert_eq!(outputs(&fragments), ["client", "gather", "round-robin"]);
}

#[test]
fn constant_tables_are_made_on_each_node() {
    let fragments = always("select count(*) from orders join (values (1), (2)) as t(x) on o_custkey = x");
    assert_eq!(outputs(&fragments), ["client", "gather"], "{}", text(&fragments));
}

#[test]
fn rows_without_columns_travel_with_one() {
    let limited = always("select count(*) from (select o_comment from orders limit 10 offset 5)");
    assert_eq!(outputs(&limited), ["client", "gather"], "{}", text(&limited));
    let fragments = always("select count(*) from nation, region");
    assert!(
        fragments.iter().all(|fragment| !fragment.root.schema.fields().is_empty()),
        "{}",
        text(&fragments)
    );
}

#[test]
fn columns_that_nobody_needs_are_not_moved() {
    let fragments = auto(
        "select l_orderkey, o_orderdate from lineitem join orders on l_orderkey = o_orderkey where l_comment < 'b'",
    );
    for fragment in &fragments[1..] {
        let fields = fragment.root.schema.fields();
        assert!(fields.len() <= 2 && !fields.iter().any(|field| field.name() == "l_comment"), "{fragment}");
    }
}

#[test]
fn users_operators_get_whole_partitions() {
    let is_guest = |kind: &OperatorKind| matches!(kind, OperatorKind::Guest(_));
    let parted = always(
        "select * from sessionize(table (select o_custkey, o_orderdate from orders) partition by o_custkey order by o_orderdate,
         gap => interval '30' minute)",
    );
    let (fragment, guest) = find(&parted, is_guest)[0];
    assert_eq!(fragment.placement, Placement::Nodes, "{}", text(&parted));
    assert_eq!(received(&parted, &guest.inputs[0]), Some("hash"));
    let whole = always("select * from fill(table nation order by n_nationkey, step => interval '1' day)");
    assert_eq!(find(&whole, is_guest)[0].0.placement, Placement::Coordinator);
    let pair = always(
        "select * from pairs(table (select n_regionkey from nation) partition by n_regionkey,
         table (select r_regionkey from region) partition by r_regionkey)",
    );
    let (fragment, guest) = find(&pair, is_guest)[0];
    assert_eq!(fragment.placement, Placement::Nodes, "{}", text(&pair));
    assert!(guest.inputs.iter().all(|input| received(&pair, input) == Some("hash")), "{}", text(&pair));
}

#[test]
fn small_queries_stay_on_the_coordinator() {
    assert_eq!(auto("select n_name, r_name from nation join region on n_regionkey = r_regionkey").len(), 1);
    assert!(always("select n_name, r_name from nation join region on n_regionkey = r_regionkey").len() > 1);
    assert_eq!(auto("select 1").len(), 1);
    // Few bytes are read and many pairs are tried.
    assert!(auto("select count(*) from supplier a, supplier b where a.s_acctbal < b.s_acctbal").len() > 1);
}

/// Each fragment's rows are taken by one operator of a fragment before it.
#[test]
fn fragments_form_a_tree() {
    for number in 1..=22 {
        let fragments = auto(&query(number));
        for (index, fragment) in fragments.iter().enumerate() {
            let taker = holder(&fragments, fragment.id);
            assert_eq!(taker.is_none(), index == 0, "{fragment}");
            assert!(taker.is_none_or(|taker| taker < index), "{fragment}");
        }
    }
}
