// {{name}}(DOUBLE, DOUBLE, INT) RETURNS DOUBLE: what a sum has become after so many years. manifest.sql declares it.
export function {{name}}(principal: f64, rate: f64, years: i32): f64 {
  return principal * Math.pow(1 + rate, years);
}
