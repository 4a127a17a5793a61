//! `sessionize(TABLE events PARTITION BY … ORDER BY …, gap INTERVAL)`: numbers the sessions of each partition.
//!
//! A session ends where nothing happens for longer than the gap. A month of the gap counts as 30 days.

use nyala_sdk::abi::Kind;
use nyala_sdk::column::Values;
use nyala_sdk::time::DAY_MICROSECONDS;
use nyala_sdk::{Date, Extending, Failure, Input, InputRows, Interval, Operator, Parameters, Timestamp};

/// The state of one partition.
pub struct Sessionize {
    gap: i64,
    session: i64,
    last: Option<i64>,
}

/// Times of rows, whichever type they have.
enum Times<'a> {
    Days(Values<'a, Option<Date>>),
    Microseconds(Values<'a, Option<Timestamp>>),
}

impl<'a> Times<'a> {
    fn of(rows: &InputRows<'a>) -> Result<Self, Failure> {
        Ok(match rows.layout().order_kind(0) {
            Some(Kind::Int32) => Times::Days(rows.order_key(0)?),
            _ => Times::Microseconds(rows.order_key(0)?),
        })
    }

    fn get(&self, row: usize) -> Option<i64> {
        match self {
            Times::Days(days) => days.get(row).map(|day| i64::from(day.0) * DAY_MICROSECONDS),
            Times::Microseconds(times) => times.get(row).map(|time| time.0),
        }
    }
}

impl Sessionize {
    /// The session of an event that comes next.
    fn session(&mut self, time: i64) -> i64 {
        let continues = self.last.is_some_and(|last| time.saturating_sub(last).saturating_abs() <= self.gap);
        if !continues {
            self.session += 1;
        }
        self.last = Some(time);
        self.session
    }
}

impl Operator for Sessionize {
    type Output = Extending<(i64,)>;

    fn open(parameters: Parameters<'_>, _: &[Input]) -> Result<Self, Failure> {
        let gap = parameters.get::<Interval>(0)?.microseconds().ok_or("the gap is too long")?;
        if gap < 0 {
            return Err("the gap is negative".into());
        }
        Ok(Self { gap, session: 0, last: None })
    }

    fn push(&mut self, rows: InputRows<'_>, out: &mut Self::Output) -> Result<(), Failure> {
        let times = Times::of(&rows)?;
        for row in 0..rows.len() {
            let session = times.get(row).map(|time| self.session(time));
            out.push(rows.number(row), (session,))?;
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.session = 0;
        self.last = None;
    }
}

nyala_sdk::operator! {
    Sessionize => CREATE OPERATOR sessionize (TABLE events PARTITION BY ORDER BY, gap INTERVAL)
        RETURNS INPUT AND (session_id BIGINT) ROWS 1 KEEPS ORDER
}

#[cfg(test)]
mod tests {
    use super::Sessionize;

    #[test]
    fn a_pause_longer_than_the_gap_begins_a_session() {
        let mut state = Sessionize { gap: 10, session: 0, last: None };
        let found: Vec<i64> = [5, 15, 26, 26, i64::MAX].iter().map(|&time| state.session(time)).collect();
        assert_eq!(found, [1, 1, 2, 2, 3]);
    }
}
