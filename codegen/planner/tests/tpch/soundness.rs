//! Fragments keep their rules, and breaking one is noticed.

use nyala_planner::distribute::verify::verify;
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::FragmentId;
use nyala_schema::operator::{AggregateMode, OperatorKind, SortKey};
use nyala_schema::option::DistributionChoice::{Always, Auto, Never};
use nyala_schema::{ErrorCode, Fragment, Operator, Value, wire};

use crate::cluster::{always, auto, on_nodes};
use crate::{every_query, query};

/// Fragments are checked as they are planned; here once more as they arrive on another node.
#[test]
fn every_query_is_cut_soundly_and_travels() {
    for sql in every_query() {
        for nodes in 1..=3 {
            for choice in [Auto, Always, Never] {
                let fragments = on_nodes(&sql, nodes, choice);
                let travelled = fragments.iter().map(|fragment| {
                    let bytes = wire::encode_fragment(fragment).expect("a wire form");
                    wire::decode_fragment(&bytes).expect("a fragment")
                });
                let travelled: Vec<Fragment> = travelled.collect();
                assert_eq!(travelled, fragments, "{sql}");
                verify(&travelled).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
                let is_one = nodes == 1 || choice == Never;
                assert!(!is_one || fragments.len() == 1, "{sql}");
            }
        }
    }
}

fn change(operator: &mut Operator, changed: &mut impl FnMut(&mut Operator)) {
    changed(operator);
    operator.inputs.iter_mut().for_each(|input| change(input, changed));
}

fn received(from: u32) -> OperatorKind {
    OperatorKind::Receive { from: FragmentId(from), order: vec![] }
}

fn expect_refused(fragments: &[Fragment], about: &str) {
    let text: String = fragments.iter().map(ToString::to_string).collect();
    let error = verify(fragments).expect_err(&format!("{about} is not noticed:\n{text}"));
    assert_eq!(error.code(), ErrorCode::Internal);
}

/// The plan of `sql` with one change, which breaks it.
fn broken(sql: &str, about: &str, break_it: impl FnOnce(&mut Vec<Fragment>)) {
    let mut fragments = always(sql);
    verify(&fragments).expect("a sound plan");
    break_it(&mut fragments);
    expect_refused(&fragments, about);
}

#[test]
fn rows_that_arrive_at_the_wrong_place_are_noticed() {
    const JOIN: &str = "select * from orders full join lineitem on o_orderkey = l_orderkey";
    broken(JOIN, "a side that is not partitioned", |fragments| {
        let to = fragments[1].id;
        fragments[2].output = FragmentOutput::RoundRobin { to };
    });
    broken(JOIN, "a build side that is copied", |fragments| {
        let to = fragments[1].id;
        fragments[3].output = FragmentOutput::Broadcast { to };
    });
    broken(JOIN, "a side partitioned by another column", |fragments| {
        let other = fragments[2].root.schema.field(1).clone();
        let FragmentOutput::Hash { keys, .. } = &mut fragments[2].output else { panic!("{}", fragments[2]) };
        keys[0] = nyala_schema::Expr::column(1, &other);
    });
    broken(JOIN, "a key that is not there", |fragments| {
        let first = fragments[2].root.schema.field(0).clone();
        let FragmentOutput::Hash { keys, .. } = &mut fragments[2].output else { panic!("{}", fragments[2]) };
        keys[0] = nyala_schema::Expr::column(99, &first);
    });
    broken(JOIN, "a gathering on the nodes", |fragments| {
        let to = fragments[1].id;
        fragments[2].output = FragmentOutput::Gather { to };
    });
    broken(JOIN, "rows for a fragment behind", |fragments| {
        fragments[1].output = FragmentOutput::Gather { to: fragments[3].id };
    });
    broken(JOIN, "a join on the coordinator of rows for the nodes", |fragments| {
        fragments[1].placement = Placement::Coordinator;
    });
    broken(JOIN, "a fragment twice", |fragments| fragments[3].id = fragments[2].id);
    broken(JOIN, "a fragment that nobody receives", |fragments| {
        change(&mut fragments[1].root, &mut |operator| {
            if operator.kind == received(3) {
                operator.kind = received(2);
            }
        });
    });
    broken(JOIN, "an operator twice", |fragments| fragments[3].root.id = fragments[2].root.id);
    broken(JOIN, "other columns than were sent", |fragments| {
        let schema = fragments[2].root.schema.clone();
        change(&mut fragments[1].root, &mut |operator| {
            if operator.kind == received(3) {
                operator.schema = schema.clone();
            }
        });
    });
    broken(JOIN, "two results", |fragments| fragments[3].output = FragmentOutput::Client);
}

#[test]
fn work_in_the_wrong_place_is_noticed() {
    broken("select l_orderkey, count(*) from lineitem group by 1", "groups in parts", |fragments| {
        for fragment in fragments {
            let to = fragment.output.to();
            if let (Some(to), FragmentOutput::Hash { .. }) = (to, &fragment.output) {
                fragment.output = FragmentOutput::RoundRobin { to };
            }
        }
    });
    broken("select sum(l_tax) from lineitem", "states taken for results", |fragments| {
        change(&mut fragments[0].root, &mut |operator| {
            if let OperatorKind::Aggregate { mode, .. } = &mut operator.kind {
                *mode = AggregateMode::Single;
            }
        });
    });
    broken("select l_tax from lineitem limit 5", "fewer rows than are wanted", |fragments| {
        change(&mut fragments[1].root, &mut |operator| {
            if let OperatorKind::Limit { fetch, .. } = &mut operator.kind {
                *fetch = Some(4);
            }
        });
    });
    broken("select l_tax from lineitem order by l_tax limit 5", "other first rows", |fragments| {
        change(&mut fragments[1].root, &mut |operator| {
            if let OperatorKind::Sort { keys, .. } = &mut operator.kind {
                keys[0].descending = true;
            }
        });
    });
    const SORTED: &str = "select l_tax from lineitem order by l_tax";
    broken(SORTED, "an order that is lost", |fragments| {
        change(&mut fragments[0].root, &mut |operator| {
            if let OperatorKind::Receive { order, .. } = &mut operator.kind {
                order.clear();
            }
        });
    });
    broken(SORTED, "another order than that of the rows", |fragments| {
        change(&mut fragments[0].root, &mut |operator| {
            if let OperatorKind::Receive { order, .. } = &mut operator.kind {
                order[0].nulls_first = !order[0].nulls_first;
            }
        });
    });
    broken(SORTED, "an order of rows that have none", |fragments| {
        fragments[1].root = fragments[1].root.inputs.remove(0);
    });
    const RANGES: &str = "select l_orderkey from lineitem order by l_orderkey";
    let ranges = |fragments: &mut Vec<Fragment>, change: &dyn Fn(&mut SortKey, &mut Vec<Value>)| {
        let FragmentOutput::Range { key, bounds, .. } = &mut fragments[2].output else {
            panic!("{}", fragments[2])
        };
        change(key, bounds);
    };
    broken(RANGES, "bounds in no order", |fragments| ranges(fragments, &|_, bounds| bounds.reverse()));
    broken(RANGES, "no bounds", |fragments| ranges(fragments, &|_, bounds| bounds.clear()));
    broken(RANGES, "a bound of another type", |fragments| {
        ranges(fragments, &|_, bounds| bounds[0] = Value::utf8("a"));
    });
    broken(RANGES, "ranges of what is no column", |fragments| {
        ranges(fragments, &|key, bounds| key.expr = nyala_schema::Expr::Literal(bounds[0].clone()));
    });
    broken("select o_comment from orders", "at most one row on each node", |fragments| {
        let scan = fragments[1].root.clone();
        fragments[1].root = Operator { kind: OperatorKind::AtMostOneRow, inputs: vec![scan.clone()], ..scan };
        fragments[1].root.id = nyala_schema::id::OperatorId(77);
    });
}

#[test]
fn filters_have_a_maker() {
    let mut fragments = auto(&query(5));
    for fragment in &mut fragments {
        change(&mut fragment.root, &mut |operator| {
            if let OperatorKind::HashJoin(join) = &mut operator.kind {
                join.runtime_filters.clear();
            }
        });
    }
    expect_refused(&fragments, "a filter that nobody makes");
}
