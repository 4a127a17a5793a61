//! Dates, timestamps and intervals, with the calendar arithmetic that SQL has.

/// Days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Date(pub i32);

/// Microseconds since 1970-01-01, without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// Months, days and nanoseconds, which are kept apart as they have no common measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Interval {
    /// Calendar months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// The rest.
    pub nanoseconds: i64,
}

/// Microseconds of a day.
pub const DAY_MICROSECONDS: i64 = 86_400_000_000;

impl Interval {
    /// As microseconds, a month counted as 30 days; `None` beyond the range of `i64`.
    pub fn microseconds(&self) -> Option<i64> {
        let days = i64::from(self.months) * 30 + i64::from(self.days);
        days.checked_mul(DAY_MICROSECONDS)?.checked_add(self.nanoseconds / 1000)
    }

    /// This interval so many times; `None` beyond the range.
    pub fn times(&self, factor: i64) -> Option<Self> {
        Some(Self {
            months: i32::try_from(i64::from(self.months).checked_mul(factor)?).ok()?,
            days: i32::try_from(i64::from(self.days).checked_mul(factor)?).ok()?,
            nanoseconds: self.nanoseconds.checked_mul(factor)?,
        })
    }
}

impl Timestamp {
    /// Later by an interval: first the months (the day is cut to the length of the month), then days, then the rest. `None`
    /// beyond the range.
    pub fn plus(self, interval: Interval) -> Option<Self> {
        let day = self.0.div_euclid(DAY_MICROSECONDS);
        let of_day = self.0.rem_euclid(DAY_MICROSECONDS);
        let day = add_months(day, i64::from(interval.months)) + i64::from(interval.days);
        let whole = day.checked_mul(DAY_MICROSECONDS)?.checked_add(of_day)?;
        whole.checked_add(interval.nanoseconds.div_euclid(1000)).map(Timestamp)
    }
}

fn add_months(day: i64, months: i64) -> i64 {
    if months == 0 {
        return day;
    }
    let (year, month, day_of_month) = civil(day);
    let counted = year * 12 + month - 1 + months;
    let (year, month) = (counted.div_euclid(12), counted.rem_euclid(12) + 1);
    let next = if month == 12 { day_number(year + 1, 1, 1) } else { day_number(year, month + 1, 1) };
    let first = day_number(year, month, 1);
    first + (day_of_month - 1).min(next - first - 1)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01: the inverse of [`day_number`].
pub fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + shifted.div_euclid(146_097) * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::{civil, day_number, Interval, Timestamp, DAY_MICROSECONDS};

    #[test]
    fn days_are_numbered_both_ways() {
        assert_eq!(day_number(1970, 1, 1), 0);
        assert_eq!(day_number(2000, 2, 29), 11_016);
        for day in (-800_000..800_000).step_by(37) {
            let (year, month, day_of_month) = civil(day);
            assert_eq!(day_number(year, month, day_of_month), day);
        }
    }

    #[test]
    fn a_month_after_the_last_of_january_is_the_last_of_february() {
        let at = |year, month, day| Timestamp(day_number(year, month, day) * DAY_MICROSECONDS + 5);
        let month = Interval { months: 1, ..Interval::default() };
        assert_eq!(at(2024, 1, 31).plus(month), Some(at(2024, 2, 29)));
        assert_eq!(at(2023, 12, 15).plus(month), Some(at(2024, 1, 15)));
        let back = Interval { months: -13, days: 1, nanoseconds: 0 };
        assert_eq!(at(2024, 3, 31).plus(back), Some(at(2023, 3, 1)));
        assert_eq!(Timestamp(i64::MAX).plus(Interval { days: 1, ..Interval::default() }), None);
    }
}
