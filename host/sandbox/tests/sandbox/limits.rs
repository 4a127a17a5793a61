//! Memory of queries, what instances share, health and quarantine.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use nyala_pipeline::Guests;
use nyala_schema::ErrorCode;
use nyala_schema::expr::Volatility;

use crate::fixture::{Fixture, Query, module};

fn numbers(rows: usize) -> ArrayRef {
    Arc::new(Int64Array::from(vec![1; rows]))
}

/// Gives one number, what `value` leaves on the stack, for a batch of one row.
fn one_number(declarations: &str, value: &str) -> String {
    module(&format!(
        r#"{declarations}
        (func (export "nyala_scalar_f") (param $batch i32) (result i32)
          (i32.store (i32.const 64) (i32.const 5))
          (i32.store offset=4 (i32.const 64) (i32.const 1))
          (i32.store offset=12 (i32.const 64) (i32.const 256))
          (i64.store (i32.const 256) {value})
          (i32.const 64))"#
    ))
}

/// Counts its calls in its memory.
const COUNTER: &str = "(block (result i64)
    (i64.store (i32.const 512) (i64.add (i64.const 1) (i64.load (i32.const 512)))) (i64.load (i32.const 512)))";

#[test]
fn no_query_sees_what_another_left() {
    let fixture = Fixture::new();
    let function = Arc::new(fixture.function(&one_number("", COUNTER), &[DataType::Int64], DataType::Int64));
    let guest = fixture.sandbox.scalar(&function).unwrap();
    let count = |calls: usize| {
        let counts =
            (0..calls).map(|_| guest.call(&[numbers(1)], 1).unwrap().as_primitive::<Int64Type>().value(0));
        counts.collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let query = Arc::new(Query::default());
        let running = query.enter();
        assert_eq!(count(3), [1, 2, 3], "within a query the instance is used again");
        assert_eq!(query.held(), 2 << 16);
        drop(running);
    }
    assert_eq!(count(2), [1, 1], "outside of queries nothing is kept");
    drop(guest);
}

#[test]
fn memory_belongs_to_the_query() {
    let fixture = Fixture::new();
    let growing = "(block (result i64) (drop (memory.grow (i32.const 8))) (i64.const 0))";
    let function = Arc::new(fixture.function(&one_number("", growing), &[DataType::Int64], DataType::Int64));
    let query = Arc::new(Query { memory_max: 32 << 16, ..Query::default() });
    let running = query.enter();
    let guest = fixture.sandbox.scalar(&function).unwrap();
    for calls in 1..=3 {
        guest.call(&[numbers(1)], 1).unwrap();
        assert_eq!(query.held(), (2 + 8 * calls) << 16);
    }
    let error = guest.call(&[numbers(1)], 1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory, "{error:?}");
    assert_eq!(query.held(), 0);
    guest.call(&[numbers(1)], 1).unwrap();
    assert_eq!(query.held(), 10 << 16);
    drop((running, guest));
    assert_eq!(query.held(), 0);
}

#[test]
fn a_function_that_keeps_failing_is_not_called_any_more() {
    let fixture = Fixture::new();
    let value = "(block (result i64) (if (i64.eqz (i64.load (i32.load offset=12 (i32.load (local.get $batch))))) (then unreachable)) (i64.const 7))";
    let function = Arc::new(fixture.function(&one_number("", value), &[DataType::Int64], DataType::Int64));
    let guest = fixture.sandbox.scalar(&function).unwrap();
    let zero: ArrayRef = Arc::new(Int64Array::from(vec![0]));
    for _ in 0..4 {
        assert_eq!(guest.call(std::slice::from_ref(&zero), 1).unwrap_err().code(), ErrorCode::GuestFailed);
    }
    guest.call(&[numbers(1)], 1).unwrap();
    for _ in 0..5 {
        assert_eq!(guest.call(std::slice::from_ref(&zero), 1).unwrap_err().code(), ErrorCode::GuestFailed);
    }
    let error = guest.call(&[numbers(1)], 1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Quarantined);
    assert!(error.hint().unwrap().contains("ALTER FUNCTION f RESUME"), "{error:?}");
    assert_eq!(fixture.sandbox.scalar(&function).err().unwrap().code(), ErrorCode::Quarantined);

    let health = &fixture.sandbox.health()[0];
    assert_eq!(
        (health.usage.calls, health.usage.traps, health.failures, health.quarantined),
        (10, 9, 5, true)
    );
    assert!(!fixture.sandbox.resume("g") && fixture.sandbox.resume("f"));
    guest.call(&[numbers(1)], 1).unwrap();
}

#[test]
fn clock_and_chance_are_for_those_that_declare_it() {
    let fixture = Fixture::new();
    let now = "(import \"nyala\" \"now\" (func $now (result i64)))";
    let random = "(import \"nyala\" \"random\" (func $random (result i64)))";
    let with = |import: &str, value: &str| {
        one_number("", value).replacen("(module", &format!("(module {import}"), 1)
    };
    let stable = with(now, "(call $now)");
    let chance = with(random, "(call $random)");
    for (wat, volatility, allowed) in [
        (&stable, Volatility::Immutable, false),
        (&stable, Volatility::Stable, true),
        (&chance, Volatility::Stable, false),
        (&chance, Volatility::Volatile, true),
    ] {
        let mut function = fixture.function(wat, &[DataType::Int64], DataType::Int64);
        function.volatility = volatility;
        let checked = fixture.sandbox.check(&function);
        assert_eq!(checked.is_ok(), allowed, "{volatility:?}: {checked:?}");
        if let Err(error) = checked {
            assert_eq!(error.code(), ErrorCode::InvalidModule);
        }
        // Also where the check was passed over.
        let called = fixture.sandbox.scalar(&Arc::new(function)).unwrap().call(&[numbers(1)], 1);
        assert_eq!(called.is_ok(), allowed, "{volatility:?}: {called:?}");
    }
    let mut function = fixture.function(&stable, &[DataType::Int64], DataType::Int64);
    function.volatility = Volatility::Stable;
    let query = Arc::new(Query::default());
    let _running = query.enter();
    let time = || {
        let guest = fixture.sandbox.scalar(&Arc::new(function.clone())).unwrap();
        guest.call(&[numbers(1)], 1).unwrap().as_primitive::<Int64Type>().value(0)
    };
    assert_eq!(time(), time(), "a statement has one time");
    assert!(query.cancelled.load(Ordering::SeqCst) || time() > 1_500_000_000_000_000);
}

#[test]
fn instances_are_as_many_as_the_pool_has() {
    let config = nyala_sandbox::SandboxConfig { instances_max: 2, ..Default::default() };
    let fixture = Fixture::with(config);
    let function = Arc::new(fixture.function(&one_number("", COUNTER), &[DataType::Int64], DataType::Int64));
    let query = Arc::new(Query::default());
    let _running = query.enter();
    let guests: Vec<_> = (0..3).map(|_| fixture.sandbox.scalar(&function).unwrap()).collect();
    assert!(guests[..2].iter().all(|guest| guest.call(&[numbers(1)], 1).is_ok()));
    let error = guests[2].call(&[numbers(1)], 1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestLimit, "{error:?}");
    drop(guests);
    fixture.sandbox.scalar(&function).unwrap().call(&[numbers(1)], 1).unwrap();
}
