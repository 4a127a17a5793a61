//! Cuts a program into stages: parts that run as one compiled loop, and parts left to the interpreter.
//!
//! Filters in loops run first, because they are cheap; the interpreter then sees only the rows that they left. A
//! filter may overtake another one only when nothing that it computes early could fail, so no row that the
//! interpreter drops can ever raise an error. Statements run later than in the program at most.

use std::collections::{BTreeMap, BTreeSet};

use nyala_pipeline::program::{StateOp, StateUpdate};
use nyala_pipeline::{Op, Type, ValueId};
use nyala_schema::{Error, Result};

use crate::facts::{Facts, Filter};
use crate::lane::Lane;

/// Filters that cost no more than this together are evaluated without branches between them.
const BRANCH_FREE_COST_MAX: u32 = 48;

/// Stages in the order in which they run, and where the program's outputs come from.
#[derive(Debug)]
pub struct Plan {
    pub stages: Vec<Stage>,
    pub outputs: Vec<OutputSource>,
    /// Types of the columns that fallback stages hand to later stages.
    pub carried: Vec<Type>,
    /// The program drops rows.
    pub filters: bool,
}

#[derive(Debug)]
pub enum Stage {
    Loop(LoopStage),
    Fallback(FallbackStage),
}

/// One loop.
#[derive(Debug, Default)]
pub struct LoopStage {
    /// Evaluated first and branch-free; none of their statements fails.
    pub scan_filters: Vec<ValueId>,
    /// Evaluated one after the other, each with a branch.
    pub row_filters: Vec<ValueId>,
    pub outputs: Vec<ValueId>,
    /// Indices of the program's updates.
    pub updates: Vec<usize>,
    /// Values that fallback stages computed, by carried column.
    pub carried: BTreeMap<ValueId, usize>,
}

/// A part for the interpreter.
#[derive(Debug)]
pub struct FallbackStage {
    pub filters: Vec<Filter>,
    /// Values wanted and the carried columns that they become.
    pub outputs: Vec<(ValueId, usize)>,
    pub updates: Vec<usize>,
}

/// Where an output column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputSource {
    /// An input column, its surviving rows taken.
    Column(u32),
    /// Output of the last loop stage.
    Loop(usize),
    Carried(usize),
}

impl LoopStage {
    /// All values that the loop computes directly.
    pub fn roots(&self, facts: &Facts<'_>) -> Vec<ValueId> {
        let updates = self.updates.iter().map(|&index| &facts.program.updates[index]);
        let operands = updates.flat_map(update_values);
        let filters = self.scan_filters.iter().chain(&self.row_filters);
        filters.chain(&self.outputs).copied().chain(operands).collect()
    }

    pub fn filters(&self) -> bool {
        !self.scan_filters.is_empty() || !self.row_filters.is_empty()
    }

    /// Whether anything happens for the rows that pass `scan_filters`.
    pub fn has_row_part(&self) -> bool {
        !self.row_filters.is_empty() || !self.outputs.is_empty() || !self.updates.is_empty()
    }
}

impl Plan {
    /// # Errors
    /// Unsupported when compiled code gains nothing.
    pub fn of(facts: &Facts<'_>) -> Result<Plan> {
        let mut planner = Planner { facts, stages: Vec::new(), carried: BTreeMap::new(), types: Vec::new() };
        let mut remaining = facts.filters.clone();
        let pending = loop {
            let picked = planner.pick(&mut remaining)?;
            if remaining.is_empty() {
                break picked;
            }
            planner.push_loop(picked, Vec::new(), Vec::new())?;
            planner.push_fallback_filters(&mut remaining)?;
        };
        planner.finish(pending)
    }
}

struct Planner<'a, 'p> {
    facts: &'a Facts<'p>,
    stages: Vec<Stage>,
    carried: BTreeMap<ValueId, usize>,
    types: Vec<Type>,
}

impl Planner<'_, '_> {
    /// Takes the filters that a loop can run now, out of `remaining`.
    fn pick(&self, remaining: &mut Vec<Filter>) -> Result<Vec<ValueId>> {
        let (mut picked, mut left) = (Vec::new(), Vec::new());
        for filter in remaining.drain(..) {
            let overtaken = left.first().map(|first: &Filter| first.position);
            match self.loop_closure(filter.value)? {
                Some(closure) if self.may_overtake(&closure, overtaken)? => picked.push(filter.value),
                _ => left.push(filter),
            }
        }
        *remaining = left;
        Ok(picked)
    }

    fn may_overtake(&self, closure: &[ValueId], overtaken: Option<usize>) -> Result<bool> {
        let Some(overtaken) = overtaken else { return Ok(true) };
        for id in closure {
            let fact = self.facts.get(*id)?;
            if fact.own.fallible && fact.position > overtaken {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All that `root` needs, when compiled code can do all of it.
    fn loop_closure(&self, root: ValueId) -> Result<Option<Vec<ValueId>>> {
        let closure = self.facts.closure(&[root], &|id| self.carried.contains_key(&id))?;
        for id in &closure {
            if !self.facts.get(*id)?.own.compiled {
                return Ok(None);
            }
        }
        Ok(Some(closure))
    }

    /// The values nearest to `roots` that compiled code cannot do.
    fn frontier(&self, roots: &[ValueId]) -> Result<BTreeSet<ValueId>> {
        let (mut frontier, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut open = roots.to_vec();
        while let Some(id) = open.pop() {
            if self.carried.contains_key(&id) || !seen.insert(id) {
                continue;
            }
            let fact = self.facts.get(id)?;
            if fact.own.compiled {
                open.extend(&fact.operands);
            } else {
                frontier.insert(id);
            }
        }
        Ok(frontier)
    }

    /// The first remaining filters, as far as compiled code cannot do them, to the interpreter.
    fn push_fallback_filters(&mut self, remaining: &mut Vec<Filter>) -> Result<()> {
        let mut count = 1;
        while count < remaining.len() && self.loop_closure(remaining[count].value)?.is_none() {
            count += 1;
        }
        let filters: Vec<Filter> = remaining.drain(..count).collect();
        let conditions: Vec<ValueId> = filters.iter().map(|filter| filter.value).collect();
        let computed: BTreeSet<ValueId> = self.facts.closure(&conditions, &|_| false)?.into_iter().collect();
        let mut later: Vec<ValueId> = remaining.iter().map(|filter| filter.value).collect();
        later.extend(&self.facts.program.outputs);
        later.extend(self.facts.program.updates.iter().flat_map(update_values));
        let shared: Vec<ValueId> = self.frontier(&later)?.intersection(&computed).copied().collect();
        let outputs = self.carry(shared)?;
        self.stages.push(Stage::Fallback(FallbackStage { filters, outputs, updates: Vec::new() }));
        Ok(())
    }

    fn carry(&mut self, values: impl IntoIterator<Item = ValueId>) -> Result<Vec<(ValueId, usize)>> {
        let mut outputs = Vec::new();
        for id in values {
            let slot = self.types.len();
            self.types.push(self.facts.get(id)?.ty.clone());
            self.carried.insert(id, slot);
            outputs.push((id, slot));
        }
        Ok(outputs)
    }

    fn push_loop(&mut self, filters: Vec<ValueId>, outputs: Vec<ValueId>, updates: Vec<usize>) -> Result<()> {
        let mut stage = LoopStage { outputs, updates, ..LoopStage::default() };
        let roots: Vec<ValueId> = filters.iter().copied().chain(stage.roots(self.facts)).collect();
        for id in self.facts.closure(&roots, &|_| false)?.iter().chain(&roots) {
            if let Some(slot) = self.carried.get(id) {
                stage.carried.insert(*id, *slot);
            }
        }
        let cheap = self.branch_free_prefix(&filters)?;
        // Carried columns are dense over the rows that enter the loop, whose positions the second part of a
        // loop in two parts does not know.
        let two_parts = cheap < filters.len() || !stage.outputs.is_empty() || !stage.updates.is_empty();
        let cheap = if two_parts && !stage.carried.is_empty() { 0 } else { cheap };
        stage.scan_filters = filters[..cheap].to_vec();
        stage.row_filters = filters[cheap..].to_vec();
        if stage.filters() || stage.has_row_part() {
            self.stages.push(Stage::Loop(stage));
        }
        Ok(())
    }

    /// How many of the filters, from the first, cannot fail and are cheap together.
    fn branch_free_prefix(&self, filters: &[ValueId]) -> Result<usize> {
        let mut known: BTreeSet<ValueId> = self.carried.keys().copied().collect();
        let mut cost = 0u32;
        for (index, filter) in filters.iter().enumerate() {
            for id in self.facts.closure(&[*filter], &|id| known.contains(&id))? {
                let own = self.facts.get(id)?.own;
                cost = cost.saturating_add(own.cost);
                if own.fallible || cost > BRANCH_FREE_COST_MAX {
                    return Ok(index);
                }
                known.insert(id);
            }
        }
        Ok(filters.len())
    }

    fn finish(mut self, pending: Vec<ValueId>) -> Result<Plan> {
        let program = self.facts.program;
        let (mut loop_updates, mut fallback_updates) = (Vec::new(), Vec::new());
        for (index, update) in program.updates.iter().enumerate() {
            match self.update_is_compiled(update)? {
                true => loop_updates.push(index),
                false => fallback_updates.push(index),
            }
        }
        let computed = self.computed_outputs()?;
        let loop_values = loop_updates.iter().flat_map(|&index| update_values(&program.updates[index]));
        let roots: Vec<ValueId> = computed.iter().copied().chain(loop_values).collect();
        let frontier = self.frontier(&roots)?;
        if frontier.is_empty() && fallback_updates.is_empty() {
            return self.end(pending, computed, loop_updates);
        }
        self.push_loop(pending, Vec::new(), Vec::new())?;
        let outputs = self.carry(frontier)?;
        self.stages.push(Stage::Fallback(FallbackStage {
            filters: Vec::new(),
            outputs,
            updates: fallback_updates,
        }));
        self.end(Vec::new(), computed, loop_updates)
    }

    /// Outputs that are more than an input column handed on. Fixed-width columns are compacted by the loop that
    /// filters.
    fn computed_outputs(&self) -> Result<Vec<ValueId>> {
        let mut computed = Vec::new();
        for id in &self.facts.program.outputs {
            if self.passed_column(*id)?.is_none() && !computed.contains(id) {
                computed.push(*id);
            }
        }
        Ok(computed)
    }

    fn passed_column(&self, id: ValueId) -> Result<Option<u32>> {
        let fact = self.facts.get(id)?;
        Ok(match fact.op {
            Op::Input(column) => {
                let compact = !self.facts.filters.is_empty() && Lane::of(&fact.ty.data_type).is_some();
                (!compact).then_some(*column)
            }
            _ => None,
        })
    }

    fn update_is_compiled(&self, update: &StateUpdate) -> Result<bool> {
        let Some(value) = update.value else { return Ok(update.op == StateOp::Count) };
        let data_type = &self.facts.get(value)?.ty.data_type;
        let lane = Lane::of(data_type);
        Ok(match &update.op {
            StateOp::Count => true,
            StateOp::SumInteger => matches!(lane, Some(Lane::Int { .. } | Lane::Wide)),
            StateOp::SumFloat => lane.is_some_and(Lane::is_float),
            StateOp::Min(ty) | StateOp::Max(ty) => ty == data_type && lane.is_some(),
        })
    }

    fn end(mut self, filters: Vec<ValueId>, computed: Vec<ValueId>, updates: Vec<usize>) -> Result<Plan> {
        let looped: Vec<ValueId> = computed.into_iter().filter(|id| !self.carried.contains_key(id)).collect();
        let mut outputs = Vec::new();
        for id in &self.facts.program.outputs {
            let source = match (self.passed_column(*id)?, self.carried.get(id)) {
                (Some(column), _) => OutputSource::Column(column),
                (None, Some(slot)) => OutputSource::Carried(*slot),
                (None, None) => {
                    let index = looped.iter().position(|other| other == id);
                    OutputSource::Loop(index.ok_or_else(|| Error::internal("an output without a source"))?)
                }
            };
            outputs.push(source);
        }
        self.push_loop(filters, looped, updates)?;
        let filters = !self.facts.filters.is_empty();
        let plan = Plan { stages: self.stages, outputs, carried: self.types, filters };
        if gains(self.facts, &plan)? {
            return Ok(plan);
        }
        Err(Error::unsupported("compiled code gains nothing on this program"))
    }
}

/// Whether loops do more than copy columns.
fn gains(facts: &Facts<'_>, plan: &Plan) -> Result<bool> {
    for stage in &plan.stages {
        let Stage::Loop(stage) = stage else { continue };
        if !stage.updates.is_empty() || stage.filters() {
            return Ok(true);
        }
        for id in facts.closure(&stage.roots(facts), &|id| stage.carried.contains_key(&id))? {
            if !matches!(facts.get(id)?.op, Op::Input(_) | Op::Parameter(_)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The values that an update reads.
pub fn update_values(update: &StateUpdate) -> impl Iterator<Item = ValueId> {
    update.value.into_iter().chain(update.mask)
}
