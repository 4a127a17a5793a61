//! Exports called as the host calls them.

use nyala_sdk::abi::{Kind, OperatorInput};
use nyala_sdk::testing::{batch_values, slice, values, Arguments};
use nyala_sdk::{host, Cell, Date, Decimal, Extra, Failure, Interval, List, Timestamp};
use nyala_sdk::{Input, InputRows, LikeInput, Operator, Parameters};

nyala_sdk::scalar! {
    /// Documented.
    fn initials(name: &str) -> String {
        name.split_whitespace().filter_map(|word| word.chars().next()).collect()
    }
}

nyala_sdk::scalar! {
    fn first_word(line: &str) -> Option<&str> {
        line.split_whitespace().next()
    }
}

nyala_sdk::scalar! {
    (COST 20)
    pub fn shout(text: &str; out: &mut TextWriter) -> Result<Option<()>, String> {
        if text == "quiet" {
            return Ok(None);
        }
        out.push_str(text);
        out.push('!');
        if text.is_empty() { Err("nothing to shout".to_owned()) } else { Ok(Some(())) }
    }
}

nyala_sdk::scalar! {
    #[allow(clippy::too_many_arguments)]
    (VOLATILE)
    fn everything(
        a: bool, b: i8, c: i16, d: i32, e: i64, f: f32, g: f64, h: Date, i: Timestamp,
        j: Decimal<10, 2>, k: Decimal<30, 2>, l: &[u8], m: Interval,
    ) -> Result<Decimal<38, 0>, std::num::TryFromIntError> {
        let sum = i128::from(a) + i128::from(b) + i128::from(c) + i128::from(d) + i128::from(e);
        let sum = sum + f as i128 + g as i128 + i128::from(h.0) + i128::from(i.0) + j.0 + k.0;
        u64::try_from(sum).map(|sum| Decimal(i128::from(sum) + l.len() as i128 + i128::from(m.months)))
    }
}

nyala_sdk::scalar! {
    fn numbers(a: bool, b: i8, c: Date, d: Decimal<10, 2>) -> Decimal<18, 2> {
        if a { Decimal(d.0 + i128::from(b) + i128::from(c.0)) } else { Decimal(i128::MAX) }
    }
}

nyala_sdk::scalar! {
    fn or_zero(value: Option<i64>, more: Extra<i64>) -> bool {
        value.unwrap_or(0) + more.unwrap_or(0) > 0
    }
}

nyala_sdk::scalar! {
    fn doubled(doubled: List<i64>) -> Vec<i64> {
        doubled.iter().map(|value| value * 2).collect()
    }
}

nyala_sdk::table_function! {
    (ROWS 4)
    fn up_to(limit: i64; rows) -> (number: i64, text: String) {
        if limit < 0 {
            rows.fail("cannot count backwards");
        }
        for number in 0..limit {
            rows.push((number, (number % 3 != 0).then_some("x")));
        }
    }
}

nyala_sdk::state! {
    #[derive(Default)]
    struct Mean {
        sum: f64,
        count: i64,
    }
}

impl Mean {
    fn update(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn retract(&mut self, value: f64) {
        self.sum -= value;
        self.count -= 1;
    }
}

impl nyala_sdk::Aggregate for Mean {
    type Output = Option<f64>;

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn finish(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

nyala_sdk::aggregate! {
    fn mean(value: f64) for Mean, retract;
}

/// Hands each row on twice.
struct Twice;

impl Operator for Twice {
    type Output = LikeInput<(i64,)>;

    fn open(parameters: Parameters<'_>, inputs: &[Input]) -> Result<Self, Failure> {
        if parameters.get::<Option<&str>>(0)?.is_some() || inputs[0].key_column != Some(1) {
            return Err("open".into());
        }
        Ok(Twice)
    }

    fn push(&mut self, rows: InputRows<'_>, out: &mut Self::Output) -> Result<(), Failure> {
        let keys = rows.order_key::<i64>(0)?;
        for row in 0..rows.len() {
            let mut cells = rows.row(row)?;
            out.push(&cells, (keys.get(row),))?;
            cells[0] = Cell::Null;
            out.push(&cells, (i64::from(rows.number(row)),))?;
        }
        Ok(())
    }

    fn reset(&mut self) {}
}

nyala_sdk::operator! {
    Twice => CREATE OPERATOR twice (TABLE input ORDER BY READS ALL, note TEXT OPTIONAL) RETURNS LIKE INPUT AND (n BIGINT)
}

extern "C" {
    fn nyala_scalar_initials(batch: u32) -> u32;
    fn nyala_scalar_first_word(batch: u32) -> u32;
    fn nyala_scalar_shout(batch: u32) -> u32;
    fn nyala_scalar_everything(batch: u32) -> u32;
    fn nyala_scalar_numbers(batch: u32) -> u32;
    fn nyala_row_numbers(a: i32, b: i32, c: i32, d: i64) -> i64;
    fn nyala_scalar_or_zero(batch: u32) -> u32;
    fn nyala_scalar_doubled(batch: u32) -> u32;
    fn nyala_table_up_to_push(batch: u32) -> u32;
    fn nyala_table_up_to_pull() -> u32;
    fn nyala_aggregate_mean_update(batch: u32, groups: u32, group_count: u32) -> u32;
    fn nyala_aggregate_mean_retract(batch: u32, groups: u32, group_count: u32) -> u32;
    fn nyala_aggregate_mean_merge(batch: u32, groups: u32, group_count: u32) -> u32;
    fn nyala_aggregate_mean_states(group_count: u32) -> u32;
    fn nyala_aggregate_mean_finish(group_count: u32) -> u32;
    fn nyala_operator_twice_open(parameters: u32, inputs: u32, count: u32) -> u32;
    fn nyala_operator_twice_push(input: u32, batch: u32) -> u32;
    fn nyala_operator_twice_finish(input: u32) -> u32;
    fn nyala_operator_twice_pull() -> u32;
    fn nyala_operator_twice_reset() -> u32;
}

#[test]
fn text_and_nulls() {
    let mut arguments =
        Arguments::new().column(vec![Some("Ada Lovelace"), None, Some(""), Some("Émile Zola")]);
    // SAFETY (here and below): addresses are those of living batches, results are read before the next call.
    let found = unsafe { values::<String>(nyala_scalar_initials(arguments.address())) };
    assert_eq!(found, [Some("AL".to_owned()), None, Some(String::new()), Some("ÉZ".to_owned())]);
    let found = unsafe { values::<&str>(nyala_scalar_first_word(arguments.address())) };
    assert_eq!(found, [Some("Ada"), None, None, Some("Émile")]);
    let mut none = Arguments::new().column(Vec::<&str>::new());
    assert_eq!(unsafe { values::<&str>(nyala_scalar_initials(none.address())) }, []);
}

#[test]
fn written_text_and_a_failure_with_its_row() {
    let mut arguments = Arguments::new().column(["a", "quiet", "b"]);
    let found = unsafe { values::<&str>(nyala_scalar_shout(arguments.address())) };
    assert_eq!(found, [Some("a!"), None, Some("b!")]);
    let mut arguments = Arguments::new().column(["a", ""]);
    assert_eq!(unsafe { nyala_scalar_shout(arguments.address()) }, 0);
    assert_eq!(host::last_failure(), Some(Failure::at(1, "nothing to shout")));
    let mut wrong = Arguments::new().column([1i64]);
    assert_eq!(unsafe { nyala_scalar_shout(wrong.address()) }, 0);
    assert!(host::last_failure().unwrap().message.contains("Int64"));
}

#[test]
fn every_type_is_read_and_given() {
    let month = Interval { months: 7, days: 0, nanoseconds: 0 };
    let mut arguments = Arguments::new()
        .column([true])
        .column([1i8])
        .column([2i16])
        .column([3i32])
        .column([4i64])
        .column([5f32])
        .column([6f64])
        .column([Date(7)])
        .column([Timestamp(8)])
        .column([Decimal::<10, 2>(9)])
        .column([Decimal::<30, 2>(10i128.pow(15))])
        .column([&b"ab"[..]])
        .column([month]);
    let found = unsafe { values::<Decimal<38, 0>>(nyala_scalar_everything(arguments.address())) };
    assert_eq!(found, [Some(Decimal(10i128.pow(15) + 46 + 9))]);
}

#[test]
fn called_for_null_and_without_what_may_be_left_out() {
    let mut one = Arguments::new().column((0..20i64).map(|row| (row % 3 != 0).then(|| row - 5)));
    let expected: Vec<_> = (0..20i64).map(|row| Some(row % 3 != 0 && row > 5)).collect();
    assert_eq!(unsafe { values::<bool>(nyala_scalar_or_zero(one.address())) }, expected);
    let mut two = Arguments::new().column([None, Some(1i64)]).column([Some(1i64), None]);
    assert_eq!(unsafe { values::<bool>(nyala_scalar_or_zero(two.address())) }, [Some(true), None]);
}

#[test]
fn numbers_alone_are_passed_as_they_are() {
    // SAFETY: numbers.
    unsafe {
        assert_eq!(nyala_row_numbers(1, -1, 10, 1000), 1009);
        assert_eq!(nyala_row_numbers(0, 0, 0, 0), i64::MAX);
    }
    let mut arguments =
        Arguments::new().column([true]).column([-1i8]).column([Date(10)]).column([Decimal::<10, 2>(1000)]);
    let found = unsafe { values::<Decimal<18, 2>>(nyala_scalar_numbers(arguments.address())) };
    assert_eq!(found, [Some(Decimal(1009))]);
}

#[test]
fn lists() {
    let mut arguments = Arguments::new().column(vec![Some(vec![1i64, 2]), None, Some(vec![]), Some(vec![3])]);
    let found = unsafe { values::<List<i64>>(nyala_scalar_doubled(arguments.address())) };
    let found: Vec<Option<Vec<i64>>> =
        found.into_iter().map(|list| list.map(|list| list.iter().collect())).collect();
    assert_eq!(found, [Some(vec![2, 4]), None, Some(vec![]), Some(vec![6])]);
}

#[test]
fn a_table_function_gives_all_rows_in_pieces() {
    let mut arguments = Arguments::new().column([Some(2i64), None, Some(20_000), Some(1)]);
    let mut rows = Vec::new();
    unsafe {
        assert_eq!(nyala_table_up_to_push(arguments.address()), 0);
        loop {
            let batch = nyala_table_up_to_pull();
            if batch == 0 {
                break;
            }
            let numbers = batch_values::<i64>(batch, 1);
            assert!(numbers.len() <= 8192);
            rows.extend(numbers.into_iter().zip(batch_values::<String>(batch, 2)));
        }
    }
    let expected = (0..2).chain(0..20_000).chain(0..1);
    let expected: Vec<_> = expected.map(|n| (Some(n), (n % 3 != 0).then(|| "x".to_owned()))).collect();
    assert!(rows == expected);
    assert_eq!(host::last_failure(), None);
    let mut arguments = Arguments::new().column([-1i64]);
    unsafe {
        nyala_table_up_to_push(arguments.address());
        assert_eq!(nyala_table_up_to_pull(), 0);
    }
    assert_eq!(host::last_failure(), Some(Failure::at(0, "cannot count backwards")));
}

#[test]
fn an_aggregate_splits_and_merges() {
    let mut first = Arguments::new().column([Some(1.0), Some(2.0), None, Some(10.0)]);
    let mut second = Arguments::new().column([4.0, 10.0]);
    unsafe {
        assert_eq!(nyala_aggregate_mean_update(first.address(), slice(&[0u32, 0, 0, 1]), 3), 0);
        let states = nyala_aggregate_mean_states(3);
        assert_eq!(nyala_aggregate_mean_update(second.address(), slice(&[1u32, 0]), 2), 0);
        // Groups 0, 1, 2 of the states are groups 1, 0, 3 of this instance.
        assert_eq!(nyala_aggregate_mean_merge(states, slice(&[1u32, 0, 3]), 4), 0);
        assert_eq!(nyala_aggregate_mean_retract(second.address(), slice(&[2u32, 0]), 4), 0);
        let found = values::<f64>(nyala_aggregate_mean_finish(4));
        assert_eq!(found, [Some(10.0), Some(7.0 / 3.0), None, None]);
        assert_eq!(values::<f64>(nyala_aggregate_mean_finish(1)), [None]);
    }
}

#[test]
fn an_operator_gives_rows_like_its_input() {
    let kinds = [Kind::Int64 as u32, Kind::Text as u32, Kind::Int64 as u32];
    let input = OperatorInput {
        order_keys: 1,
        columns: 2,
        kinds: slice(&kinds),
        key_column: 1,
        ..OperatorInput::default()
    };
    let mut parameters = Arguments::new().column([None::<&str>]);
    let mut rows = Arguments::new().column([5i64, 6]).column([Some("a"), None]).column([5i64, 6]);
    unsafe {
        assert_eq!(nyala_operator_twice_open(parameters.address(), slice(&[input]), 1), 0);
        for _ in 0..2 {
            assert_eq!(nyala_operator_twice_push(0, rows.address()), 0);
            let batch = nyala_operator_twice_pull();
            let names = batch_values::<String>(batch, 0);
            assert_eq!(names, [Some("a".to_owned()), None, None, None]);
            assert_eq!(batch_values::<i64>(batch, 2), [Some(5), Some(0), Some(6), Some(1)]);
            assert_eq!(nyala_operator_twice_pull(), 0);
            assert_eq!(nyala_operator_twice_finish(0), 0);
            assert_eq!(nyala_operator_twice_reset(), 0);
        }
    }
}
