//! Random programs on the backend that is tested and on the interpreter, which is right by definition.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use nyala_pipeline::Outcome;
use nyala_pipeline::program::StateOp;
use nyala_schema::{ErrorCode, Result};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::builder::{Batch, Builder, interpreter, run};
use crate::generator::{Generator, has_filter};
use crate::subject::{CASES, subject};

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(CASES), max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_code_agrees_with_the_interpreter(numbers in prop::collection::vec(any::<u32>(), 0..1500)) {
        let (builder, batch, initial) = Generator::new(numbers).generate();
        check(&builder, &batch, &initial)?;
    }
}

fn check(builder: &Builder, batch: &Batch, initial: &[u8]) -> TestCaseResult {
    let backend = subject();
    let expected = run(&interpreter(), builder, batch, initial);
    let given = run(&backend, builder, batch, initial);
    let told = || format!("{}\n{batch:?}\n{:?}", text(builder), builder.constants);
    if let Err(error) = &given
        && error.code() == ErrorCode::Unsupported
    {
        return Ok(());
    }
    prop_assert_eq!(backend.compile_stats().disagreements, 0, "{}", told());
    let empty = batch.rows == 0 || batch.selection.as_ref().is_some_and(Vec::is_empty);
    let (expected, given) = match agreed(builder, empty, expected, given) {
        Ok(Some(both)) => both,
        Ok(None) => return Ok(()),
        Err(message) => return Err(TestCaseError::fail(format!("{message}\n{}", told()))),
    };
    prop_assert_eq!(&expected.0.selection, &given.0.selection, "{}", told());
    for (index, (expected, given)) in expected.0.columns.iter().zip(&given.0.columns).enumerate() {
        prop_assert!(same(expected, given), "output {index}: {expected:?} {given:?}\n{}", told());
    }
    let fields = builder.updates.iter().cycle();
    for (at, update) in (0..expected.1.len()).step_by(16).zip(fields) {
        let (expected, given) = (&expected.1[at..at + 16], &given.1[at..at + 16]);
        prop_assert!(
            expected == given || both_nan(&update.op, expected, given),
            "record byte {at}, {update:?}: {expected:?} {given:?}\n{}",
            told()
        );
    }
    Ok(())
}

fn text(builder: &Builder) -> String {
    let mut lines = String::new();
    for statement in &builder.statements {
        lines += &format!("{statement:?}\n");
    }
    lines + &format!("outputs {:?}\nupdates {:?}", builder.outputs, builder.updates)
}

type Ran = (Outcome, Vec<u8>);

/// Both outcomes; `None` when both failed, or when compiled code was right to evaluate less: behind filters, and over
/// no rows, where the interpreter still folds constants.
fn agreed(
    builder: &Builder,
    empty: bool,
    expected: Result<Ran>,
    given: Result<Ran>,
) -> Result<Option<(Ran, Ran)>, String> {
    match (expected, given) {
        (Ok(expected), Ok(given)) => Ok(Some((expected, given))),
        (Err(expected), Err(given)) => {
            let internal = given.code() == ErrorCode::Internal && expected.code() != ErrorCode::Internal;
            if internal { Err(format!("internal: {given:?} for {expected:?}")) } else { Ok(None) }
        }
        (Err(_), Ok(_)) if has_filter(builder) || empty => Ok(None),
        (Err(expected), Ok(_)) => Err(format!("compiled code misses {expected:?}")),
        (Ok(_), Err(given)) => Err(format!("only compiled code fails: {given:?}")),
    }
}

/// Equal as arrays, NaNs of any payload being the same.
fn same(expected: &ArrayRef, given: &ArrayRef) -> bool {
    let plain = |array: &ArrayRef| match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values).unwrap(),
        DataType::Float32 => cast(array, &DataType::Float64).unwrap(),
        _ => array.clone(),
    };
    let same_type = match (expected.data_type(), given.data_type()) {
        (DataType::Dictionary(..), _) | (_, DataType::Dictionary(..)) => true,
        (left, right) => left == right,
    };
    let (expected, given) = (plain(expected), plain(given));
    if expected.data_type() != &DataType::Float64 {
        return same_type && expected.as_ref() == given.as_ref();
    }
    let (left, right) = (expected.as_primitive::<Float64Type>(), given.as_primitive::<Float64Type>());
    let pairs = left.iter().zip(right.iter());
    let equal = |left: Option<f64>, right: Option<f64>| match (left, right) {
        (Some(left), Some(right)) => left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan(),
        (left, right) => left.is_none() && right.is_none(),
    };
    same_type && left.len() == right.len() && pairs.into_iter().all(|(left, right)| equal(left, right))
}

fn both_nan(op: &StateOp, left: &[u8], right: &[u8]) -> bool {
    match op {
        StateOp::SumFloat | StateOp::Min(DataType::Float64) | StateOp::Max(DataType::Float64) => {
            let read = |bytes: &[u8]| f64::from_ne_bytes(bytes[..8].try_into().unwrap());
            read(left).is_nan() && read(right).is_nan()
        }
        StateOp::Min(DataType::Float32) | StateOp::Max(DataType::Float32) => {
            let read = |bytes: &[u8]| f32::from_ne_bytes(bytes[..4].try_into().unwrap());
            read(left).is_nan() && read(right).is_nan()
        }
        StateOp::Count | StateOp::SumInteger | StateOp::Min(_) | StateOp::Max(_) => false,
    }
}
