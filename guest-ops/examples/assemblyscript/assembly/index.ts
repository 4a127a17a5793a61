// compound_interest(DOUBLE, DOUBLE, INT) RETURNS DOUBLE: what a sum has become after so many years.
export function compound_interest(principal: f64, rate: f64, years: i32): f64 {
  let sum = principal;
  for (let year = 0; year < years; year++) {
    sum += sum * rate;
  }
  return sum;
}

// is_leap_year(INT) RETURNS BOOLEAN, by the Gregorian calendar.
export function is_leap_year(year: i32): bool {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}
