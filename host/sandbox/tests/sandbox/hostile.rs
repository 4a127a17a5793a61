//! Modules that mean harm. After each, the next call works and nothing is left of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use nyala_pipeline::Guests;
use nyala_sandbox::SandboxConfig;
use nyala_schema::ErrorCode;
use nyala_schema::guest::OnError;

use crate::fixture::{Fixture, Query, identity, module};

/// A scalar function with this body; `$batch` is its argument, `$out` a column of 3 rows of kind 5 at 64 with values at 256.
fn scalar(body: &str) -> String {
    module(&format!(
        r#"(func $recurse (param i32) (result i32) (i32.add (i32.const 1) (call $recurse (local.get 0))))
        (table $table 1 funcref)
        (data (i32.const 1024) "on purpose")
        (func (export "nyala_scalar_f") (param $batch i32) (result i32)
          (i32.store (i32.const 64) (i32.const 5))
          (i32.store offset=4 (i32.const 64) (i32.const 3))
          (i32.store offset=12 (i32.const 64) (i32.const 256))
          {body})"#
    ))
}

/// Makes the column at 64 a text of three rows with offsets at 128 and values at 256.
const TEXT: &str = "(i32.store (i32.const 64) (i32.const 10))
    (i32.store offset=16 (i32.const 64) (i32.const 128)) (i32.store offset=20 (i32.const 64) (i32.const 9))
    (i32.store (i32.const 132) (i32.const 3)) (i32.store (i32.const 136) (i32.const 6)) (i32.store (i32.const 140) (i32.const 9))";

struct Case {
    name: &'static str,
    body: String,
    returns: DataType,
    code: ErrorCode,
    message: &'static str,
}

fn number(name: &'static str, body: &str, code: ErrorCode, message: &'static str) -> Case {
    Case { name, body: body.to_owned(), returns: DataType::Int64, code, message }
}

fn text(name: &'static str, body: &str, message: &'static str) -> Case {
    let body = format!("{TEXT} {body} (i32.const 64)");
    Case { name, body, returns: DataType::Utf8View, code: ErrorCode::GuestFailed, message }
}

fn cases() -> Vec<Case> {
    use ErrorCode::{GuestFailed, GuestLimit};
    vec![
        number("infinite loop", "(loop $l (br $l)) (i32.const 0)", GuestLimit, "took more than 200 ms"),
        number(
            "memory bomb that gives up",
            "(loop $l (br_if $l (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable",
            GuestLimit,
            "16777216 are allowed",
        ),
        number("memory at once", "(if (i32.eq (i32.const -1) (memory.grow (i32.const 60000))) (then unreachable)) (i32.const 64)", GuestLimit, "are allowed"),
        number("stack overflow", "(call $recurse (i32.const 1))", GuestLimit, "call stack exhausted"),
        number("huge table", "(if (i32.eq (i32.const -1) (table.grow $table (ref.null func) (i32.const 100000000))) (then unreachable)) (i32.const 64)", GuestFailed, "unreachable"),
        number("trap", "unreachable", GuestFailed, "unreachable"),
        number(
            "trap at a row",
            "(call $fail (i32.const 1024) (i32.const 10) (i32.const 1)) unreachable",
            GuestFailed,
            "at row 3 of the batch: on purpose",
        ),
        number("failure without a trap", "(call $fail (i32.const 1024) (i32.const 10) (i32.const -1)) (i32.const 0)", GuestFailed, "on purpose"),
        number("message out of bounds", "(call $fail (i32.const -4) (i32.const -1) (i32.const 7)) unreachable", GuestFailed, "outside of the memory"),
        number("division by zero", "(i32.div_u (i32.const 1) (i32.const 0))", GuestFailed, "divide by zero"),
        number("access out of bounds", "(i32.load (i32.const -8))", GuestFailed, "out of bounds"),
        number("call of nothing", "(call_indirect $table (result i32) (i32.const 0))", GuestFailed, "uninitialized"),
        number("no result", "(i32.const 0)", GuestFailed, "no result"),
        number("result out of bounds", "(i32.const -16)", GuestFailed, "not within the memory"),
        number("values out of bounds", "(i32.store offset=12 (i32.const 64) (i32.const 131060)) (i32.const 64)", GuestFailed, "not within the memory"),
        number("validity out of bounds", "(i32.store offset=8 (i32.const 64) (i32.const -1)) (i32.const 64)", GuestFailed, "not within the memory"),
        number("wrong row count", "(i32.store offset=4 (i32.const 64) (i32.const 2)) (i32.const 64)", GuestFailed, "2 rows instead of"),
        number("negative row count", "(i32.store offset=4 (i32.const 64) (i32.const -1)) (i32.const 64)", GuestFailed, "rows instead of"),
        number("wrong kind", "(i32.store (i32.const 64) (i32.const 4)) (i32.const 64)", GuestFailed, "kind Int32 instead of Int64"),
        number("kind that is none", "(i32.store (i32.const 64) (i32.const 99)) (i32.const 64)", GuestFailed, "kind 99"),
        text("invalid UTF-8", "(i32.store8 (i32.const 258) (i32.const 0xff))", "not UTF-8"),
        text("text cut within a character", "(i32.store16 (i32.const 258) (i32.const 0xa9c3))", "not UTF-8"),
        text("offsets that descend", "(i32.store (i32.const 132) (i32.const 8))", "do not ascend"),
        text("negative offset", "(i32.store (i32.const 132) (i32.const -3))", "do not ascend"),
        text("offsets that begin late", "(i32.store (i32.const 128) (i32.const 1))", "begin with 1"),
        text("offsets beyond the values", "(i32.store (i32.const 140) (i32.const 10))", "end at 10"),
        text("offsets out of bounds", "(i32.store offset=16 (i32.const 64) (i32.const -4))", "not within the memory"),
        text(
            "negative length",
            "(i32.store offset=20 (i32.const 64) (i32.const -1)) (i32.store (i32.const 140) (i32.const 0x7fffffff))",
            "",
        ),
        Case {
            name: "list that contains itself",
            body: "(i32.store (i32.const 64) (i32.const 12)) (i32.store offset=16 (i32.const 64) (i32.const 128))
                (i32.store offset=24 (i32.const 64) (i32.const 64)) (i32.store offset=28 (i32.const 64) (i32.const 1))
                (i32.store (i32.const 132) (i32.const 3)) (i32.store (i32.const 136) (i32.const 3)) (i32.store (i32.const 140) (i32.const 3))
                (i32.const 64)".to_owned(),
            returns: DataType::new_list(DataType::Int64, true),
            code: GuestFailed,
            message: "kind List instead of Int64",
        },
        Case {
            name: "decimal with too many digits",
            body: "(i64.store (i32.const 256) (i64.const 1000)) (i32.const 64)".to_owned(),
            returns: DataType::Decimal64(3, 0),
            code: GuestFailed,
            message: "more digits",
        },
    ]
}

/// Three rows; the second is NULL where there are four.
fn numbers(with_null: bool) -> ArrayRef {
    let values =
        if with_null { vec![Some(1), None, Some(3), Some(4)] } else { vec![Some(1), Some(3), Some(4)] };
    Arc::new(Int64Array::from(values))
}

#[test]
fn hostile_functions_fail_and_leave_nothing() {
    // One for the good function and one for the hostile one: an instance that is not dropped would be missed.
    let fixture = Fixture::with(SandboxConfig { instances_max: 2, ..SandboxConfig::default() });
    let good = Arc::new(fixture.function(&identity(), &[DataType::Int64], DataType::Int64));
    let good = fixture.sandbox.scalar(&good).unwrap();
    for case in cases() {
        let query = Arc::new(Query::default());
        let running = query.enter();
        let mut function = fixture.function(&scalar(&case.body), &[DataType::Int64], case.returns.clone());
        let guest = fixture.sandbox.scalar(&Arc::new(function.clone())).unwrap();
        let error = guest.call(&[numbers(true)], 4).unwrap_err();
        assert_eq!(error.code(), case.code, "{}: {error:?}", case.name);
        assert!(error.message().contains(case.message), "{}: {error:?}", case.name);
        assert!(error.message().contains("f@1"), "{}: {error:?}", case.name);
        assert_eq!(query.held(), 0, "{}: its memory is still accounted", case.name);
        let traps: u64 = query.usage.lock().unwrap().iter().map(|usage| usage.traps).sum();
        assert_eq!(traps, 1, "{}", case.name);

        function.code.limits.on_error = OnError::Null;
        let lenient = fixture.sandbox.scalar(&Arc::new(function)).unwrap();
        assert_eq!(lenient.call(&[numbers(true)], 4).unwrap().null_count(), 4, "{}", case.name);

        let next = good.call(&[numbers(false)], 3).unwrap();
        assert_eq!(next.as_primitive::<Int64Type>().values(), &[1, 3, 4], "after {}", case.name);
        drop(running);
    }
}

#[test]
fn a_trap_names_the_functions_that_led_to_it() {
    let fixture = Fixture::new();
    let body = r#"(func $inner (result i32) unreachable) (func $outer (result i32) (call $inner))
        (func (export "nyala_scalar_f") (param i32) (result i32) (call $outer))"#;
    let function = Arc::new(fixture.function(&module(body), &[DataType::Int64], DataType::Int64));
    let error = fixture.sandbox.scalar(&function).unwrap().call(&[numbers(false)], 3).unwrap_err();
    assert!(error.message().contains("inner < outer < "), "{error:?}");
    assert!(error.message().contains("nyala_scalar_f"), "{error:?}");
}

#[test]
fn output_beyond_the_limit_is_refused_before_it_is_copied() {
    let config =
        nyala_sandbox::SandboxConfig { output_bytes_max: 100, instances_max: 8, ..Default::default() };
    let fixture = Fixture::with(config);
    let function = Arc::new(fixture.function(&identity(), &[DataType::Utf8View], DataType::Utf8View));
    let guest = fixture.sandbox.scalar(&function).unwrap();
    let long: ArrayRef = Arc::new(StringViewArray::from(vec!["x".repeat(101)]));
    let error = guest.call(&[long], 1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::GuestLimit, "{error:?}");
    let short: ArrayRef = Arc::new(StringViewArray::from(vec!["x"]));
    guest.call(&[short], 1).unwrap();
}

#[test]
fn allocators_that_lie_do_no_harm() {
    let fixture = Fixture::new();
    for (alloc, message) in [
        ("(i32.const 0)", "no room"),
        ("(i32.const -16)", "gave room at"),
        ("(call $fail (i32.const 0) (i32.const 0) (i32.const 0)) (call $reenter)", "unreachable"),
        ("(loop $l (br $l)) (i32.const 0)", "took more than"),
    ] {
        let wat = format!(
            r#"(module (import "nyala" "fail" (func $fail (param i32 i32 i32)))
              (memory (export "memory") 1)
              (func $reenter (result i32) unreachable)
              (func (export "nyala_alloc") (param i32 i32) (result i32) {alloc})
              (func (export "nyala_reset"))
              (func (export "nyala_scalar_f") (param i32) (result i32) (i32.load (local.get 0))))"#
        );
        let function = Arc::new(fixture.function(&wat, &[DataType::Int64], DataType::Int64));
        let error = fixture.sandbox.scalar(&function).unwrap().call(&[numbers(false)], 3).unwrap_err();
        assert!(matches!(error.code(), ErrorCode::GuestFailed | ErrorCode::GuestLimit), "{alloc}: {error:?}");
        let trapped = alloc.contains("reenter");
        assert!(trapped || error.message().contains(message), "{alloc}: {error:?}");
    }
}

#[test]
fn a_spinning_guest_ends_with_its_query() {
    let fixture = Fixture::new();
    let mut function =
        fixture.function(&scalar("(loop $l (br $l)) (i32.const 0)"), &[DataType::Int64], DataType::Int64);
    function.code.limits.time_per_batch_ms = 600_000;
    let guest = fixture.sandbox.scalar(&Arc::new(function)).unwrap();
    let query = Arc::new(Query::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(30));
            query.cancelled.store(true, Ordering::SeqCst);
        });
        let _running = query.enter();
        let error = guest.call(&[numbers(false)], 3).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Cancelled);
    });
    assert_eq!(query.held(), 0);
    let quick = Arc::new(fixture.function(&identity(), &[DataType::Int64], DataType::Int64));
    let running = query.enter();
    let called = fixture.sandbox.scalar(&quick).unwrap().call(&[numbers(false)], 3);
    assert_eq!(
        called.unwrap_err().code(),
        ErrorCode::Cancelled,
        "nothing is called for a query that has ended"
    );
    drop(running);
    assert!(
        fixture.sandbox.health().iter().all(|health| health.failures == 0),
        "a cancelled query blames nobody"
    );
}

/// What is passed is what comes back: the bytes of the argument are the memory from 64 on, and the column at 64 the result.
const ECHO: &str = "(memory.copy (i32.const 64) (i32.load offset=12 (i32.load (local.get $batch)))
    (i32.load offset=20 (i32.load (local.get $batch)))) (i32.const 64)";

#[test]
fn whatever_comes_back_is_an_error_or_a_valid_column() {
    let fixture = Fixture::new();
    let fields = vec![Field::new("a", DataType::Boolean, false), Field::new("b", DataType::Utf8, true)];
    let types = [
        DataType::Boolean,
        DataType::Int16,
        DataType::Decimal128(20, 2),
        DataType::Utf8View,
        DataType::Utf8,
        DataType::BinaryView,
        DataType::new_list(DataType::Utf8View, true),
        DataType::Struct(fields.into()),
    ];
    let mut state = 11_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let (mut good, mut bad) = (0, 0);
    for (returns, kind) in types.into_iter().zip([1, 3, 9, 10, 10, 11, 12, 13]) {
        let mut function = fixture.function(&scalar(ECHO), &[DataType::BinaryView], returns.clone());
        function.code.limits.on_error = OnError::Null;
        let function = Arc::new(function);
        let guest = fixture.sandbox.scalar(&function).unwrap();
        for _ in 0..400 {
            let mut words: Vec<u32> = (0..64).map(|_| random() % 4).collect();
            // Three columns that are nearly right, at 64, 128 and 160.
            for (place, kind) in [(0, kind), (16, if kind == 12 { 10 } else { 1 }), (24, 10)] {
                let (values, child) = (256 + random() % 8, 128);
                words[place..place + 8].copy_from_slice(&[
                    kind,
                    1,
                    0,
                    values,
                    192 + 4 * (random() % 4),
                    random() % 9,
                    child,
                    random() % 3,
                ]);
            }
            if random() % 2 == 0 {
                let place = (random() % 40) as usize;
                words[place] = random() << (random() % 3);
            }
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let passed: ArrayRef = Arc::new(BinaryViewArray::from_iter_values([bytes]));
            let traps = fixture.sandbox.health().iter().map(|health| health.usage.traps).sum::<u64>();
            let returned = guest.call(&[passed], 1).unwrap();
            returned
                .to_data()
                .validate_full()
                .unwrap_or_else(|error| panic!("{returns}: {error}: {words:?}"));
            assert_eq!((returned.len(), returned.data_type()), (1, &nyala_pipeline::exact_type(&returns)));
            let failed =
                fixture.sandbox.health().iter().map(|health| health.usage.traps).sum::<u64>() > traps;
            *if failed { &mut bad } else { &mut good } += 1;
        }
    }
    assert!(good > 100 && bad > 100, "{good} good results and {bad} bad ones");
}
