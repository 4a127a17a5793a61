//! Single decisions of the planner.

use nyala_schema::Operator;
use nyala_schema::operator::{HashJoin, JoinKind, OperatorKind};
use nyala_schema::option::Options;
use nyala_schema::scan::TableScan;

use crate::{operators, plan_with, query};

fn joins(root: &Operator) -> Vec<&HashJoin> {
    let mut found = vec![];
    root.for_each(&mut |operator| {
        if let OperatorKind::HashJoin(join) = &operator.kind {
            found.push(join);
        }
    });
    found
}

fn scans<'a>(root: &'a Operator, table: &str) -> Vec<&'a TableScan> {
    let mut found = vec![];
    root.for_each(&mut |operator| {
        if let OperatorKind::Scan(scan) = &operator.kind
            && scan.table == table
        {
            found.push(scan);
        }
    });
    found
}

/// Tables from the left to the right of the plan.
fn tables(root: &Operator) -> Vec<String> {
    let mut found = vec![];
    root.for_each(&mut |operator| {
        if let OperatorKind::Scan(scan) = &operator.kind {
            found.push(scan.table.clone());
        }
    });
    found
}

fn most_rows(root: &Operator) -> f64 {
    let mut most: f64 = 0.0;
    root.for_each(&mut |operator| {
        if matches!(operator.kind, OperatorKind::HashJoin(_)) {
            most = most.max(operator.rows_estimated);
        }
    });
    most
}

#[test]
fn the_smaller_side_is_built() {
    let root = operators("select c_name, n_name from nation join customer on c_nationkey = n_nationkey");
    assert_eq!(tables(&root), ["customer", "nation"]);
    let root = operators("select n_name, c_name from nation left join customer on c_nationkey = n_nationkey");
    assert_eq!(joins(&root)[0].kind, JoinKind::BuildOuter);
    let root = operators("select c_name, n_name from customer left join nation on c_nationkey = n_nationkey");
    assert_eq!(joins(&root)[0].kind, JoinKind::ProbeOuter);
}

#[test]
fn intermediate_results_stay_small() {
    // The rows that joins give in the best orders, with room for wrong guesses.
    for (number, rows_max) in [(2, 200_000.0), (5, 250_000.0), (8, 60_000.0), (9, 500_000.0), (18, 5_000.0)] {
        let root = operators(&query(number));
        assert!(most_rows(&root) <= rows_max, "query {number}:\n{root}");
    }
}

#[test]
fn estimates_are_near_the_truth() {
    // Rows of the topmost join at scale 1.
    for (number, rows) in [(3, 30_519.0), (5, 7_243.0), (8, 2_603.0), (9, 319_404.0), (10, 114_705.0)] {
        let root = operators(&query(number));
        let mut guessed = None;
        root.for_each(&mut |operator| {
            if guessed.is_none() && matches!(operator.kind, OperatorKind::HashJoin(_)) {
                guessed = Some(operator.rows_estimated);
            }
        });
        let off = guessed.expect("a join") / rows;
        assert!((0.08..12.5).contains(&off), "query {number} is off by a factor of {off}");
    }
}

#[test]
fn an_equality_holds_for_all_that_are_equal() {
    let sql = "select count(*) from part a, part b, partsupp where a.p_partkey = ps_partkey \
               and ps_partkey = b.p_partkey and a.p_partkey < 100 and b.p_size = 3";
    let root = operators(sql);
    for scan in scans(&root, "part").iter().chain(&scans(&root, "partsupp")) {
        let known = scan.filters.iter().any(|filter| filter.to_string().contains("< 100"));
        assert!(known || !scan.runtime_filters.is_empty(), "{root}");
    }
}

#[test]
fn runtime_filters_reach_scans_below_aggregates() {
    let root = operators(&query(17));
    assert!(scans(&root, "lineitem").iter().all(|scan| !scan.runtime_filters.is_empty()), "{root}");
    let root = operators(&query(20));
    assert_eq!(scans(&root, "lineitem")[0].runtime_filters.len(), 2, "{root}");
}

#[test]
fn runtime_filters_keep_off_where_rows_matter() {
    let small = "(select * from part where p_size = 3 and p_brand = 'Brand#11') p";
    let limited =
        format!("select * from (select * from partsupp limit 1000) s, {small} where ps_partkey = p_partkey");
    let kept = format!("select * from partsupp left join {small} on ps_partkey = p_partkey");
    let full = format!("select * from partsupp full join {small} on ps_partkey = p_partkey");
    let anti = "select * from partsupp where ps_partkey not in (select p_partkey from part where p_size = 3)";
    for sql in [limited.as_str(), &kept, &full, anti] {
        let root = operators(sql);
        assert!(scans(&root, "partsupp")[0].runtime_filters.is_empty(), "{root}");
    }
    let inner = format!("select * from partsupp join {small} on ps_partkey = p_partkey");
    assert_eq!(scans(&operators(&inner), "partsupp")[0].runtime_filters.len(), 1);
}

#[test]
fn options_switch_choices_off() {
    let options = Options { runtime_filters: false, join_reordering: false, ..Options::default() };
    let root = plan_with(&query(5), &options).expect("a plan").remove(0).root;
    assert!(joins(&root).iter().all(|join| join.runtime_filters.is_empty()), "{root}");
    let mut first = None;
    root.for_each(&mut |operator| {
        let is_scan = |input: &Operator| matches!(input.kind, OperatorKind::Scan(_));
        if operator.inputs.len() == 2 && operator.inputs.iter().all(is_scan) {
            first = Some(tables(operator));
        }
    });
    // As the query names them.
    assert_eq!(first.expect("a first join"), ["orders", "customer"], "{root}");
}

#[test]
fn scans_read_only_what_is_needed() {
    let root = operators("select n_name from (select *, n_nationkey + 1 as next from nation) n");
    assert_eq!(scans(&root, "nation")[0].projection, [1]);
    let root = operators("select count(*) from lineitem");
    assert!(scans(&root, "lineitem")[0].projection.is_empty());
    let root = operators("select n_name from nation where n_regionkey = 1");
    assert_eq!(scans(&root, "nation")[0].projection, [1, 2]);
}

#[test]
fn many_relations_are_joined_greedily() {
    let tables: Vec<String> = (0..30).map(|i| format!("orders o{i}")).collect();
    let equal: Vec<String> = (1..30).map(|i| format!("o{}.o_orderkey = o{i}.o_orderkey", i - 1)).collect();
    let sql = format!("select count(*) from {} where {}", tables.join(", "), equal.join(" and "));
    let root = operators(&sql);
    assert_eq!(joins(&root).len(), 29);
    assert!(most_rows(&root) < 2e6, "{root}");
}

#[test]
fn a_disjunction_over_two_tables_filters_both() {
    let root = operators(&query(7));
    assert!(scans(&root, "nation").iter().all(|scan| scan.filters.len() == 1), "{root}");
    let root = operators(&query(19));
    assert!(scans(&root, "part")[0].filters.len() >= 2, "{root}");
}

#[test]
fn a_null_aware_join_probes_with_the_left() {
    let sql = "select * from nation where n_regionkey not in (select nullif(r_regionkey, 1) from region)";
    let root = operators(sql);
    let join = joins(&root)[0];
    assert!(join.null_aware && join.kind == JoinKind::ProbeAnti, "{root}");
}

#[test]
fn unconnected_tables_are_multiplied_last() {
    let sql = "select count(*) from lineitem, region, orders where l_orderkey = o_orderkey and o_orderdate = date '1995-01-01'";
    let root = operators(sql);
    let mut looped = vec![];
    root.for_each(&mut |operator| {
        if matches!(operator.kind, OperatorKind::NestedLoopJoin { .. }) {
            looped.push(operator.inputs.iter().map(|input| input.rows_estimated).fold(0.0, f64::max));
        }
    });
    assert!(looped.len() == 1 && looped[0] < 10_000.0, "{root}");
}

#[test]
fn a_scalar_subquery_gives_one_row_at_most() {
    let one_row = |root: &Operator| {
        let mut found = false;
        root.for_each(&mut |operator| found |= matches!(operator.kind, OperatorKind::AtMostOneRow));
        found
    };
    assert!(one_row(&operators("select n_name, (select r_name from region) from nation")));
    assert!(!one_row(&operators("select n_name, (select max(r_name) from region) from nation")));
    assert!(!one_row(&operators("select n_name, r_name from nation left join region on true")));
}
