//! `Op::If`: each branch for its rows only.

use arrow::array::BooleanArray;
use arrow::compute::not;
use nyala_schema::Result;

use crate::dictionary::unpacked;
use crate::evaluate::run_block;
use crate::frame::{Frame, Run};
use crate::kernel::select::{scatter, select, truth};
use crate::prepare::PreparedBranch;
use crate::register::Register;

/// # Errors
/// Those of the branches.
pub(crate) fn choose(
    condition: &Register,
    then: &PreparedBranch,
    otherwise: &PreparedBranch,
    frame: &mut Frame,
    run: &Run<'_>,
) -> Result<Register> {
    let mask = truth(condition.boolean()?);
    let wanted = mask.true_count();
    if wanted == mask.len() && wanted > 0 {
        return everywhere(then, frame, run);
    }
    if wanted == 0 {
        return everywhere(otherwise, frame, run);
    }
    if then.block.harmless && otherwise.block.harmless {
        let then = unpacked(everywhere(then, frame, run)?)?;
        let otherwise = unpacked(everywhere(otherwise, frame, run)?)?;
        return select(&mask, &then, &otherwise);
    }
    let then = for_rows(then, &mask, frame, run)?;
    let otherwise = for_rows(otherwise, &not(&mask)?, frame, run)?;
    scatter(&mask, &then, &otherwise)
}

/// For all rows, in the frame as it is.
fn everywhere(branch: &PreparedBranch, frame: &mut Frame, run: &Run<'_>) -> Result<Register> {
    run_block(&branch.block, frame, run)?;
    let result = frame.get(branch.result, run)?;
    if !branch.block.captures.contains(&branch.result) {
        frame.drop_value(branch.result);
    }
    Ok(result)
}

fn for_rows(branch: &PreparedBranch, mask: &BooleanArray, frame: &Frame, run: &Run<'_>) -> Result<Register> {
    let mut rows = frame.subset(&branch.block.captures, mask)?;
    unpacked(everywhere(branch, &mut rows, run)?)
}
