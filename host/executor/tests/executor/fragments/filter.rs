//! Runtime filters that go from the join of one fragment to the scan of another.

use std::time::Duration;

use nyala_executor::merge_filters;
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::operator::JoinKind;
use nyala_schema::scan::RuntimeFilterUse;
use nyala_schema::{ErrorCode, Fragment, Operator, OperatorKind};

use super::cluster::{Cluster, fragment, gather, hash, receive, to_client};
use super::harnesses;
use crate::harness::{Harness, hash_join};
use crate::table::{Kind, Random, Table};

const FILTER: RuntimeFilterId = RuntimeFilterId(4);

fn sides(harness: &Harness, kind: Kind, build_rows: usize, distinct: i64) -> (Operator, Operator) {
    let mut random = Random::new(8);
    let rows = (0..6000).map(|_| vec![random.maybe(distinct, 50), random.maybe(9, 0)]).collect();
    let mut probe = harness.scan(&Table::new("probe", &[kind, Kind::Int], rows));
    let rows = (0..build_rows).map(|_| vec![random.maybe(distinct, 50), random.maybe(9, 0)]).collect();
    let build = harness.scan(&Table::new("build", &[kind, Kind::Int], rows));
    if let OperatorKind::Scan(scan) = &mut probe.kind {
        scan.runtime_filters.push(RuntimeFilterUse { filter: FILTER, column: 0 });
    }
    (probe, build)
}

fn partitioned(probe: &Operator, build: &Operator) -> Vec<Fragment> {
    let joined = hash_join(JoinKind::Inner, &[(0, 0)], receive(2, probe), receive(3, build), |join| {
        join.runtime_filters.push((FILTER, 0));
    });
    vec![
        fragment(0, receive(1, &joined), to_client()),
        fragment(1, joined, gather(0)),
        fragment(2, probe.clone(), hash(1, probe, &[0])),
        fragment(3, build.clone(), hash(1, build, &[0])),
    ]
}

#[test]
fn scans_drop_what_no_instance_of_the_join_wants() {
    for harness in harnesses() {
        for (kind, build_rows, distinct) in
            [(Kind::Int, 60, 5000), (Kind::Sparse, 60, 5000), (Kind::Date, 2, 5000), (Kind::Int, 0, 100)]
        {
            let (probe, build) = sides(&harness, kind, build_rows, distinct);
            let mut single = hash_join(JoinKind::Inner, &[(0, 0)], probe.clone(), build.clone(), |_| ());
            if let OperatorKind::Scan(scan) = &mut single.inputs[0].kind {
                scan.runtime_filters.clear();
            }
            let expected = harness.sorted(&single).unwrap();
            let mut cluster = Cluster::new(&harness, 3);
            cluster.filter_wait = Duration::from_secs(60);
            let mut run = cluster.start(&partitioned(&probe, &build)).unwrap();
            let mut rows = crate::table::batch_text(&run.rows_with_filters_of(3).unwrap());
            rows.sort();
            run.wait_over();
            assert_eq!(rows, expected, "{kind:?}");
            let scanned = run.profile().operators[&probe.id].clone();
            let sent = scanned.rows_out as usize;
            assert!(sent < 1000, "{kind:?}: {sent} of 6000 rows were sent for {} matches", rows.len());
            assert!(scanned.rows_filtered > 0 || scanned.morsels_pruned > 0, "{kind:?}");
        }
    }
}

/// Nobody gives a filter: scans that do not wait go on without, those that wait begin when they are told that none comes.
#[test]
fn scans_go_on_without_filters() {
    let harness = Harness::new();
    let (probe, build) = sides(&harness, Kind::Int, 60, 5000);
    let fragments = partitioned(&probe, &build);
    let expected = Cluster::new(&harness, 2).sorted(&fragments).unwrap();
    let mut cluster = Cluster::new(&harness, 2);
    cluster.filter_wait = Duration::from_secs(60);
    let mut run = cluster.start(&fragments).unwrap();
    assert!(run.executions[0].next(Duration::from_millis(20)).is_none());
    assert_eq!(
        run.executions.iter().map(|e| e.statistics().rows_scanned).sum::<u64>(),
        60,
        "the build side alone"
    );
    run.executions.iter().for_each(|execution| execution.give_filter(FILTER, &[]).unwrap());
    let mut rows = crate::table::batch_text(&run.rows().unwrap());
    rows.sort();
    assert_eq!(rows, expected);
}

#[test]
fn bytes_that_are_no_filter_are_refused() {
    let harness = Harness::new();
    let (probe, _) = sides(&harness, Kind::Int, 1, 10);
    let execution = harness.start(&probe).unwrap();
    for bytes in [&[1][..], &[9, 0], &[1, 7, 0], &[1, 2, 3, 4], &[0; 26], &[1; 40]] {
        let error = execution.give_filter(FILTER, bytes).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Connection, "{bytes:?}");
        assert!(merge_filters(&[bytes::Bytes::copy_from_slice(bytes)]).is_err());
    }
    execution.give_filter(RuntimeFilterId(99), &[]).unwrap();
}
