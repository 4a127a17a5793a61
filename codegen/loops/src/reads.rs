//! Which columns and constants a loop reads: the order of its column slots.

use std::collections::BTreeSet;

use nyala_schema::Result;

use crate::facts::Facts;
use crate::plan::LoopStage;

/// Where a column of a loop comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An input of the program, indexed by row.
    Input(u32),
    /// A column that a fallback stage computed, dense over the rows that enter the loop.
    Carried(usize),
}

#[derive(Debug)]
pub struct Reads {
    /// Slots in order.
    pub columns: Vec<Source>,
    pub constants: BTreeSet<u32>,
}

impl Reads {
    /// # Errors
    /// Internal: the program is malformed.
    pub fn of(facts: &Facts<'_>, stage: &LoopStage) -> Result<Self> {
        let mut columns: BTreeSet<Source> = stage.carried.values().copied().map(Source::Carried).collect();
        let mut constants = BTreeSet::new();
        for id in facts.closure(&stage.roots(facts), &|id| stage.carried.contains_key(&id))? {
            let fact = facts.get(id)?;
            columns.extend(fact.columns.iter().copied().map(Source::Input));
            constants.extend(&fact.constants);
        }
        Ok(Self { columns: columns.into_iter().collect(), constants })
    }
}
