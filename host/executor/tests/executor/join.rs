//! Joins against nested loops.

use nyala_schema::expr::CompareOp;
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::operator::JoinKind;
use nyala_schema::scan::RuntimeFilterUse;
use nyala_schema::{Operator, OperatorKind};

use crate::harness::{Harness, compare, filter, hash_join, int, join_schema, operator, pair_column};
use crate::table::{Kind, Random, Row, Table, shown};

const KINDS: [JoinKind; 10] = [
    JoinKind::Inner,
    JoinKind::ProbeOuter,
    JoinKind::BuildOuter,
    JoinKind::FullOuter,
    JoinKind::ProbeSemi,
    JoinKind::ProbeAnti,
    JoinKind::ProbeMark,
    JoinKind::BuildSemi,
    JoinKind::BuildAnti,
    JoinKind::BuildMark,
];

/// What a join of these kinds gives, one pair after the other.
fn naive(kind: JoinKind, probe: &[Row], build: &[Row], holds: &dyn Fn(&Row, &Row) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut build_matched = vec![false; build.len()];
    let nulls = |width: usize| vec![None; width];
    let (probe_width, build_width) = (probe.first().map_or(2, Vec::len), build.first().map_or(2, Vec::len));
    let mark = |row: &Row, matched: bool| [row.as_slice(), &[Some(i64::from(matched))]].concat();
    for left in probe {
        let mut matched = false;
        for (index, right) in build.iter().enumerate().filter(|(_, right)| holds(left, right)) {
            matched = true;
            build_matched[index] = true;
            if matches!(
                kind,
                JoinKind::Inner | JoinKind::ProbeOuter | JoinKind::BuildOuter | JoinKind::FullOuter
            ) {
                rows.push([left.as_slice(), right.as_slice()].concat());
            }
        }
        match kind {
            JoinKind::ProbeOuter | JoinKind::FullOuter if !matched => {
                rows.push([left.as_slice(), &nulls(build_width)].concat());
            }
            JoinKind::ProbeSemi if matched => rows.push(left.clone()),
            JoinKind::ProbeAnti if !matched => rows.push(left.clone()),
            JoinKind::ProbeMark => rows.push(mark(left, matched)),
            _ => {}
        }
    }
    for (right, matched) in build.iter().zip(build_matched) {
        match kind {
            JoinKind::BuildOuter | JoinKind::FullOuter if !matched => {
                rows.push([nulls(probe_width).as_slice(), right].concat());
            }
            JoinKind::BuildSemi if matched => rows.push(right.clone()),
            JoinKind::BuildAnti if !matched => rows.push(right.clone()),
            JoinKind::BuildMark => rows.push(mark(right, matched)),
            _ => {}
        }
    }
    rows
}

fn result_kinds(kind: JoinKind, probe: &Table, build: &Table) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if kind.keeps_probe_columns() {
        kinds.extend(&probe.kinds);
    }
    if kind.keeps_build_columns() {
        kinds.extend(&build.kinds);
    }
    if matches!(kind, JoinKind::ProbeMark | JoinKind::BuildMark) {
        kinds.push(Kind::Boolean);
    }
    kinds
}

struct Case {
    /// Kind of the first key, and of a second one if there is one.
    keys: Vec<Kind>,
    /// Key values are below this; few make many duplicates.
    distinct: i64,
    unique_build: bool,
    nulls: i64,
    null_equals_null: bool,
    residual: bool,
}

/// Keys, then a number of its own for each row.
fn table(name: &str, case: &Case, rows: usize, unique: bool, random: &mut Random) -> Table {
    let mut kinds = case.keys.clone();
    kinds.push(Kind::Int);
    let row = |number: usize| {
        let mut row: Row = case.keys.iter().map(|_| random.maybe(case.distinct, case.nulls)).collect();
        if unique {
            row[0] = row[0].map(|_| number as i64 * 3 % case.distinct);
        }
        row.push(Some(number as i64));
        row
    };
    Table::new(name, &kinds, (0..rows).map(row).collect())
}

fn check(case: &Case, probe_rows: usize, build_rows: usize, seed: u64) {
    let harness = Harness::new();
    let mut random = Random::new(seed);
    let probe = table("probe", case, probe_rows, false, &mut random);
    let build = table("build", case, build_rows, case.unique_build, &mut random);
    let keys: Vec<(usize, usize)> = (0..case.keys.len()).map(|index| (index, index)).collect();
    let own = case.keys.len();
    let width = probe.kinds.len();
    let equal = |left: Option<i64>, right: Option<i64>| match (left, right) {
        (Some(left), Some(right)) => left == right,
        (None, None) => case.null_equals_null,
        _ => false,
    };
    let holds = |left: &Row, right: &Row| {
        keys.iter().all(|&(l, r)| equal(left[l], right[r])) && (!case.residual || left[own] < right[own])
    };
    for kind in KINDS {
        let root = hash_join(kind, &keys, harness.scan(&probe), harness.scan(&build), |join| {
            join.null_equals_null = case.null_equals_null;
        });
        let root = with_residual(root, case.residual, own, width + own);
        let expected = naive(kind, &probe.rows, &build.rows, &holds);
        let kinds = result_kinds(kind, &probe, &build);
        let context = format!("{kind:?} over {:?}, seed {seed}, residual {}", case.keys, case.residual);
        assert_eq!(harness.sorted(&root).expect(&context), shown(&kinds, &expected), "{context}");
    }
}

/// Column `left` less than column `right` of the pair.
fn with_residual(mut root: Operator, wanted: bool, left: usize, right: usize) -> Operator {
    if !wanted {
        return root;
    }
    let (left, right) = (
        pair_column(&root.inputs[0], &root.inputs[1], left),
        pair_column(&root.inputs[0], &root.inputs[1], right),
    );
    if let OperatorKind::HashJoin(join) = &mut root.kind {
        join.residual = Some(compare(CompareOp::Less, left, right));
    }
    root
}

fn case(keys: &[Kind], distinct: i64) -> Case {
    Case {
        keys: keys.to_vec(),
        distinct,
        unique_build: false,
        nulls: 0,
        null_equals_null: false,
        residual: false,
    }
}

#[test]
fn all_kinds_over_single_keys_of_all_types() {
    for kind in Kind::KEYS {
        check(&Case { nulls: 7, ..case(&[kind], 60) }, 250, 130, 1);
    }
}

#[test]
fn all_kinds_with_unique_build_keys() {
    for kind in [Kind::Int, Kind::Sparse, Kind::Text] {
        for residual in [false, true] {
            check(&Case { unique_build: true, residual, ..case(&[kind], 1009) }, 400, 300, 2);
        }
    }
}

#[test]
fn all_kinds_with_residuals_nulls_and_duplicates() {
    for kind in [Kind::Int, Kind::Sparse, Kind::Dictionary] {
        for nulls in [0, 5] {
            check(&Case { residual: true, nulls, ..case(&[kind], 25) }, 200, 150, 3);
        }
    }
}

#[test]
fn nulls_that_equal_each_other() {
    for kind in [Kind::Int, Kind::Sparse, Kind::Text] {
        for residual in [false, true] {
            check(&Case { nulls: 6, null_equals_null: true, residual, ..case(&[kind], 40) }, 150, 90, 4);
        }
    }
}

#[test]
fn several_keys() {
    for keys in [[Kind::Int, Kind::Date], [Kind::Sparse, Kind::Sparse], [Kind::Int, Kind::Dictionary]] {
        for nulls in [0, 9] {
            check(&Case { nulls, ..case(&keys, 9) }, 220, 180, 5);
        }
    }
}

#[test]
fn empty_sides() {
    for residual in [false, true] {
        check(&Case { residual, ..case(&[Kind::Int], 10) }, 50, 0, 6);
        check(&Case { residual, ..case(&[Kind::Text], 10) }, 50, 0, 6);
        check(&Case { residual, ..case(&[Kind::Int], 10) }, 0, 50, 6);
    }
}

#[test]
fn a_table_large_enough_to_be_split() {
    let harness = Harness::new();
    let build_rows: Vec<Row> = (0..200_000).map(|n| vec![Some(n % 150_000), Some(n)]).collect();
    let probe_rows: Vec<Row> = (0..1000).map(|n| vec![Some(n * 151), Some(n)]).collect();
    let build = Table::new("build", &[Kind::Sparse, Kind::Int], build_rows);
    let probe = Table::new("probe", &[Kind::Sparse, Kind::Int], probe_rows);
    let root = hash_join(JoinKind::Inner, &[(0, 0)], harness.scan(&probe), harness.scan(&build), |_| ());
    let rows = harness.rows(&root).unwrap();
    let expected: usize =
        probe.rows.iter().map(|row| (0..200_000).filter(|n| Some(n % 150_000) == row[0]).count()).sum();
    assert_eq!(rows.len(), expected);
    assert!(rows.iter().all(|row| row[0] == row[2]));
}

/// NOT IN: a NULL on the right matches nothing and excludes everything.
#[test]
fn null_aware_anti_joins() {
    let harness = Harness::new();
    let kinds = [Kind::Int, Kind::Int];
    let mut random = Random::new(7);
    let mut rows = |count: i64, nulls: i64| -> Vec<Row> {
        (0..count).map(|n| vec![random.maybe(20, nulls), Some(n)]).collect()
    };
    for key in [Kind::Int, Kind::Text] {
        for residual in [false, true] {
            for (probe_nulls, build_nulls, build_count) in [(0, 0, 9), (4, 0, 9), (4, 4, 9), (4, 0, 0)] {
                let probe = Table::new("probe", &[key, kinds[1]], rows(60, probe_nulls));
                let build = Table::new("build", &[key, kinds[1]], rows(build_count, build_nulls));
                let root = hash_join(
                    JoinKind::ProbeAnti,
                    &[(0, 0)],
                    harness.scan(&probe),
                    harness.scan(&build),
                    |join| join.null_aware = true,
                );
                let root = with_residual(root, residual, 1, 3);
                let may_equal = |left: Option<i64>, right: Option<i64>| match (left, right) {
                    (Some(left), Some(right)) => left == right,
                    _ => true,
                };
                let holds = |left: &Row, right: &Row| {
                    may_equal(left[0], right[0]) && (!residual || left[1] < right[1])
                };
                let expected = naive(JoinKind::ProbeAnti, &probe.rows, &build.rows, &holds);
                assert_eq!(harness.sorted(&root).unwrap(), shown(&[key, kinds[1]], &expected));
            }
        }
    }
}

#[test]
fn nested_loops_of_all_kinds() {
    let harness = Harness::new();
    let mut random = Random::new(8);
    let mut rows =
        |count: i64| -> Vec<Row> { (0..count).map(|n| vec![random.maybe(50, 6), Some(n)]).collect() };
    for build_count in [0, 1, 70] {
        let probe = Table::new("probe", &[Kind::Int, Kind::Int], rows(90));
        let build = Table::new("build", &[Kind::Int, Kind::Text], rows(build_count));
        for kind in KINDS {
            for has_condition in [true, false] {
                let (left, right) = (harness.scan(&probe), harness.scan(&build));
                let condition = has_condition.then(|| {
                    compare(CompareOp::Less, pair_column(&left, &right, 0), pair_column(&left, &right, 2))
                });
                let schema = join_schema(kind, &left, &right);
                let root =
                    operator(OperatorKind::NestedLoopJoin { kind, condition }, vec![left, right], schema);
                let holds = |left: &Row, right: &Row| {
                    !has_condition || matches!((left[0], right[0]), (Some(l), Some(r)) if l < r)
                };
                let expected = naive(kind, &probe.rows, &build.rows, &holds);
                let kinds = result_kinds(kind, &probe, &build);
                assert_eq!(harness.sorted(&root).unwrap(), shown(&kinds, &expected), "{kind:?}");
            }
        }
    }
}

/// The join's keys reach the scan of the other side, which reads fewer parts and rows.
#[test]
fn runtime_filters_drop_rows_in_scans() {
    for key in [Kind::Int, Kind::Sparse] {
        let harness = Harness::new();
        let rows: Vec<Row> = (0..5000).map(|n| vec![Some(n), Some(n)]).collect();
        let probe = Table::new("probe", &[key, Kind::Int], rows.clone());
        let build = Table::new("build", &[key, Kind::Int], rows);
        let mut scan = harness.scan(&probe);
        if let OperatorKind::Scan(scan) = &mut scan.kind {
            scan.runtime_filters = vec![RuntimeFilterUse { filter: RuntimeFilterId(1), column: 0 }];
        }
        let id = scan.id;
        let wanted = harness.scan(&build);
        let own = crate::harness::column(&wanted, 1);
        let low = compare(CompareOp::GreaterOrEqual, own.clone(), int(1000));
        let wanted = filter(low, filter(compare(CompareOp::Less, own, int(1400)), wanted));
        let root = hash_join(JoinKind::Inner, &[(0, 0)], scan, wanted, |join| {
            join.runtime_filters = vec![(RuntimeFilterId(1), 0)];
        });
        let (batches, profile) = harness.run_profiled(&root).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 400);
        let scanned = &profile.operators[&id];
        assert_eq!((scanned.morsels, scanned.morsels_pruned), (4, 46), "{key:?}");
        assert_eq!(scanned.rows_out, 400);
    }
}
