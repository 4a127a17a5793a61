//! Row code over the columns of a chunk.

use std::sync::Arc;

use arrow::array::ArrayRef;
use nyala_pipeline::backend::States;
use nyala_pipeline::pipeline::Compute;
use nyala_pipeline::{Call, Outcome};
use nyala_schema::id::OperatorId;
use nyala_schema::{Error, Result};

use crate::code::slot::{Backends, CodeSlot};
use crate::column::{Chunk, Column, Composer, Indices};

/// A `Compute` of the plan with its code.
pub(crate) struct ComputeNode {
    pub(crate) slot: Arc<CodeSlot>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) kept: Vec<usize>,
}

/// The inputs of a run: arrays of `rows` rows, all of them or a selection.
struct Inputs {
    arrays: Vec<ArrayRef>,
    rows: usize,
    selection: Option<Indices>,
}

impl ComputeNode {
    pub(crate) fn new(compute: &Compute, operator: OperatorId, backends: &Backends) -> Arc<Self> {
        Arc::new(Self {
            slot: CodeSlot::new(&compute.code, operator, backends),
            inputs: compute.inputs.clone(),
            kept: compute.kept.clone(),
        })
    }

    /// Filters and projects.
    ///
    /// # Errors
    /// Those of the code.
    pub(crate) fn run(&self, chunk: &mut Chunk) -> Result<Chunk> {
        let inputs = self.inputs(chunk)?;
        let outcome = self.call(&inputs, None)?;
        let rows = match (&outcome.selection, &inputs.selection) {
            (Some(selection), _) => selection.len(),
            (None, Some(selection)) => selection.len(),
            (None, None) => inputs.rows,
        };
        let mut columns = match outcome.selection {
            None => chunk.pick(&self.kept),
            Some(survivors) if survivors.len() == chunk.rows => chunk.pick(&self.kept),
            Some(survivors) => keep_survivors(chunk, &self.kept, &inputs.selection, survivors)?,
        };
        columns.extend(outcome.columns.into_iter().map(Column::new));
        if columns.iter().any(|c| c.indices.as_ref().map_or(c.array.len(), Indices::len) != rows) {
            return Err(Error::internal("row code gave columns of unequal length"));
        }
        Ok(Chunk::new(rows, columns))
    }

    /// Only filters: the positions in the chunk that pass; `None` means all.
    ///
    /// # Errors
    /// Those of the code.
    pub(crate) fn filter(&self, chunk: &mut Chunk) -> Result<Option<Vec<u32>>> {
        let inputs = self.inputs(chunk)?;
        let outcome = self.call(&inputs, None)?;
        Ok(match outcome.selection {
            None => None,
            Some(survivors) if survivors.len() == chunk.rows => None,
            Some(survivors) => Some(match &inputs.selection {
                None => survivors,
                Some(selection) => positions_of(selection, &survivors),
            }),
        })
    }

    /// Updates aggregate states. `groups` has a group for each row of the chunk.
    ///
    /// # Errors
    /// Those of the code.
    pub(crate) fn update(
        &self,
        chunk: &mut Chunk,
        groups: Option<&[u32]>,
        records: &mut [u8],
        stride: usize,
    ) -> Result<()> {
        let inputs = self.inputs(chunk)?;
        self.call(&inputs, Some(States { groups, records, stride }))?;
        Ok(())
    }

    /// When all inputs share one selection the raw arrays are passed with it; else each is gathered.
    fn inputs(&self, chunk: &mut Chunk) -> Result<Inputs> {
        if let Some((first, rest)) = self.inputs.split_first()
            && let Some(shared) = chunk.columns[*first].indices.clone()
            && shared.as_selection().is_some()
            && rest.iter().all(|&i| chunk.columns[i].indices.as_ref().is_some_and(|o| o.is_same(&shared)))
        {
            let arrays: Vec<ArrayRef> =
                self.inputs.iter().map(|&index| chunk.columns[index].array.clone()).collect();
            let rows = arrays[0].len();
            if arrays.iter().all(|array| array.len() == rows) && rows / SPARSE < shared.len() {
                return Ok(Inputs { arrays, rows, selection: Some(shared) });
            }
        }
        let arrays = chunk.materialise_all(&self.inputs)?;
        Ok(Inputs { arrays, rows: chunk.rows, selection: None })
    }

    fn call(&self, inputs: &Inputs, states: Option<States<'_>>) -> Result<Outcome> {
        self.slot.run(Call {
            rows: inputs.rows,
            inputs: &inputs.arrays,
            parameters: &self.slot.code.parameters,
            selection: inputs.selection.as_ref().and_then(Indices::as_selection),
            states,
        })
    }
}

/// When fewer than one in so many rows is selected, gathering first is cheaper than what a backend may do with the
/// whole arrays.
const SPARSE: usize = 64;

/// `survivors` are row numbers of the arrays that were passed; columns that share their selection need nothing
/// else, for others the positions in the chunk are found.
fn keep_survivors(
    chunk: &Chunk,
    kept: &[usize],
    selection: &Option<Indices>,
    survivors: Vec<u32>,
) -> Result<Vec<Column>> {
    let Some(selection) = selection else {
        return chunk.pick_rows(kept, &Indices::ascending(survivors));
    };
    let is_shared = |c: &Column| c.indices.as_ref().is_some_and(|indices| indices.is_same(selection));
    let all_shared = kept.iter().all(|&index| is_shared(&chunk.columns[index]));
    let positions = if all_shared { vec![] } else { positions_of(selection, &survivors) };
    let (positions, survivors) = (Indices::ascending(positions), Indices::ascending(survivors));
    let mut composer = Composer::new(&positions);
    composer.know(selection, &survivors);
    kept.iter().map(|&index| composer.apply(&chunk.columns[index])).collect()
}

/// Where the values of `survivors` stand in `selection`; both ascend.
fn positions_of(selection: &Indices, survivors: &[u32]) -> Vec<u32> {
    let mut positions = Vec::with_capacity(survivors.len());
    let mut next = survivors.iter().copied().peekable();
    for (position, &row) in selection.array().values().iter().enumerate() {
        if next.peek() == Some(&row) {
            positions.push(position as u32);
            next.next();
        }
    }
    positions
}
