//! Which operators give the right rows where: the one place that knows.

use arrow::datatypes::DataType;
use nyala_schema::expr::Volatility;
use nyala_schema::fragment::Placement;
use nyala_schema::guest::OperatorOutput;
use nyala_schema::operator::{AggregateMode, GuestCall, HashJoin, JoinKind, OperatorKind};
use nyala_schema::{Expr, Operator};

use super::location::{Location, Partitioning, column_of};

/// Where the rows of `operator` are when it runs in a fragment of that placement over inputs whose rows are at `inputs`;
/// `None` when its rows would be wrong.
pub fn settle(operator: &Operator, placement: Placement, inputs: &[&Location]) -> Option<Location> {
    if placement == Placement::Coordinator {
        let here = inputs.iter().all(|input| **input == Location::Coordinator);
        return here.then_some(Location::Coordinator);
    }
    match (&operator.kind, inputs) {
        (OperatorKind::Scan(_), []) => Some(Location::Nodes(Partitioning::default())),
        (OperatorKind::Values(_) | OperatorKind::Series { .. }, []) => Some(Location::Everywhere),
        (OperatorKind::Filter { predicate }, [input]) => row_by_row(input, &[predicate], Clone::clone),
        (OperatorKind::Project { expressions }, [input]) => {
            let all: Vec<&Expr> = expressions.iter().collect();
            row_by_row(input, &all, |known| known.through(expressions))
        }
        (OperatorKind::Expand { projections }, [input]) => {
            let all: Vec<&Expr> = projections.iter().flatten().collect();
            let through = |known: &Partitioning| {
                let each = projections.iter().map(|expressions| known.through(expressions));
                each.reduce(|one, other| one.common(&other)).unwrap_or_default()
            };
            row_by_row(input, &all, through)
        }
        (OperatorKind::Unnest { columns, .. }, [input]) => {
            let is_kept = |column| !columns.iter().any(|list| list.index == column);
            row_by_row(input, &[], |known| known.kept(is_kept))
        }
        (OperatorKind::TableFunction { function, arguments }, [input]) => {
            if **input == Location::Everywhere && function.volatility != Volatility::Immutable {
                return None;
            }
            row_by_row(input, &arguments.iter().collect::<Vec<_>>(), Clone::clone)
        }
        (OperatorKind::Aggregate { keys, mode, .. }, [Location::Nodes(known)]) => match mode {
            AggregateMode::Partial => Some(Location::Nodes(Partitioning::default())),
            AggregateMode::Single | AggregateMode::Final => {
                known.holds_together(keys).then(|| Location::Nodes(known.through(keys)))
            }
        },
        (OperatorKind::Window { partition_by, .. }, [Location::Nodes(known)]) => {
            known.holds_together(partition_by).then(|| Location::Nodes(known.clone()))
        }
        (OperatorKind::Guest(call), _) => guest(call, inputs),
        (OperatorKind::HashJoin(join), [probe, build]) => hash_join(join, operator, probe, build),
        (OperatorKind::NestedLoopJoin { kind, .. }, [Location::Nodes(known), Location::Everywhere]) => {
            (!kind.emits_build_rows()).then(|| Location::Nodes(known.clone()))
        }
        (OperatorKind::Union, [first, rest @ ..]) => rest.iter().try_fold((*first).clone(), both),
        (
            OperatorKind::Scan(_)
            | OperatorKind::Values(_)
            | OperatorKind::Series { .. }
            | OperatorKind::Receive { .. }
            | OperatorKind::Filter { .. }
            | OperatorKind::Project { .. }
            | OperatorKind::Expand { .. }
            | OperatorKind::Aggregate { .. }
            | OperatorKind::Sort { .. }
            | OperatorKind::Limit { .. }
            | OperatorKind::Window { .. }
            | OperatorKind::Unnest { .. }
            | OperatorKind::AtMostOneRow
            | OperatorKind::TableFunction { .. }
            | OperatorKind::HashJoin(_)
            | OperatorKind::NestedLoopJoin { .. }
            | OperatorKind::Union
            | OperatorKind::Recursion { .. }
            | OperatorKind::RecursionInput { .. },
            _,
        ) => None,
    }
}

/// Whether exchanges hash values of a type. Others are compared where all rows are.
pub fn has_hash(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().all(|field| has_hash(field.data_type())),
        DataType::List(item) | DataType::LargeList(item) => has_hash(item.data_type()),
        DataType::Dictionary(_, value) => has_hash(value),
        other => !other.is_nested(),
    }
}

/// What handles each row for itself does so on any node. Copies stay copies as long as each node computes the same.
fn row_by_row(
    input: &Location,
    expressions: &[&Expr],
    known: impl Fn(&Partitioning) -> Partitioning,
) -> Option<Location> {
    match input {
        Location::Coordinator => None,
        Location::Everywhere => {
            expressions.iter().all(|expr| is_immutable(expr)).then_some(Location::Everywhere)
        }
        Location::Nodes(partitioning) => Some(Location::Nodes(known(partitioning))),
    }
}

/// Whether nodes that evaluate this on equal rows are sure to get equal values. What is stable is so within one node's share
/// of the statement.
fn is_immutable(expr: &Expr) -> bool {
    let changes = matches!(expr, Expr::Call { volatility, .. } if *volatility != Volatility::Immutable);
    !changes && expr.children().into_iter().all(is_immutable)
}

fn both(one: Location, other: &&Location) -> Option<Location> {
    match (one, other) {
        (Location::Nodes(one), Location::Nodes(other)) => Some(Location::Nodes(one.common(other))),
        (Location::Everywhere, Location::Everywhere) => Some(Location::Everywhere),
        (Location::Coordinator | Location::Everywhere | Location::Nodes(_), _) => None,
    }
}

/// Either each share of the probe rows meets all build rows, or rows that may match are on one node. Build rows that come
/// out of the join must be there once; NOT IN has to see every NULL.
fn hash_join(join: &HashJoin, operator: &Operator, probe: &Location, build: &Location) -> Option<Location> {
    let columns = operator.inputs.first().map_or(0, |probe| probe.schema.fields().len());
    match (probe, build) {
        (Location::Nodes(known), Location::Everywhere) if !join.kind.emits_build_rows() => {
            Some(Location::Nodes(joined(join, columns, known, &Partitioning::default())))
        }
        (Location::Nodes(probe), Location::Nodes(build))
            if !join.null_aware && probe.matches(build, &join.keys) =>
        {
            Some(Location::Nodes(joined(join, columns, probe, build)))
        }
        (Location::Coordinator | Location::Everywhere | Location::Nodes(_), _) => None,
    }
}

/// The partitioning of joined rows; `columns` of them are the probe side's where they come first.
fn joined(join: &HashJoin, columns: usize, probe: &Partitioning, build: &Partitioning) -> Partitioning {
    match join.kind {
        JoinKind::Inner => {
            let mut known = probe.clone();
            for (left, right) in &join.keys {
                if let (Some(left), Some(right)) = (column_of(left), column_of(right)) {
                    known.equate(left, right + columns);
                }
            }
            known
        }
        JoinKind::ProbeOuter | JoinKind::ProbeSemi | JoinKind::ProbeAnti | JoinKind::ProbeMark => {
            probe.clone()
        }
        JoinKind::BuildOuter => build.shifted(columns),
        JoinKind::BuildSemi | JoinKind::BuildAnti | JoinKind::BuildMark => build.clone(),
        // The NULLs of rows without a match are on every node.
        JoinKind::FullOuter => Partitioning::default(),
    }
}

/// Partitions must be whole, and those of several inputs that go together on one node: all inputs are partitioned by the hash
/// of their keys then.
fn guest(call: &GuestCall, inputs: &[&Location]) -> Option<Location> {
    let mut known: Vec<&Partitioning> = vec![];
    for (wanted, input) in call.inputs.iter().zip(inputs) {
        let Location::Nodes(partitioning) = input else { return None };
        if !partitioning.holds_together(&wanted.partition_by) {
            return None;
        }
        known.push(partitioning);
    }
    let first = call.inputs.first()?;
    for (other, partitioning) in call.inputs.iter().zip(&known).skip(1) {
        let pairs: Vec<(Expr, Expr)> =
            first.partition_by.iter().cloned().zip(other.partition_by.iter().cloned()).collect();
        let same_types = pairs.iter().all(|(one, other)| one.data_type() == other.data_type());
        if first.partition_by.len() != other.partition_by.len()
            || !same_types
            || !known[0].matches(partitioning, &pairs)
        {
            return None;
        }
    }
    Some(Location::Nodes(match call.operator.output {
        OperatorOutput::Extends(_) => known[0].clone(),
        OperatorOutput::Columns(_) | OperatorOutput::LikeInput(_) => Partitioning::default(),
    }))
}
