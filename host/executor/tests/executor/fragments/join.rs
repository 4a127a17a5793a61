//! Joins on several instances: both sides by hash of the keys, or the build side everywhere.

use nyala_schema::expr::CompareOp;
use nyala_schema::operator::JoinKind;
use nyala_schema::{Fragment, Operator};

use super::cluster::{Cluster, broadcast, fragment, gather, hash, receive, to_client};
use super::harnesses;
use crate::harness::{Harness, compare, hash_join, pair_column};
use crate::table::{Kind, Random, Table};

const ALL: [JoinKind; 10] = [
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

fn sides(harness: &Harness, key: Kind, rows: (usize, usize), distinct: i64) -> (Operator, Operator) {
    let side = |name: &str, rows: usize, seed: u64| {
        let mut random = Random::new(seed);
        let row = |_| vec![random.maybe(distinct, 8), random.maybe(1000, 5), random.maybe(30, 6)];
        let rows = (0..rows).map(row).collect();
        harness.scan(&Table::new(name, &[key, Kind::Int, Kind::Dictionary], rows))
    };
    (side("probe", rows.0, 21), side("build", rows.1, 22))
}

fn join(kind: JoinKind, probe: Operator, build: Operator, with_residual: bool, null_aware: bool) -> Operator {
    let residual = with_residual
        .then(|| compare(CompareOp::Less, pair_column(&probe, &build, 1), pair_column(&probe, &build, 4)));
    hash_join(kind, &[(0, 0)], probe, build, |join| {
        join.residual = residual;
        join.null_aware = null_aware;
    })
}

fn partitioned(kind: JoinKind, probe: Operator, build: Operator, with_residual: bool) -> Vec<Fragment> {
    let joined = join(kind, receive(2, &probe), receive(3, &build), with_residual, false);
    let (by_probe, by_build) = (hash(1, &probe, &[0]), hash(1, &build, &[0]));
    vec![
        fragment(0, receive(1, &joined), to_client()),
        fragment(1, joined, gather(0)),
        fragment(2, probe, by_probe),
        fragment(3, build, by_build),
    ]
}

/// A join in one piece, and cut up.
pub fn sample(harness: &Harness, kind: JoinKind) -> (Operator, Vec<Fragment>) {
    let (probe, build) = sides(harness, Kind::Text, (3000, 1000), 900);
    (join(kind, probe.clone(), build.clone(), true, false), partitioned(kind, probe, build, true))
}

#[test]
fn partitioned_joins_of_all_kinds() {
    for harness in harnesses() {
        for (key, rows, distinct) in
            [(Kind::Int, (900, 400), 300), (Kind::Text, (500, 300), 100), (Kind::Decimal, (300, 0), 10)]
        {
            let (probe, build) = sides(&harness, key, rows, distinct);
            for kind in ALL {
                for with_residual in [false, true] {
                    let single = join(kind, probe.clone(), build.clone(), with_residual, false);
                    let expected = harness.sorted(&single).unwrap();
                    let fragments = partitioned(kind, probe.clone(), build.clone(), with_residual);
                    let found = Cluster::new(&harness, 3).sorted(&fragments).unwrap();
                    assert_eq!(found, expected, "{kind:?} {key:?} residual {with_residual}");
                }
            }
        }
    }
}

/// Kinds that give no build rows of their own may have the whole build side on each instance; NOT IN, too.
#[test]
fn broadcast_joins() {
    let kinds = ALL.into_iter().filter(|kind| !kind.emits_build_rows());
    let cases: Vec<(JoinKind, bool)> =
        kinds.map(|kind| (kind, false)).chain([(JoinKind::ProbeAnti, true)]).collect();
    for harness in harnesses() {
        let (probe, build) = sides(&harness, Kind::Int, (900, 120), 300);
        for &(kind, null_aware) in &cases {
            let single = join(kind, probe.clone(), build.clone(), false, null_aware);
            let expected = harness.sorted(&single).unwrap();
            let joined = join(kind, probe.clone(), receive(2, &build), false, null_aware);
            let fragments = vec![
                fragment(0, receive(1, &joined), to_client()),
                fragment(1, joined, gather(0)),
                fragment(2, build.clone(), broadcast(1)),
            ];
            let found = Cluster::new(&harness, 3).sorted(&fragments).unwrap();
            assert_eq!(found, expected, "{kind:?} null-aware {null_aware}");
        }
    }
}
