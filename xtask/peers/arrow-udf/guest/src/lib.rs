//! The benchmark's functions, as arrow-udf wants them written. A test of the benchmark holds the bodies to its own.

use arrow_udf::function;

#[function("three(int64, int64) -> int64")]
fn three(a: i64, b: i64) -> i64 {
    a * 31 + b - 7
}

#[function("twenty(int64, int64) -> int64")]
fn twenty(a: i64, b: i64) -> i64 {
    (a * 3 + b - 11) * (b * 5 - a + 13) + (a - b * 7 + 17) * (b + 19) - (a * 23 - 29) * (b - 31) + b * 37
}

#[function("capitals(string) -> string")]
fn capitals(text: &str) -> String {
    text.to_ascii_uppercase()
}
