//! Functions, operators and modules as objects of the catalog.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use nyala_catalog::{Catalog, MemoryStore, SledStore, Snapshot, Store};
use nyala_schema::command::{Command, DropKind, Entry, OnConflict, Overload};
use nyala_schema::expr::Volatility;
use nyala_schema::function::*;
use nyala_schema::guest::*;
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, wire};

const BIGINT: DataType = DataType::Int64;
const TEXT: DataType = DataType::Utf8View;

fn version(body: FunctionBody) -> FunctionVersion {
    FunctionVersion {
        number: 0,
        body,
        volatility: Volatility::Stable,
        strict: true,
        cost: 250,
        rows_per_row: 100,
        limits: Limits { on_error: OnError::Null, ..Limits::default() },
    }
}

fn guest(byte: u8) -> FunctionVersion {
    let source = byte.is_multiple_of(2).then(|| "(module)".to_owned());
    let module = ModuleHash([byte; 32]);
    version(FunctionBody::Guest { module, export: "f".into(), tier: Tier::Batch, source })
}

fn sql(uses: &[&str]) -> FunctionVersion {
    let uses = uses.iter().map(|&name| name.into()).collect();
    version(FunctionBody::Sql { text: "a + 1".into(), uses })
}

fn function(name: &str, types: &[DataType], version: FunctionVersion) -> FunctionDefinition {
    let argument = |(i, t): (usize, &DataType)| Argument { name: format!("a{i}"), data_type: t.clone() };
    FunctionDefinition {
        name: name.into(),
        kind: FunctionKind::Scalar,
        arguments: types.iter().enumerate().map(argument).collect(),
        returns: BIGINT,
        versions: vec![version],
        current: 0,
        module: None,
    }
}

fn operator(name: &str, byte: u8) -> OperatorDefinition {
    let code = GuestCode {
        name: name.into(),
        version: 0,
        module: ModuleHash([byte; 32]),
        export: "run".into(),
        limits: Limits::default(),
    };
    let input =
        OperatorInput { name: "t".into(), needs_partition: true, needs_order: false, reads_all: true };
    let parameter = OperatorParameter { name: "gap".into(), data_type: BIGINT, required: true };
    let operator = GuestOperator {
        code,
        inputs: vec![input],
        parameters: vec![parameter],
        output: OperatorOutput::Extends(vec![Arc::new(Field::new("session", BIGINT, false))]),
        rows_per_row: 100,
        cost: 300,
        keeps_order: true,
    };
    OperatorDefinition { name: name.into(), operator: Arc::new(operator), module: None }
}

fn create(definition: FunctionDefinition, on_conflict: OnConflict) -> Command {
    Command::CreateFunction { definition, on_conflict }
}

fn create_operator(name: &str, byte: u8, on_conflict: OnConflict) -> Command {
    Command::CreateOperator { definition: operator(name, byte), on_conflict }
}

fn module(
    name: &str,
    functions: Vec<FunctionDefinition>,
    operators: Vec<OperatorDefinition>,
    on_conflict: OnConflict,
) -> Command {
    let definition = ModuleDefinition { name: name.into(), hash: ModuleHash([9; 32]), size_bytes: 77 };
    Command::CreateModule { definition, functions, operators, on_conflict }
}

fn view(name: &str, uses: &[&str]) -> Command {
    let definition = TableDefinition::View {
        sql: "SELECT 1".into(),
        columns: None,
        schema: Arc::new(Schema::new(vec![Field::new("a", BIGINT, true)])),
        uses: uses.iter().map(|&name| name.into()).collect(),
    };
    Command::CreateTable { name: name.into(), definition, on_conflict: OnConflict::Replace }
}

fn overload(name: &str, types: Option<&[DataType]>) -> Overload {
    Overload { name: name.into(), arguments: types.map(<[_]>::to_vec) }
}

fn drop_function(name: &str, types: Option<&[DataType]>) -> Command {
    Command::DropFunction { overload: overload(name, types), if_exists: false }
}

fn build(commands: &[Command]) -> Snapshot {
    commands.iter().fold(Snapshot::default(), |snapshot, command| apply(&snapshot, command).unwrap())
}

/// The refusal's code, and message with hint, of which all `words` must be part.
fn refused(snapshot: &Snapshot, command: &Command, code: ErrorCode, words: &[&str]) {
    let error: Error = apply(snapshot, command).unwrap_err();
    let text = format!("{error:?}");
    assert_eq!(error.code(), code, "{text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word} is not in: {text}"));
}

fn apply(snapshot: &Snapshot, command: &Command) -> nyala_schema::Result<Snapshot> {
    nyala_catalog::apply(snapshot, &Entry { at_ms: 0, command: command.clone() })
}

fn sample() -> Vec<Command> {
    vec![
        create(function("f", &[BIGINT], guest(1)), OnConflict::Fail),
        create(function("f", &[BIGINT], guest(2)), OnConflict::Replace),
        Command::AddFunctionVersion { overload: overload("f", None), version: guest(3) },
        Command::SetFunctionVersion { overload: overload("f", None), number: 2 },
        create(function("f", &[BIGINT, TEXT], guest(4)), OnConflict::Fail),
        create(function("g", &[], sql(&["f"])), OnConflict::Fail),
        create_operator("o", 5, OnConflict::Fail),
        create_operator("o", 6, OnConflict::Replace),
        module("m", vec![function("mf", &[TEXT], guest(7))], vec![operator("mo", 8)], OnConflict::Fail),
        view("v", &["o"]),
    ]
}

fn survives(open: impl Fn() -> Box<dyn Store>) {
    let catalog = Catalog::open_with_clock(open(), Box::new(|| 0)).unwrap();
    for command in sample() {
        let entry = Entry { at_ms: 1, command };
        assert_eq!(wire::decode_entry(&wire::encode_entry(&entry).unwrap()).unwrap(), entry);
        catalog.commit(&entry.command).unwrap();
    }
    let snapshot = catalog.snapshot();
    let f = &snapshot.functions["f"][0];
    assert_eq!(f.versions.iter().map(|v| v.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(f.current, 2);
    assert_eq!(snapshot.operators["o"].operator.code.version, 2);
    assert_eq!(snapshot.functions["mf"][0].module.as_deref(), Some("m"));
    let in_use: Vec<u8> = snapshot.modules_in_use().iter().map(|hash| hash.0[0]).collect();
    assert_eq!(in_use, [1, 2, 3, 4, 5, 6, 7, 8, 9], "5 is of a version that is kept");
    assert_eq!(Snapshot::decode(&snapshot.encode().unwrap()).unwrap(), *snapshot);
}

#[test]
fn objects_survive_in_both_stores() {
    survives(|| Box::new(MemoryStore::default()));
    let folder = tempfile::tempdir().unwrap();
    survives(|| Box::new(SledStore::open(folder.path()).unwrap()));
    let reopened = Catalog::open(Box::new(SledStore::open(folder.path()).unwrap())).unwrap();
    assert_eq!(*reopened.snapshot(), build(&sample()));
}

#[test]
fn names_that_are_taken() {
    let snapshot = build(&sample());
    let mut aggregate = function("f", &[BIGINT], guest(1));
    refused(
        &snapshot,
        &create(aggregate.clone(), OnConflict::Fail),
        ErrorCode::DuplicateFunction,
        &["f(BIGINT)", "OR REPLACE"],
    );
    aggregate.kind = FunctionKind::Aggregate;
    let replace = create(aggregate, OnConflict::Replace);
    refused(&snapshot, &replace, ErrorCode::DuplicateFunction, &["DROP FUNCTION f(BIGINT)"]);
    let o = create(function("o", &[], guest(1)), OnConflict::Replace);
    refused(&snapshot, &o, ErrorCode::DuplicateObject, &["operator \"o\""]);
    let f = create_operator("f", 1, OnConflict::Replace);
    refused(&snapshot, &f, ErrorCode::DuplicateObject, &["function f(BIGINT)"]);
    refused(
        &snapshot,
        &create_operator("o", 1, OnConflict::Fail),
        ErrorCode::DuplicateObject,
        &["OR REPLACE"],
    );
    let again = module("m", vec![], vec![], OnConflict::Fail);
    refused(&snapshot, &again, ErrorCode::DuplicateObject, &["module \"m\"", "DROP MODULE m"]);
    let foreign = module("n", vec![function("mf", &[TEXT], guest(1))], vec![], OnConflict::Fail);
    refused(&snapshot, &foreign, ErrorCode::DuplicateFunction, &["module \"n\"", "DROP MODULE m"]);
    let twice = vec![function("x", &[], guest(1)), function("x", &[], guest(2))];
    let twice = module("n", twice, vec![], OnConflict::Fail);
    refused(&snapshot, &twice, ErrorCode::DuplicateFunction, &["x() twice"]);
    let kept = apply(&snapshot, &create(function("f", &[BIGINT], guest(9)), OnConflict::Keep)).unwrap();
    assert_eq!(kept.functions, snapshot.functions);
}

#[test]
fn names_that_are_unknown() {
    let snapshot = build(&sample());
    let unknown = [
        (drop_function("f", None), ErrorCode::AmbiguousFunction, "f(BIGINT), f(BIGINT, TEXT)"),
        (drop_function("f", Some(&[TEXT])), ErrorCode::UndefinedFunction, "no function f(TEXT)"),
        (drop_function("mff", None), ErrorCode::UndefinedFunction, "did you mean \"mf\"?"),
        (drop_function("o", None), ErrorCode::UndefinedFunction, "is an operator"),
        (
            Command::SetFunctionVersion { overload: overload("f", Some(&[BIGINT])), number: 4 },
            ErrorCode::UndefinedObject,
            "versions are 1, 2, 3; 2 is current",
        ),
        (
            Command::DropOperator { name: "moo".into(), if_exists: false },
            ErrorCode::UndefinedObject,
            "did you mean \"mo\"?",
        ),
        (
            Command::DropModule { name: "x".into(), if_exists: false },
            ErrorCode::UndefinedObject,
            "no module \"x\"",
        ),
        (view("w", &["nothing"]), ErrorCode::UndefinedFunction, "view \"w\" uses \"nothing\""),
    ];
    for (command, code, words) in unknown {
        refused(&snapshot, &command, code, &[words]);
    }
    let missing = Command::DropFunction { overload: overload("x", None), if_exists: true };
    assert_eq!(apply(&snapshot, &missing).unwrap().functions, snapshot.functions);
}

#[test]
fn what_is_used_stays() {
    let mut snapshot = build(&sample());
    let dependency = ErrorCode::Dependency;
    refused(
        &snapshot,
        &drop_function("f", Some(&[BIGINT])),
        dependency,
        &["function g()", "drop or replace"],
    );
    let drop_o = Command::DropOperator { name: "o".into(), if_exists: false };
    refused(&snapshot, &drop_o, dependency, &["view \"v\"", "DROP VIEW v"]);
    refused(&snapshot, &drop_function("mf", None), dependency, &["module \"m\"", "DROP MODULE m"]);
    let mut other_result = function("f", &[BIGINT], guest(1));
    other_result.returns = TEXT;
    let other_result = create(other_result, OnConflict::Replace);
    refused(&snapshot, &other_result, dependency, &["result would change", "g()"]);
    snapshot = apply(&snapshot, &view("w", &["mf"])).unwrap();
    let drop_m = Command::DropModule { name: "m".into(), if_exists: false };
    refused(&snapshot, &drop_m, dependency, &["mf(TEXT)", "view \"w\""]);
    let drop_w = Command::DropTable { name: "w".into(), if_exists: false, kind: DropKind::View };
    for command in [drop_w, drop_m, drop_function("g", None), other_result] {
        snapshot = apply(&snapshot, &command).unwrap();
    }
    assert!(!snapshot.functions.contains_key("mf") && !snapshot.operators.contains_key("mo"));
    let f = &snapshot.functions["f"][0];
    assert_eq!((f.versions.len(), f.current), (1, 4), "another result replaces all versions; numbers go on");
}

#[test]
fn a_replaced_module_drops_what_it_does_not_declare_any_more() {
    let mut commands = sample();
    let declared = vec![function("mf", &[TEXT], guest(1)), function("new", &[], guest(1))];
    commands.push(module("m", declared, vec![], OnConflict::Replace));
    let snapshot = build(&commands);
    assert_eq!(snapshot.functions["mf"][0].versions.len(), 2);
    assert_eq!(snapshot.functions["new"][0].module.as_deref(), Some("m"));
    assert!(!snapshot.operators.contains_key("mo"));
}

fn random_command(next: &mut impl FnMut(u64) -> u64) -> Command {
    let name = ["a", "b", "c"][next(3) as usize];
    let types: &[DataType] = [&[][..], &[BIGINT], &[BIGINT, TEXT]][next(3) as usize];
    let on_conflict = [OnConflict::Fail, OnConflict::Keep, OnConflict::Replace][next(3) as usize];
    let byte = next(200) as u8;
    match next(9) {
        0 | 1 => create(function(name, types, guest(byte)), on_conflict),
        2 => create(function(name, types, sql(&["a"])), on_conflict),
        3 => Command::AddFunctionVersion { overload: overload(name, Some(types)), version: guest(byte) },
        4 => Command::SetFunctionVersion { overload: overload(name, None), number: next(4) as u32 },
        5 => drop_function(name, Some(types)),
        6 => create_operator(name, byte, on_conflict),
        7 => module(name, vec![function(name, types, guest(byte))], vec![operator("c", byte)], on_conflict),
        _ => Command::DropModule { name: name.into(), if_exists: next(2) == 0 },
    }
}

#[test]
fn random_commands_give_equal_snapshots_that_survive_the_wire() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut applied = 0;
    for _ in 0..30 {
        let (mut one, mut two) = (Snapshot::default(), Snapshot::default());
        for _ in 0..40 {
            let entry = Entry { at_ms: 0, command: random_command(&mut next) };
            let decoded = wire::decode_entry(&wire::encode_entry(&entry).unwrap()).unwrap();
            match (nyala_catalog::apply(&one, &entry), nyala_catalog::apply(&two, &decoded)) {
                (Ok(left), Ok(right)) => {
                    applied += 1;
                    (one, two) = (left, right);
                }
                (left, right) => assert_eq!(left.unwrap_err(), right.unwrap_err()),
            }
            assert!(one.functions.keys().all(|name| !one.operators.contains_key(name)));
            for function in one.functions.values().flatten() {
                assert!(function.version(function.current).is_some());
                assert!(function.versions.is_sorted_by(|a, b| a.number < b.number));
            }
        }
        assert_eq!(one, two);
        assert_eq!(Snapshot::decode(&one.encode().unwrap()).unwrap(), one);
    }
    assert!(applied > 200, "{applied}");
}
