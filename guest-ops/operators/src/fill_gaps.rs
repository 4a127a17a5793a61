//! `fill_gaps(TABLE series PARTITION BY … ORDER BY …, step INTERVAL)`: a row for each step at which there is none.
//!
//! Between two rows that are further apart than the step, rows are put in at one step, two steps … after the first of them. They
//! have its partition keys; all other columns are NULL. The order must be ascending, by a DATE or TIMESTAMP column.

use std::collections::VecDeque;

use nyala_sdk::abi::Kind;
use nyala_sdk::table::CHUNK_ROWS;
use nyala_sdk::time::DAY_MICROSECONDS;
use nyala_sdk::{Cell, Failure, Input, InputRows, Interval, LikeInput, Operator, Parameters, Timestamp};

type Row = Vec<Cell<'static>>;

/// The state of one partition.
pub struct FillGaps {
    step: Interval,
    key_column: usize,
    partition_columns: Vec<usize>,
    /// Rows that were pushed and not given yet.
    waiting: VecDeque<Row>,
    /// The row that was last given, and how many were put in behind it.
    last: Option<(Row, Timestamp, i64)>,
}

impl FillGaps {
    fn new(step: Interval, key_column: usize, partition_columns: Vec<usize>) -> Result<Self, Failure> {
        let probe = Timestamp(0).plus(step).ok_or("the step is too long")?;
        if probe <= Timestamp(0) {
            return Err("the step must be longer than nothing".into());
        }
        Ok(Self { step, key_column, partition_columns, waiting: VecDeque::new(), last: None })
    }

    /// The next row, which is put in or one that was pushed.
    fn next(&mut self) -> Result<Option<Row>, Failure> {
        let time = match self.waiting.front() {
            None => return Ok(None),
            Some(row) => time_of(&row[self.key_column])?,
        };
        if let (Some((last, begin, count)), Some(time)) = (&mut self.last, time) {
            let filled = self.step.times(*count + 1).and_then(|steps| begin.plus(steps));
            if let Some(filled) = filled.filter(|filled| *filled < time) {
                *count += 1;
                let mut row = vec![Cell::Null; last.len()];
                for &column in &self.partition_columns {
                    row[column] = last[column].clone();
                }
                row[self.key_column] = like(&last[self.key_column], filled);
                return Ok(Some(row));
            }
        }
        let row = self.waiting.pop_front();
        if let (Some(row), Some(time)) = (&row, time) {
            self.last = Some((row.clone(), time, 0));
        }
        Ok(row)
    }
}

fn time_of(cell: &Cell<'_>) -> Result<Option<Timestamp>, Failure> {
    match cell {
        Cell::Null => Ok(None),
        Cell::Int32(days) => Ok(Some(Timestamp(i64::from(*days) * DAY_MICROSECONDS))),
        Cell::Int64(microseconds) => Ok(Some(Timestamp(*microseconds))),
        other => Err(Failure::of_call(format!("{:?} is no time", other))),
    }
}

/// A time in the type of another.
fn like(cell: &Cell<'_>, time: Timestamp) -> Cell<'static> {
    match cell {
        Cell::Int32(_) => Cell::Int32(time.0.div_euclid(DAY_MICROSECONDS) as i32),
        _ => Cell::Int64(time.0),
    }
}

impl Operator for FillGaps {
    type Output = LikeInput;

    fn open(parameters: Parameters<'_>, inputs: &[Input]) -> Result<Self, Failure> {
        let input = inputs.first().ok_or("there is no input")?;
        let key =
            input.key_column.ok_or("ORDER BY must begin with a column of the table, not an expression")?;
        let step: Interval = parameters.get(0)?;
        match input.kind(key) {
            Some(Kind::Int64) => {}
            Some(Kind::Int32) if step.nanoseconds == 0 => {}
            Some(Kind::Int32) => return Err("a step over a DATE column is of whole days or months".into()),
            _ => return Err("ORDER BY must begin with a DATE or TIMESTAMP column".into()),
        }
        Self::new(step, key, input.partition_columns.iter().flatten().copied().collect())
    }

    fn push(&mut self, rows: InputRows<'_>, _: &mut LikeInput) -> Result<(), Failure> {
        for row in 0..rows.len() {
            let cells = rows.row(row).map_err(|reason| Failure::at(row, reason))?;
            self.waiting.push_back(cells.into_iter().map(Cell::into_owned).collect());
        }
        Ok(())
    }

    /// Gaps can be so wide that what fills them would not fit into memory: they are filled as the host asks for rows.
    fn pull(&mut self, out: &mut LikeInput) -> Result<(), Failure> {
        for _ in 0..CHUNK_ROWS {
            match self.next()? {
                Some(row) => out.push(&row, ())?,
                None => break,
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.waiting.clear();
        self.last = None;
    }
}

nyala_sdk::operator! {
    FillGaps => CREATE OPERATOR fill_gaps (TABLE series PARTITION BY ORDER BY READS ALL, step INTERVAL)
        RETURNS LIKE INPUT ROWS 2 KEEPS ORDER
}

#[cfg(test)]
mod tests {
    use super::FillGaps;
    use nyala_sdk::time::{day_number, DAY_MICROSECONDS};
    use nyala_sdk::{Cell, Interval};

    fn filled(step: Interval, times: &[i64]) -> Vec<(i64, bool)> {
        let mut state = FillGaps::new(step, 1, vec![0]).unwrap();
        for &time in times {
            state.waiting.push_back(vec![Cell::Text("a".into()), Cell::Int64(time), Cell::Boolean(true)]);
        }
        let mut out = Vec::new();
        while let Some(row) = state.next().unwrap() {
            assert_eq!(row[0], Cell::Text("a".into()));
            match (&row[1], &row[2]) {
                (Cell::Int64(time), value) => out.push((*time, *value == Cell::Null)),
                other => panic!("{:?}", other),
            }
        }
        out
    }

    #[test]
    fn steps_are_counted_from_the_row_before_the_gap() {
        let step = Interval { nanoseconds: 10_000, ..Interval::default() };
        let expected = [(0, false), (10, true), (20, true), (25, false), (30, false), (40, false)];
        assert_eq!(filled(step, &[0, 25, 30, 40]), expected);
        assert_eq!(filled(step, &[7]), [(7, false)]);
    }

    #[test]
    fn months_end_when_they_end() {
        let at = |month, day| day_number(2024, month, day) * DAY_MICROSECONDS;
        let month = Interval { months: 1, ..Interval::default() };
        let expected = [(at(1, 31), false), (at(2, 29), true), (at(3, 31), true), (at(4, 30), false)];
        assert_eq!(filled(month, &[at(1, 31), at(4, 30)]), expected);
        assert!(FillGaps::new(Interval::default(), 0, vec![]).is_err());
    }
}
