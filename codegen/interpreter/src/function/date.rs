//! Parts of dates.

use std::sync::Arc;

use arrow::array::{AsArray, Int32Array};
use arrow::datatypes::{DataType, Date32Type};

use crate::register::Register;

/// Year, month, day or quarter of a column of dates. `None` for anything else.
pub(crate) fn date_part(arguments: &[Register]) -> Option<Register> {
    let [Register::Constant(part), input] = arguments else {
        return None;
    };
    if input.data_type() != &DataType::Date32 || input.is_null_constant() {
        return None;
    }
    let part = part.as_string_view_opt()?.iter().next()??.to_lowercase();
    let part: fn(i32) -> i32 = match part.as_str() {
        "year" | "years" => |day| civil(day).0,
        "month" | "months" => |day| civil(day).1,
        "day" | "days" => |day| civil(day).2,
        "quarter" | "quarters" => |day| (civil(day).1 + 2) / 3,
        _ => return None,
    };
    let parts: Int32Array = input.array().as_primitive::<Date32Type>().unary(part);
    Some(Register::new(Arc::new(parts), input.is_constant()))
}

/// Year, month and day of the day that many days after 1970-01-01, in the proleptic Gregorian calendar.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in March so that
/// the leap day is the last one, and 400 years are one era of 146,097 days.
fn civil(day: i32) -> (i32, i32, i32) {
    let shifted = i64::from(day) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as i32, day as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates_around_leap_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(-719_468), (0, 3, 1));
        assert_eq!(civil(9_204), (1995, 3, 15));
    }
}
