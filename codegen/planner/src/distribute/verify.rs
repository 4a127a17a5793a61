//! The rules that the fragments of a plan keep: rows arrive where they are received, and every operator is where its rows
//! are right.

use std::collections::{HashMap, HashSet};

use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::{FragmentId, RuntimeFilterId};
use nyala_schema::operator::{AggregateMode, OperatorKind, SortKey};
use nyala_schema::{Error, Fragment, Operator, Result};

use super::location::{Location, Partitioning, column_of};
use super::rule;

/// Checks the fragments of a plan.
///
/// # Errors
/// `Internal`, naming the fragment and the rule.
pub fn verify(fragments: &[Fragment]) -> Result<()> {
    let mut ids = HashSet::new();
    let mut known: HashMap<FragmentId, &Fragment> = HashMap::new();
    for (index, fragment) in fragments.iter().enumerate() {
        let context = |error: Error| error.context(format!("fragment {}", fragment.id));
        crate::verify::verify(&fragment.root).map_err(context)?;
        let mut is_unique = true;
        fragment.root.for_each(&mut |operator| is_unique &= ids.insert(operator.id));
        expect(is_unique, "ids of operators that are unique").map_err(context)?;
        check_output(fragment, index, &known).map_err(context)?;
        expect(known.insert(fragment.id, fragment).is_none(), "an id of its own").map_err(context)?;
    }
    let plan = Plan { fragments: known, uses: uses(fragments) };
    let made = makers(fragments);
    expect(plan.uses.keys().all(|used| made.contains(used)), "a join that makes each filter that is used")?;
    for fragment in fragments {
        let context = |error: Error| error.context(format!("fragment {}", fragment.id));
        plan.check_places(fragment).map_err(context)?;
        plan.check_filters(fragment).map_err(context)?;
    }
    Ok(())
}

/// The first goes to the client; every other to a fragment before it, which receives it once, with the same columns.
fn check_output(fragment: &Fragment, index: usize, known: &HashMap<FragmentId, &Fragment>) -> Result<()> {
    let Some(to) = fragment.output.to() else {
        let is_clients = index == 0 && fragment.placement == Placement::Coordinator;
        return expect(is_clients, "another fragment that receives it");
    };
    expect(index > 0, "the client as its receiver")?;
    let Some(receiver) = known.get(&to) else { return expect(false, "a receiver among those before it") };
    let mut received = 0;
    let mut is_alike = true;
    let mut is_ordered = true;
    receiver.root.for_each(&mut |operator| {
        if let OperatorKind::Receive { from, order } = &operator.kind
            && *from == fragment.id
        {
            received += 1;
            is_alike &= operator.schema == fragment.root.schema;
            is_ordered &= order.as_slice() == order_of(fragment);
        }
    });
    expect(received == 1, "exactly one receiver")?;
    expect(is_alike, "a receiver of the same columns")?;
    expect(is_ordered, "a receiver that keeps the order of its rows")?;
    let wanted = match &fragment.output {
        FragmentOutput::Client | FragmentOutput::Gather { .. } => Placement::Coordinator,
        FragmentOutput::Broadcast { .. }
        | FragmentOutput::Hash { .. }
        | FragmentOutput::RoundRobin { .. }
        | FragmentOutput::Range { .. } => Placement::Nodes,
    };
    expect(receiver.placement == wanted, "an output that fits where its receiver is")?;
    if let FragmentOutput::Hash { keys, .. } = &fragment.output {
        let fields = fragment.root.schema.fields();
        let has_hash =
            |column: usize| fields.get(column).is_some_and(|field| rule::has_hash(field.data_type()));
        let is_there = |key| column_of(key).is_some_and(has_hash);
        expect(!keys.is_empty() && keys.iter().all(is_there), "columns as its keys")?;
    }
    if let FragmentOutput::Range { key, bounds, .. } = &fragment.output {
        let fields = fragment.root.schema.fields();
        let field = column_of(&key.expr).and_then(|column| fields.get(column));
        let is_there = field.is_some_and(|field| *field.data_type() == key.expr.data_type());
        expect(is_there, "a column as its key")?;
        key.check_bounds(bounds).map_err(|error| Error::internal(error.message()))?;
    }
    Ok(())
}

/// In which all instances of a fragment send their rows, when that has to be kept. All have taken all their rows before they
/// send the first, so that none waits for another while the receiver waits for it.
fn order_of(fragment: &Fragment) -> &[SortKey] {
    match &fragment.root.kind {
        OperatorKind::Sort { keys, fetch: None } if fragment.placement == Placement::Nodes => keys,
        _ => &[],
    }
}

/// Where each runtime filter is used.
fn uses(fragments: &[Fragment]) -> HashMap<RuntimeFilterId, Vec<FragmentId>> {
    let mut uses: HashMap<RuntimeFilterId, Vec<FragmentId>> = HashMap::new();
    for fragment in fragments {
        fragment.root.for_each(&mut |operator| {
            if let OperatorKind::Scan(scan) = &operator.kind {
                scan.runtime_filters.iter().for_each(|used| {
                    uses.entry(used.filter).or_default().push(fragment.id);
                });
            }
        });
    }
    uses
}

/// The filters that joins make.
fn makers(fragments: &[Fragment]) -> HashSet<RuntimeFilterId> {
    let mut made = HashSet::new();
    for fragment in fragments {
        fragment.root.for_each(&mut |operator| {
            if let OperatorKind::HashJoin(join) = &operator.kind {
                made.extend(join.runtime_filters.iter().map(|(filter, _)| *filter));
            }
        });
    }
    made
}

struct Plan<'a> {
    fragments: HashMap<FragmentId, &'a Fragment>,
    uses: HashMap<RuntimeFilterId, Vec<FragmentId>>,
}

impl Plan<'_> {
    fn check_places(&self, fragment: &Fragment) -> Result<()> {
        fragment.root.inputs.iter().try_for_each(expect_no_partial)?;
        let first = below_projections(&fragment.root);
        if fragment.placement == Placement::Nodes && picks_rows(first) {
            self.check_preselection(fragment, first)?;
            return self.location(&first.inputs[0], fragment.placement).map(drop);
        }
        if !order_of(fragment).is_empty() {
            let is_gathered = matches!(fragment.output, FragmentOutput::Gather { .. });
            expect(is_gathered, "one receiver of all its rows in order")?;
            let input = self.location(&fragment.root.inputs[0], fragment.placement)?;
            return expect(matches!(input, Location::Nodes(_)), "rows that are not on every node");
        }
        let location = self.location(&fragment.root, fragment.placement)?;
        if let OperatorKind::Aggregate { mode: AggregateMode::Partial, .. } = &fragment.root.kind {
            self.check_partial(fragment)?;
        }
        // Else every node would send what it has the same as the others.
        expect(location != Location::Everywhere, "rows that are not on every node")
    }

    fn location(&self, operator: &Operator, placement: Placement) -> Result<Location> {
        if let OperatorKind::Receive { from, .. } = &operator.kind {
            return self.received(*from);
        }
        let inputs = operator.inputs.iter().map(|input| self.location(input, placement));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let inputs: Vec<&Location> = inputs.iter().collect();
        let settled = rule::settle(operator, placement, &inputs);
        settled.ok_or_else(|| {
            Error::internal(format!("{} {} is in the wrong place", operator.id, operator.kind))
        })
    }

    fn received(&self, from: FragmentId) -> Result<Location> {
        let sender = self.fragments.get(&from);
        let sender = sender.ok_or_else(|| Error::internal(format!("{from} is received and not there")))?;
        Ok(match &sender.output {
            FragmentOutput::Client | FragmentOutput::Gather { .. } => Location::Coordinator,
            FragmentOutput::Broadcast { .. } => Location::Everywhere,
            FragmentOutput::RoundRobin { .. } | FragmentOutput::Range { .. } => {
                Location::Nodes(Partitioning::default())
            }
            FragmentOutput::Hash { keys, .. } => {
                Location::Nodes(Partitioning::by(keys.iter().filter_map(column_of)))
            }
        })
    }

    /// The operator that takes a fragment's rows as they arrive, or with other columns.
    fn consumer(&self, fragment: &Fragment) -> Option<&Operator> {
        let receiver = self.fragments.get(&fragment.output.to()?)?;
        let mut found = None;
        receiver.root.for_each(&mut |operator| {
            let takes = |input: &Operator| {
                matches!(&below_projections(input).kind, OperatorKind::Receive { from, .. } if *from == fragment.id)
            };
            let is_projection = matches!(operator.kind, OperatorKind::Project { .. });
            if !is_projection && operator.inputs.iter().any(takes) {
                found = Some(operator);
            }
        });
        found
    }

    /// What picks rows on each node stands before the same on the coordinator, which picks no more than each node has left.
    fn check_preselection(&self, fragment: &Fragment, first: &Operator) -> Result<()> {
        let consumer = self.consumer(fragment).map(|operator| &operator.kind);
        let is_last = match (&first.kind, consumer) {
            (
                OperatorKind::Limit { skip: 0, fetch: Some(left) },
                Some(OperatorKind::Limit { skip, fetch }),
            ) => fetch.is_some_and(|fetch| fetch.saturating_add(*skip) <= *left),
            (first @ OperatorKind::Sort { .. }, Some(last)) => first == last,
            _ => false,
        };
        expect(
            is_last && matches!(fragment.output, FragmentOutput::Gather { .. }),
            "a last choice of its rows",
        )
    }

    fn check_partial(&self, fragment: &Fragment) -> Result<()> {
        let (OperatorKind::Aggregate { keys, aggregates, .. }, Some(last)) =
            (&fragment.root.kind, self.consumer(fragment))
        else {
            return expect(false, "a final aggregate");
        };
        let OperatorKind::Aggregate { keys: last_keys, aggregates: last_calls, mode: AggregateMode::Final } =
            &last.kind
        else {
            return expect(false, "a final aggregate");
        };
        expect(keys.len() == last_keys.len() && aggregates == last_calls, "the same final aggregate")
    }

    /// A filter is used by scans of its own fragment as each instance makes it: it must be whole there then.
    fn check_filters(&self, fragment: &Fragment) -> Result<()> {
        let mut made = vec![];
        fragment.root.for_each(&mut |operator| {
            if let OperatorKind::HashJoin(join) = &operator.kind {
                made.extend(join.runtime_filters.iter().map(|(filter, _)| (*filter, operator)));
            }
        });
        for (filter, join) in made {
            let is_used = self.uses.get(&filter).is_some_and(|places| places.contains(&fragment.id));
            if is_used && fragment.placement == Placement::Nodes {
                let build = self.location(&join.inputs[1], fragment.placement)?;
                expect(build == Location::Everywhere, "the whole of a runtime filter's rows")?;
            }
        }
        Ok(())
    }
}

/// A partial aggregate's columns are for a final one in another fragment.
fn expect_no_partial(operator: &Operator) -> Result<()> {
    let mut is_there = false;
    operator.for_each(&mut |operator| {
        is_there |= matches!(operator.kind, OperatorKind::Aggregate { mode: AggregateMode::Partial, .. });
    });
    expect(!is_there, "an exchange above a partial aggregate")
}

/// The operator under projections, which neither add rows nor leave any out.
fn below_projections(operator: &Operator) -> &Operator {
    match (&operator.kind, operator.inputs.as_slice()) {
        (OperatorKind::Project { .. }, [input]) => below_projections(input),
        _ => operator,
    }
}

fn picks_rows(operator: &Operator) -> bool {
    matches!(
        operator.kind,
        OperatorKind::Limit { fetch: Some(_), .. } | OperatorKind::Sort { fetch: Some(_), .. }
    )
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::internal(format!("the fragment lacks {what}"))) }
}
