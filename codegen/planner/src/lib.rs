//! An optimised logical plan as physical operators, cut into fragments.
//!
//! Three steps, each a pure function. [`lower`] translates DataFusion's plan into our own algebra, [`relation`], in
//! which a column keeps one number from the scan that makes it to the result. [`arrange`] chooses: it orders joins,
//! places predicates, picks build sides, by the guesses of [`estimate`]. [`emit`] writes the physical operators
//! down, with only the columns that are needed, and places runtime filters. [`cut`] splits the result into fragments.

pub mod arrange;
pub mod column;
pub mod cut;
mod disjunction;
pub mod emit;
pub mod estimate;
pub mod lower;
pub mod relation;
pub mod verify;

use datafusion_expr::LogicalPlan;
use nyala_schema::option::Options;
use nyala_schema::{Fragment, Operator, Result};

pub use cut::Distribution;

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
    let root = plan_operators(logical, options)?;
    Ok(cut::cut(root, catalog_version, distribution))
}

/// The operators of a query before they are cut.
///
/// # Errors
/// Those of [`plan`].
pub fn plan_operators(logical: &LogicalPlan, options: &Options) -> Result<Operator> {
    let mut columns = column::Columns::default();
    let lowered = lower::lower(logical, &mut columns)?;
    let arranged = arrange::arrange(lowered.relation, &mut columns, options)?;
    let root = emit::emit(&arranged, &lowered.columns, logical.schema(), &columns, options)?;
    if cfg!(debug_assertions) {
        verify::verify(&root)?;
    }
    Ok(root)
}
