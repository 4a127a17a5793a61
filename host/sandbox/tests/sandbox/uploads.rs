//! What is refused before anything is compiled, and what the errors say.

use nyala_sandbox::{UploadLimits, inspect, tier_of, to_wasm};
use nyala_schema::ErrorCode;
use nyala_schema::expr::Volatility;
use nyala_schema::function::{Argument, FunctionDeclaration, FunctionKind};
use nyala_schema::guest::{Limits, Tier};

use arrow::datatypes::DataType;

use crate::fixture::{Fixture, identity, module};

fn refused(wat: &str) -> String {
    let error = inspect(&to_wasm(wat).unwrap(), &UploadLimits::default()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidModule, "{wat}");
    error.message().to_owned()
}

#[test]
fn modules_that_are_more_than_a_guest_are_refused() {
    let many = "(func)".repeat(20_001);
    let large = "(drop (i64.const 123456789012345))".repeat(100_000);
    for (wat, message) in [
        ("(component)", "is a component"),
        ("(module (memory 1) (memory 1))", "2 memories; 1"),
        ("(module (memory i64 1))", "not a valid"),
        ("(module (memory 1 2 shared))", "not a valid"),
        ("(module (type (struct)))", "not a valid"),
        ("(module (tag))", "not a valid"),
        ("(module (func (param externref)))", "not a valid"),
        ("(module (memory 65536))", "bytes of initial memory"),
        ("(module (table 1000000 funcref))", "elements in a table"),
        ("(module (func $f (loop $l (br $l))) (start $f))", "start function"),
        (&format!("(module {many})"), "20001 functions; 20000"),
        (&format!("(module (func {large}))"), "bytes in a function"),
        (
            "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))
               (import \"env\" \"memory\" (memory 1)) (import \"nyala\" \"fail\" (func (param i32)))
               (import \"nyala\" \"open_socket\" (func)) (import \"nyala\" \"log\" (func (param i32 i32 i32))))",
            "wasi_snapshot_preview1.fd_write (function (i32, i32, i32, i32) -> i32), env.memory (memory), nyala.fail (function (i32)), nyala.open_socket (function ())",
        ),
    ] {
        let found = refused(wat);
        assert!(found.contains(message), "{found}");
        assert!(!found.contains("nyala.log"), "{found}");
    }
    let limits = UploadLimits { module_bytes_max: 10, ..UploadLimits::default() };
    assert!(inspect(&to_wasm(&identity()).unwrap(), &limits).is_err());
}

#[test]
fn bytes_that_are_no_module_are_refused_and_do_no_harm() {
    let whole = to_wasm(&identity()).unwrap();
    for end in 0..whole.len() {
        // Sections that come last may be missing.
        if let Err(error) = inspect(&whole[..end], &UploadLimits::default()) {
            assert_eq!(error.code(), ErrorCode::InvalidModule);
        }
    }
    assert!(inspect(b"", &UploadLimits::default()).is_err());
    let mut state = 7_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut valid = 0;
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..=random() % 3 {
            let place = random() % bytes.len();
            bytes[place] = random() as u8;
        }
        match inspect(&bytes, &UploadLimits::default()) {
            Ok(info) => valid += usize::from(info.function("nyala_scalar_f").is_some()),
            Err(error) => assert_eq!(error.code(), ErrorCode::InvalidModule),
        }
    }
    assert!(valid > 0, "some changes leave a module valid");
}

#[test]
fn a_module_is_read_with_its_manifest() {
    let wat = r#"(module (import "nyala" "log" (func (param i32 i32 i32)))
      (func (export "twice") (param i64) (result i64) (i64.add (local.get 0) (local.get 0)))
      (func (export "loops") (loop)) (func $calls (export "calls") (call $calls))
      (@custom "nyala.manifest" "CREATE FUNCTION twice (x BIGINT) ")
      (@custom "nyala.manifest" "RETURNS BIGINT;"))"#;
    let info = inspect(&to_wasm(wat).unwrap(), &UploadLimits::default()).unwrap();
    assert_eq!(info.manifest.as_deref(), Some("CREATE FUNCTION twice (x BIGINT) RETURNS BIGINT;"));
    assert_eq!(info.function("twice").unwrap().to_string(), "(i64) -> i64");
    assert!(!info.has_memory);
    let bounded = ["twice", "loops", "calls"].map(|name| info.body(name).unwrap().is_bounded());
    assert_eq!(bounded, [true, false, false]);
    assert!(info.imports_of(["twice", "loops", "calls"]).is_empty());
}

fn declaration(kind: FunctionKind, arguments: &[DataType], returns: DataType) -> FunctionDeclaration {
    let argument = |data_type: &DataType| Argument { name: "x".to_owned(), data_type: data_type.clone() };
    FunctionDeclaration {
        name: "f".to_owned(),
        kind,
        arguments: arguments.iter().map(argument).collect(),
        returns,
        volatility: Volatility::Immutable,
        strict: None,
        cost: None,
        rows_per_row: None,
        limits: Limits::default(),
        export: None,
    }
}

#[test]
fn the_tier_follows_from_exports_and_types() {
    let info = |wat: &str| inspect(&to_wasm(wat).unwrap(), &UploadLimits::default()).unwrap();
    let row = info("(module (func (export \"f\") (param i64 i32) (result f64) (f64.const 0)))");
    let numbers = [DataType::Decimal128(18, 2), DataType::Date32];
    let scalar = |arguments: &[DataType], returns| declaration(FunctionKind::Scalar, arguments, returns);
    assert_eq!(tier_of(&row, &scalar(&numbers, DataType::Float64)).unwrap(), Tier::Row);
    assert_eq!(tier_of(&info(&identity()), &scalar(&[DataType::Utf8], DataType::Utf8)).unwrap(), Tier::Batch);
    let mut on_null = scalar(&numbers, DataType::Float64);
    on_null.strict = Some(false);
    for (declared, message) in [
        (
            scalar(&[DataType::Int64], DataType::Float64),
            "should be a function (i64) -> f64, but is a function (i64, i32) -> f64",
        ),
        (scalar(&numbers, DataType::Utf8View), "nyala_scalar_f"),
        (
            FunctionDeclaration { export: Some("g".to_owned()), ..scalar(&[], DataType::Int64) },
            "does not export nyala_scalar_g or g; it exports f",
        ),
        (declaration(FunctionKind::Aggregate, &[], DataType::Int64), "does not export memory"),
        (on_null, "cannot see NULL"),
    ] {
        let error = tier_of(&row, &declared).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidModule);
        assert!(error.message().contains(message), "{error:?}");
    }
    // What the SDK makes of a function over numbers, which may or may not call the host.
    let both = |code: &str| {
        info(&module(&format!(
            "(func (export \"nyala_scalar_f\") (param i32) (result i32) (i32.const 0)) \
             (func (export \"nyala_row_f\") (param i64) (result i64) {code} (local.get 0))"
        )))
    };
    let quiet = both("");
    let one = |returns| scalar(&[DataType::Int64], returns);
    assert_eq!(tier_of(&quiet, &one(DataType::Int64)).unwrap(), Tier::Row);
    assert_eq!(tier_of(&quiet, &one(DataType::Utf8)).unwrap(), Tier::Batch);
    let called_for_null = FunctionDeclaration { strict: Some(false), ..one(DataType::Int64) };
    assert_eq!(tier_of(&quiet, &called_for_null).unwrap(), Tier::Batch);
    let loud = both("(call $fail (i32.const 0) (i32.const 0) (i32.const 0))");
    assert_eq!(tier_of(&loud, &one(DataType::Int64)).unwrap(), Tier::Batch);
    let no_table =
        module("(func (export \"nyala_table_f_push\") (param i32 i32) (result i32) (i32.const 0))");
    let error = tier_of(
        &info(&no_table),
        &declaration(FunctionKind::Table, &[], DataType::Struct(Default::default())),
    );
    assert!(error.unwrap_err().message().contains("nyala_table_f_push should be a function (i32) -> i32"));
}

#[test]
fn a_check_reports_what_was_compiled() {
    let fixture = Fixture::new();
    let function = fixture.function(&identity(), &[DataType::Utf8View], DataType::Utf8View);
    let report = fixture.sandbox.check(&function).unwrap();
    assert_eq!(report.tier, Tier::Batch);
    assert_eq!(report.imports, ["nyala.fail"]);
    assert!(report.code_bytes > 0 && !report.artefact_cached);
}

#[test]
fn a_module_that_can_never_start_is_refused_when_it_is_checked() {
    let fixture = Fixture::new();
    let large = identity().replacen("\"memory\") 2", "\"memory\") 300", 1);
    let outside = module(
        "(data (i32.const 131070) \"abc\") (func (export \"nyala_scalar_f\") (param i32) (result i32) (i32.const 0))",
    );
    for (wat, code) in [(large, ErrorCode::GuestLimit), (outside, ErrorCode::GuestFailed)] {
        let function = fixture.function(&wat, &[DataType::Int64], DataType::Int64);
        assert_eq!(fixture.sandbox.check(&function).unwrap_err().code(), code);
    }
}
