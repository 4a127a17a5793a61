//! Some rows of many, each as likely as any other, in bounded memory.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{filter, take};
use nyala_schema::Result;

/// Every row draws a number; those below a limit are kept, and the limit is halved when they are too many.
pub struct Sample {
    limit: u32,
    drawn: u64,
    parts: Vec<Part>,
    rows: usize,
}

struct Part {
    numbers: Vec<u32>,
    columns: Vec<ArrayRef>,
}

/// Rows that are kept, at most.
const ROWS_MAX: usize = 60_000;

impl Sample {
    pub fn new() -> Self {
        Self { limit: u32::MAX, drawn: 0, parts: Vec::new(), rows: 0 }
    }

    /// # Errors
    /// Those of taking rows.
    pub fn add(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let mut picked = Vec::new();
        let mut numbers = Vec::new();
        for row in 0..rows {
            let number = self.draw();
            if number <= self.limit {
                picked.push(row as u32);
                numbers.push(number);
            }
        }
        if picked.is_empty() {
            return Ok(());
        }
        self.rows += picked.len();
        let picked = UInt32Array::from(picked);
        let columns =
            columns.iter().map(|column| shortened(&take(column, &picked, None)?)).collect::<Result<_>>()?;
        self.parts.push(Part { numbers, columns });
        while self.rows > ROWS_MAX {
            self.halve()?;
        }
        Ok(())
    }

    /// SplitMix64 (Steele, Lea, Flood, 2014): the same rows for the same table.
    fn draw(&mut self) -> u32 {
        self.drawn += 1;
        let mut bits = self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 32) as u32
    }

    fn halve(&mut self) -> Result<()> {
        self.limit /= 2;
        let limit = self.limit;
        for part in &mut self.parts {
            let keep: BooleanArray = part.numbers.iter().map(|number| Some(*number <= limit)).collect();
            part.columns =
                part.columns.iter().map(|column| filter(column, &keep)).collect::<Result<_, _>>()?;
            part.numbers.retain(|number| *number <= limit);
        }
        self.parts.retain(|part| !part.numbers.is_empty());
        self.rows = self.parts.iter().map(|part| part.numbers.len()).sum();
        Ok(())
    }

    /// The kept values of one column.
    pub fn column(&self, index: usize) -> Vec<ArrayRef> {
        self.parts.iter().map(|part| Arc::clone(&part.columns[index])).collect()
    }
}

/// Views let go of the buffers that they were taken from.
fn shortened(column: &ArrayRef) -> Result<ArrayRef> {
    use arrow::array::AsArray;
    use arrow::datatypes::DataType;
    Ok(match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()),
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        DataType::Dictionary(_, values) => return shortened(&arrow::compute::cast(column, values)?),
        _ => Arc::clone(column),
    })
}
