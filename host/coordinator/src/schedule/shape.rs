//! What the fragments of a plan ask of those that place them.

use std::collections::BTreeMap;
use std::time::Duration;

use nyala_schema::deploy::AwaitedFilter;
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::{FragmentId, OperatorId, RuntimeFilterId};
use nyala_schema::scan::TableScan;
use nyala_schema::{Error, Fragment, Operator, OperatorKind, Result};

/// A scan of fewer rows does not wait for a filter.
const WAIT_ROWS_MIN: f64 = 100_000.0;
/// Nor does one that the filter's join expects to keep more than one row in so many of.
const WAIT_KEPT_MAX: f64 = 2.0;

/// A plan's scans and filters.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Of fragments that run on several nodes: to be shared out.
    pub(crate) scans: Vec<SharedScan>,
    /// That scans of another fragment than the join's use.
    pub(crate) filters: Vec<AwaitedFilter>,
    /// Which fragment makes which of those.
    pub(crate) makers: BTreeMap<RuntimeFilterId, FragmentId>,
    /// Of all operators together: how much there is to do.
    pub(crate) rows_estimated: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct SharedScan {
    pub(crate) fragment: FragmentId,
    pub(crate) operator: OperatorId,
    pub(crate) scan: TableScan,
}

impl Shape {
    /// # Errors
    /// Internal for fragments that are no plan: it is a mistake of ours.
    pub(crate) fn of(fragments: &[Fragment], filter_wait: Duration) -> Result<Self> {
        check(fragments)?;
        let mut shape = Self::default();
        let mut made: BTreeMap<RuntimeFilterId, (FragmentId, f64)> = BTreeMap::new();
        for fragment in fragments {
            visit(&fragment.root, &mut |operator| {
                if let OperatorKind::HashJoin(join) = &operator.kind {
                    let rows = operator.inputs.get(1).map_or(0.0, |build| build.rows_estimated);
                    made.extend(
                        join.runtime_filters.iter().map(|(filter, _)| (*filter, (fragment.id, rows))),
                    );
                }
            });
        }
        for fragment in fragments {
            visit(&fragment.root, &mut |operator| {
                shape.rows_estimated += operator.rows_estimated;
                if let OperatorKind::Scan(scan) = &operator.kind {
                    shape.add_scan(fragment, operator, scan, &made, filter_wait);
                }
            });
        }
        Ok(shape)
    }

    fn add_scan(
        &mut self,
        fragment: &Fragment,
        operator: &Operator,
        scan: &TableScan,
        made: &BTreeMap<RuntimeFilterId, (FragmentId, f64)>,
        wait_max: Duration,
    ) {
        if fragment.placement == Placement::Nodes {
            let shared = SharedScan { fragment: fragment.id, operator: operator.id, scan: scan.clone() };
            self.scans.push(shared);
        }
        for used in &scan.runtime_filters {
            let Some((maker, build_rows)) = made.get(&used.filter) else { continue };
            if *maker == fragment.id {
                continue;
            }
            let rows = operator.rows_estimated;
            let pays = rows >= WAIT_ROWS_MIN && build_rows * WAIT_KEPT_MAX < rows;
            let wait_ms = if pays { wait_max.as_millis() as u32 } else { 0 };
            let (scan, filter) = (operator.id, used.filter);
            self.filters.push(AwaitedFilter { fragment: fragment.id, scan, filter, wait_ms });
            self.makers.insert(used.filter, *maker);
        }
    }
}

fn check(fragments: &[Fragment]) -> Result<()> {
    let wrong = |what: String| Err(Error::internal(format!("a plan cannot be placed: {what}")));
    let Some(first) = fragments.first() else { return wrong("it has no fragment".into()) };
    if first.output != FragmentOutput::Client || first.placement != Placement::Coordinator {
        return wrong(format!("{} does not give the result", first.id));
    }
    for (index, fragment) in fragments.iter().enumerate().skip(1) {
        let earlier = |id: FragmentId| fragments[..index].iter().any(|earlier| earlier.id == id);
        match fragment.output.to() {
            Some(to) if earlier(to) && !earlier(fragment.id) => {}
            to => return wrong(format!("{} sends to {to:?}", fragment.id)),
        }
    }
    Ok(())
}

/// The operator and all below.
pub(crate) fn visit<'a>(operator: &'a Operator, see: &mut dyn FnMut(&'a Operator)) {
    see(operator);
    operator.inputs.iter().for_each(|input| visit(input, see));
}
