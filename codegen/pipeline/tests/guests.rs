//! What users uploaded, in pipelines.

mod support;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use nyala_pipeline::text::parse_program;
use nyala_pipeline::{Code, Op, Statement, Step};
use nyala_schema::expr::Volatility;
use nyala_schema::guest::{
    GuestCode, GuestFunction, GuestOperator, Limits, ModuleHash, OperatorInput, OperatorOutput, Tier,
};
use nyala_schema::operator::{GuestCall, GuestInput, Operator, OperatorKind, SortKey};
use nyala_schema::{Callee, ErrorCode, Expr, Fragment};
use support::*;

fn code(name: &str) -> GuestCode {
    let (name, export) = (name.to_owned(), name.to_owned());
    GuestCode { name, version: 2, module: ModuleHash([7; 32]), export, limits: Limits::default() }
}

fn function(tier: Tier, cost: u32, volatility: Volatility) -> GuestFunction {
    GuestFunction {
        code: code("f"),
        tier,
        arguments: vec![DataType::Int64],
        returns: DataType::Int64,
        strict: true,
        volatility,
        cost,
        rows_per_row: 100,
    }
}

fn call_of(function: GuestFunction, argument: Expr) -> Expr {
    Expr::Call {
        data_type: DataType::Int64,
        nullable: true,
        volatility: function.volatility,
        arguments: vec![argument],
        function: Callee::Guest(Arc::new(function)),
    }
}

/// The code of the only compute step.
fn code_of(root: Operator) -> Code {
    let plan = plan(root);
    let steps = plan.pipelines.iter().flat_map(|pipeline| &pipeline.steps);
    let mut codes = steps.filter_map(|step| match step {
        Step::Compute { compute, .. } => Some(compute.code.clone()),
        _ => None,
    });
    codes.next().unwrap()
}

#[test]
fn calls_have_a_text_and_a_price() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a")], vec![]);
    let f = |tier, cost| call_of(function(tier, cost, Volatility::Immutable), column(&scan, 0));
    let branch = |call: Expr| Expr::Case {
        branches: vec![(less(column(&scan, 0), number(5)), call)],
        otherwise: None,
        data_type: DataType::Int64,
    };
    let cheap = code_of(plans.project(scan.clone(), vec![branch(f(Tier::Row, 250))])).program;
    let dear = code_of(plans.project(scan.clone(), vec![branch(f(Tier::Batch, 90_000))])).program;
    assert!(cheap.calls_row_tier() && !dear.calls_row_tier());
    assert!(dear.cost() - cheap.cost() == 900 - 3, "{} {}", dear.cost(), cheap.cost());
    let text = cheap.to_string();
    assert!(text.contains("= call \"f@2\"(%0) : Int64?"), "{text}");
    assert_eq!(parse_program(&text).unwrap().to_string(), text);
}

/// Each volatile call is one of its own; equal others are one.
#[test]
fn volatile_calls_are_not_merged() {
    for (volatility, calls, repeatable) in
        [(Volatility::Immutable, 1, true), (Volatility::Stable, 1, true), (Volatility::Volatile, 2, false)]
    {
        let mut plans = Plans::default();
        let scan = plans.scan(vec![int("a")], vec![]);
        let call = || call_of(function(Tier::Row, 100, volatility), column(&scan, 0));
        let sum = add(add(call(), call()), number(1));
        let program = code_of(plans.project(scan.clone(), vec![sum])).program;
        let is_call =
            |statement: &&Statement| matches!(statement, Statement::Let { op: Op::Call { .. }, .. });
        assert_eq!(program.body.statements.iter().filter(is_call).count(), calls, "{program}");
        assert_eq!(program.is_repeatable(), repeatable);
    }
}

fn names(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect()
}

#[test]
fn a_table_function_keeps_what_is_needed() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), text("b"), int("c")], vec![]);
    let own = names(&["x", "y"]);
    let mut function = function(Tier::Batch, 100, Volatility::Immutable);
    function.returns = DataType::Struct(Fields::from(own.clone()));
    let mut all = fields(&scan);
    all.extend(own);
    let arguments = vec![add(column(&scan, 0), number(1))];
    let kind = OperatorKind::TableFunction { function: Arc::new(function), arguments };
    let root = plans.operator(kind, vec![scan], all);
    let root = plans.project(root.clone(), vec![column(&root, 4), column(&root, 2)]);
    let text = plan(root).to_string();
    let step = "table-function o2 \"f@2\"([1]) kept [0] gives [Int64?, Int64?] wanted [1]";
    assert!(text.contains(step), "{text}");
}

fn operator(output: OperatorOutput, inputs: usize, reads_all: bool) -> GuestOperator {
    let input = |index: usize| OperatorInput {
        name: format!("i{index}"),
        needs_partition: false,
        needs_order: false,
        reads_all,
    };
    GuestOperator {
        code: code("op"),
        inputs: (0..inputs).map(input).collect(),
        parameters: vec![],
        output,
        rows_per_row: 100,
        cost: 100,
        keeps_order: false,
    }
}

#[test]
fn an_operator_keeps_its_keys_and_what_is_handed_on() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a"), text("b"), int("c"), int("d")], vec![]);
    let own: Vec<Arc<Field>> = names(&["x", "y"]).into_iter().map(Arc::new).collect();
    let mut all = fields(&scan);
    all.extend(own.iter().map(|field| field.as_ref().clone()));
    let order = SortKey { expr: column(&scan, 0), descending: true, nulls_first: false };
    let call = GuestCall {
        operator: Arc::new(operator(OperatorOutput::Extends(own), 1, false)),
        parameters: vec![],
        inputs: vec![GuestInput { partition_by: vec![column(&scan, 1)], order_by: vec![order] }],
    };
    let root = plans.operator(OperatorKind::Guest(call), vec![scan], all);
    let root = plans.project(root.clone(), vec![column(&root, 5), column(&root, 3)]);
    let text = plan(root).to_string();
    let state = "state 0: operator o2 op@2 kept [0] gives [Int64?, Int64?] wanted [1] input [Int64, Utf8View, Int64] \
                 partition [1] order [2 desc nulls last] handed [2, 1]";
    assert!(text.contains(state), "{text}");
    assert!(text.contains("keep o2 state 0 [3, 1, 0]"), "{text}");
}

#[test]
fn inputs_are_named_and_their_keys_comparable() {
    let mut plans = Plans::default();
    let (left, right) = (plans.scan(vec![int("a")], vec![]), plans.scan(vec![int("b"), text("c")], vec![]));
    let own = names(&["x"]);
    let mut root = |key: Expr| {
        let given = |partition_by| GuestInput { partition_by, order_by: vec![] };
        let output = OperatorOutput::Columns(own.iter().cloned().map(Arc::new).collect());
        let call = GuestCall {
            operator: Arc::new(operator(output, 2, true)),
            parameters: vec![],
            inputs: vec![given(vec![column(&left, 0)]), given(vec![key])],
        };
        plans.operator(OperatorKind::Guest(call), vec![left.clone(), right.clone()], own.clone())
    };
    let text = plan(root(column(&right, 0))).to_string();
    assert!(text.contains("input [Int64, Utf8View] partition [0] order [] handed [0, 0, 1]"), "{text}");
    assert!(text.contains("state 0 input 1 [0, 1]"), "{text}");
    let fragment = Fragment::whole(root(column(&right, 1)), 1);
    let error = nyala_pipeline::build(&fragment).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DatatypeMismatch);
}
