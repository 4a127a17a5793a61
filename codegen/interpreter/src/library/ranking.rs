//! Window functions of a row's place: they need no arguments' values and no frame.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, UInt64Array};
use nyala_schema::{Error, ErrorCode, Result, Value};

use super::peers::Partition;

/// `None` when the function is no ranking.
///
/// # Errors
/// InvalidParameter for `ntile` of a number below 1.
pub(super) fn ranking(name: &str, partition: &Partition, arguments: &[ArrayRef]) -> Result<Option<ArrayRef>> {
    let rows = partition.rows;
    let whole = |place: &dyn Fn(usize) -> usize| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values((0..rows).map(|row| place(row) as u64)))
    };
    let share = |share: &dyn Fn(usize) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..rows).map(share)))
    };
    Ok(Some(match name {
        "row_number" => whole(&|row| row + 1),
        "rank" => whole(&|row| partition.peers(row).start + 1),
        "dense_rank" => whole(&|row| partition.groups[row] as usize + 1),
        "percent_rank" => {
            let others = rows.saturating_sub(1).max(1) as f64;
            share(&|row| partition.peers(row).start as f64 / others)
        }
        "cume_dist" => share(&|row| partition.peers(row).end as f64 / rows as f64),
        "ntile" => {
            let tiles = tiles(arguments)?;
            // The first `rows % tiles` tiles have a row more.
            let (size, larger) = (rows / tiles, rows % tiles);
            whole(&|row| {
                let in_larger = larger * (size + 1);
                if row < in_larger {
                    row / (size + 1) + 1
                } else {
                    larger + (row - in_larger) / size.max(1) + 1
                }
            })
        }
        _ => return Ok(None),
    }))
}

fn tiles(arguments: &[ArrayRef]) -> Result<usize> {
    let number = match arguments.first() {
        Some(argument) if !argument.is_empty() => Value::from_row(argument, 0).as_i128(),
        Some(_) => return Ok(1),
        None => None,
    };
    number
        .and_then(|number| usize::try_from(number).ok())
        .filter(|&number| number > 0)
        .ok_or_else(|| Error::new(ErrorCode::InvalidParameter, "ntile needs a number of tiles above 0"))
}
