//! An optimised logical plan as physical operators, cut into fragments.
//!
//! Four steps, each a pure function. [`lower`] translates DataFusion's plan into our own algebra, [`relation`], in
//! which a column keeps one number from the scan that makes it to the result. [`arrange`] chooses: it orders joins,
//! places predicates, picks build sides, by the guesses of [`estimate`]. [`emit`] writes the physical operators
//! down, with only the columns that are needed, and places runtime filters. [`distribute`] chooses where each of them runs and
//! splits the plan into fragments.

pub mod arrange;
pub mod column;
mod disjunction;
pub mod distribute;
pub mod emit;
pub mod estimate;
pub mod lower;
pub mod relation;
pub mod verify;

use datafusion_expr::LogicalPlan;
use emit::Unneeded;
use nyala_schema::option::Options;
use nyala_schema::{Fragment, Operator, Result};

pub use distribute::Distribution;

/// Plans a query for one process: a single fragment whose rows go to the client, with the logical plan's column names.
///
/// # Errors
/// `Unsupported` for what Nyala does not run, naming it; `TooComplex` for joins of more than
/// [`arrange::RELATIONS_MAX`] tables.
pub fn plan(logical: &LogicalPlan, catalog_version: u64, options: &Options) -> Result<Vec<Fragment>> {
    plan_for(logical, catalog_version, options, Distribution::default())
}

/// Plans a query for some nodes. The first fragment's rows go to the client, with the logical plan's column names; every
/// other one's go to a fragment before it.
///
/// # Errors
/// Those of [`plan`].
pub fn plan_for(
    logical: &LogicalPlan,
    catalog_version: u64,
    options: &Options,
    distribution: Distribution,
) -> Result<Vec<Fragment>> {
    let arranged = Arranged::new(logical, options)?;
    let root = arranged.emit(Unneeded::Stays)?;
    if !distribute::is_distributed(&root, options, distribution) {
        return Ok(vec![Fragment::whole(root, catalog_version)]);
    }
    let root = arranged.emit(Unneeded::Goes)?;
    let fragments = distribute::distribute(root, catalog_version, options, distribution)?;
    if cfg!(debug_assertions) {
        distribute::verify::verify(&fragments)?;
    }
    Ok(fragments)
}

/// The operators of a query before they are cut.
///
/// # Errors
/// Those of [`plan`].
pub fn plan_operators(logical: &LogicalPlan, options: &Options) -> Result<Operator> {
    Arranged::new(logical, options)?.emit(Unneeded::Stays)
}

/// A query whose operators only have to be written down.
struct Arranged<'a> {
    relation: relation::Relation,
    /// Of the result.
    output: Vec<column::ColumnId>,
    columns: column::Columns,
    logical: &'a LogicalPlan,
    options: &'a Options,
}

impl<'a> Arranged<'a> {
    fn new(logical: &'a LogicalPlan, options: &'a Options) -> Result<Self> {
        let mut columns = column::Columns::default();
        let lowered = lower::lower(logical, &mut columns)?;
        let relation = arrange::arrange(lowered.relation, &mut columns, options)?;
        Ok(Self { relation, output: lowered.columns, columns, logical, options })
    }

    fn emit(&self, unneeded: Unneeded) -> Result<Operator> {
        let names = self.logical.schema();
        let root = emit::emit(&self.relation, &self.output, names, &self.columns, self.options, unneeded)?;
        if cfg!(debug_assertions) {
            verify::verify(&root)?;
        }
        Ok(root)
    }
}
