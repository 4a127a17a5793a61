//! What the verifier rejects, and the text form of programs.

mod support;

use std::sync::Arc;

use nyala_pipeline::pipeline::{Compute, Probe};
use nyala_pipeline::text::parse_program;
use nyala_pipeline::{Code, PipelinePlan, Program, Sink, Source, Step, verify};
use nyala_schema::operator::{JoinKind, Operator};
use nyala_schema::{Error, ErrorCode, Expr};
use support::*;

/// Every program of the plan.
fn programs(plan: &PipelinePlan) -> Vec<Arc<Program>> {
    let mut computes: Vec<&Compute> = vec![];
    for pipeline in &plan.pipelines {
        if let Source::Scan { filter, .. } = &pipeline.source {
            computes.extend(filter);
        }
        for step in &pipeline.steps {
            match step {
                Step::Compute { compute, .. } => computes.push(compute),
                Step::Probe(probe) => computes.extend(&probe.residual),
                Step::NestedLoop(nested) => computes.extend(&nested.condition),
                Step::Expand { variants, .. } => computes.extend(variants),
                Step::Limit { .. } | Step::Unnest { .. } | Step::TableFunction(_) => {}
            }
        }
        if let Sink::Aggregate { update, .. } = &pipeline.sink {
            computes.extend(update);
        }
    }
    computes.into_iter().map(|compute| compute.code.program.clone()).collect()
}

/// A join below a filter and an aggregate.
fn busy_operator() -> Operator {
    let mut plans = Plans::default();
    let probe = plans.scan(vec![int("k"), int_or_null("p"), text("t")], vec![]);
    let build = plans.scan(vec![int("k2"), int("b")], vec![]);
    let keys = vec![(column(&probe, 0), column(&build, 0))];
    let residual = less(column(&probe, 1), Expr::column(4, build.schema.field(1)));
    let join = plans.join(JoinKind::ProbeOuter, probe, build, keys, Some(residual));
    let like = Expr::Like {
        input: Box::new(column(&join, 2)),
        pattern: Box::new(string("a%'b")),
        escape: Some('\\'),
        negated: true,
        case_insensitive: false,
    };
    let predicate =
        or(less(column(&join, 4), number(3)), less(divide(number(1), column(&join, 0)), number(7)));
    let filter = plans.filter(join, and(like, predicate));
    let values = (1..4).map(nyala_schema::Value::int64).collect();
    let key = Expr::InList { input: Box::new(column(&filter, 0)), values, negated: true };
    let mut sum = call("sum", vec![column(&filter, 1)], arrow::datatypes::DataType::Int64);
    sum.filter = Some(less(column(&filter, 4), number(4)));
    let least = call("min", vec![column(&filter, 4)], arrow::datatypes::DataType::Int64);
    plans.aggregate(filter, vec![key], vec![sum, least])
}

#[test]
fn programs_are_read_back_from_their_text() {
    let programs = programs(&plan(busy_operator()));
    assert_eq!(programs.len(), 3, "residual, filter with keys, update");
    for program in programs {
        let text = program.to_string();
        let parsed = parse_program(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        assert_eq!(parsed, *program, "{text}");
        parsed.verify().unwrap();
    }
}

#[test]
fn a_text_that_is_no_program_is_refused_with_its_line() {
    let error = parse_program("inputs Int64\n%0 = input 0 : Int64\n%1 = frobnicate %0 : Int64").unwrap_err();
    assert_eq!(error.code(), ErrorCode::Syntax);
    assert!(error.message().contains("frobnicate"), "{error}");
}

fn refused(text: &str) -> String {
    let error: Error = parse_program(text).unwrap().verify().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    error.message().to_owned()
}

#[test]
fn programs_that_break_a_rule_are_refused() {
    let start = "inputs Int64, Int32, Boolean?, Decimal64(5, 2)\nparameters Int64, set of 2 Int64\n\
                 %0 = input 0 : Int64\n%1 = input 1 : Int32\n%2 = input 2 : Boolean?\n%3 = input 3 : Decimal64(5, 2)\n";
    let cases = [
        ("%4 = add %0, %9 : Int64", "%4: %9 is not defined here"),
        ("%5 = add %0, %0 : Int64", "%5: is not numbered in order"),
        ("%4 = add %0, %1 : Int64", "%4: operands have not the result's type"),
        ("%4 = less %0, %1 : Boolean", "%4: compares Int64 with Int32"),
        ("%4 = and %0, %2 : Boolean?", "%4: logic takes and gives Booleans"),
        ("%4 = not %2 : Boolean", "%4: may be NULL but its type says not"),
        ("%4 = input 7 : Int64", "%4: there is no such input"),
        ("%4 = parameter 1 : Int64", "%4: there is no such scalar parameter"),
        ("%4 = in %1, parameter 1 : Boolean", "%4: the set has another type"),
        ("%4 = multiply %3, %3 : Decimal64(10, 2)", "%4: the scale is not the sum of scales"),
        ("%4 = multiply %3, %3 : Decimal128(10, 4)", "%4: operands have not the result's width"),
        ("filter %0", "filter %0: is not Boolean"),
        ("output %8", "output: %8 is not defined here"),
        (
            "%5 = if %2 {\n%4 = add %0, %0 : Int64\nyield %4\n} else {\nyield %0\n} : Int64\noutput %4",
            "output: %4",
        ),
        ("%4 = if %2 {\nfilter %2\nyield %0\n} else {\nyield %0\n} : Int64", "%4: filter %2: inside a block"),
        ("%4 = if %2 {\nyield %0\n} else {\nyield %1\n} : Int64", "%4: a branch gives another type"),
        ("update sum.i128 @8 %0", "update @8: is not aligned"),
        ("update sum.f64 @8 %0", "update @8: sums what is no Float64"),
        ("update min Int32 @8 %0", "update @8: has a value of another type"),
    ];
    for (line, expected) in cases {
        let message = refused(&format!("{start}{line}"));
        assert!(message.starts_with(expected), "{line}: {message}");
    }
}

/// The plan after a change that makes it wrong, refused.
fn broken(change: impl Fn(&mut PipelinePlan)) -> String {
    let mut plan = plan(busy_operator());
    verify(&plan).unwrap();
    change(&mut plan);
    verify(&plan).unwrap_err().message().to_owned()
}

fn probe(plan: &mut PipelinePlan) -> &mut Probe {
    let steps = plan.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.steps);
    let mut probes = steps.filter_map(|step| match step {
        Step::Probe(probe) => Some(probe),
        _ => None,
    });
    probes.next().unwrap()
}

#[test]
fn plans_that_break_a_rule_are_refused() {
    let message = broken(|plan| plan.pipelines.swap(0, 1));
    assert_eq!(message, "pipeline 0: state 1 is read before it is whole");
    let message = broken(|plan| probe(plan).keys[0] = 2);
    assert_eq!(message, "pipeline 1: step 0: keys: column 0 is Utf8View, not Int64");
    let message = broken(|plan| probe(plan).payload[0] = 9);
    assert!(message.starts_with("pipeline 1: step 0: a column behind the"), "{message}");
    let message = broken(|plan| probe(plan).kind = JoinKind::Inner);
    assert_eq!(message, "pipeline 1: step 0: has another kind than its state");
    let message = broken(|plan| {
        probe(plan).kept.pop();
    });
    assert!(message.starts_with("pipeline 1: step 1: "), "{message}");
    let message = broken(|plan| {
        plan.pipelines.pop();
    });
    assert_eq!(message, "the last pipeline does not end in the output");
}

#[test]
fn constants_must_fit_their_parameters() {
    let message = broken(|plan| {
        let Step::Compute { compute, .. } = &mut plan.pipelines[1].steps[1] else {
            panic!("a filter was expected")
        };
        let program = compute.code.program.clone();
        compute.code = Code { program, parameters: Arc::new(vec![]) };
    });
    assert_eq!(message, "pipeline 1: step 1: parameters are missing");
}

#[test]
fn last_uses_reach_into_blocks_and_to_the_end() {
    let text = "inputs Boolean, Int64, Int64\n%0 = input 0 : Boolean\n%1 = input 1 : Int64\n%2 = input 2 : Int64\n\
                %4 = if %0 {\n%3 = negate %1 : Int64\nyield %3\n} else {\nyield %2\n} : Int64\nfilter %0\noutput %4";
    let program = parse_program(text).unwrap();
    assert_eq!(program.last_uses(), vec![Some(4), Some(3), Some(3), Some(3), Some(5)]);
    assert!(program.has_filter());
}
