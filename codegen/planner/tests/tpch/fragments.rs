//! Plans cut for several nodes.

use nyala_planner::{Distribution, distribute};
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::operator::{AggregateMode, OperatorKind};
use nyala_schema::option::{DistributionChoice, Options};
use nyala_schema::{Fragment, wire};

use crate::{every_query, logical, query};

fn on_nodes(sql: &str, nodes: usize, distribution: DistributionChoice) -> Vec<Fragment> {
    let options = Options { distribution, ..Options::default() };
    let logical = logical(sql).expect("a logical plan");
    nyala_planner::plan_for(&logical, 7, &options, Distribution { nodes }).expect("a plan")
}

#[test]
fn print() {
    for number in 1..=22 {
        println!("== q{number}");
        for fragment in on_nodes(&query(number), 3, DistributionChoice::Auto) {
            print!("{fragment}");
        }
    }
}

/// Fragments are checked as they are planned; here once more as they arrive on another node.
#[test]
fn every_query_is_cut_soundly_and_travels() {
    let mut failed = vec![];
    for sql in every_query() {
        for nodes in 1..=3 {
            for choice in [DistributionChoice::Auto, DistributionChoice::Always, DistributionChoice::Never] {
                let fragments = on_nodes(&sql, nodes, choice);
                let travelled: Vec<Fragment> = fragments
                    .iter()
                    .map(|fragment| wire::encode_fragment(fragment).and_then(|bytes| wire::decode_fragment(&bytes)))
                    .collect::<Result<_, _>>()
                    .expect("a wire form");
                if travelled != fragments {
                    failed.push(format!("{sql}\n    changed on the wire"));
                }
                if let Err(error) = distribute::verify::verify(&travelled) {
                    failed.push(format!("{sql}\n    {error:?}"));
                }
                let is_one = nodes == 1 || choice == DistributionChoice::Never;
                assert!(!is_one || fragments.len() == 1, "{sql}");
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
