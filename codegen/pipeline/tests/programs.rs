//! What expressions become: types, ranges, guards, sharing.

mod support;

use arrow::datatypes::DataType;
use expect_test::{Expect, expect};
use nyala_pipeline::{PipelinePlan, Sink, Source, Step};
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use nyala_schema::operator::Operator;
use nyala_schema::{Expr, Value};
use support::*;

/// The first program of the plan, with its constants.
fn first_code(plan: &PipelinePlan) -> String {
    let pipeline = &plan.pipelines[0];
    if let Source::Scan { filter: Some(filter), .. } = &pipeline.source {
        return filter.code.to_string();
    }
    for step in &pipeline.steps {
        if let Step::Compute { compute, .. } = step {
            return compute.code.to_string();
        }
    }
    match &pipeline.sink {
        Sink::Aggregate { update: Some(update), .. } => update.code.to_string(),
        _ => String::from("no code\n"),
    }
}

fn check_project(columns: Vec<Column>, expressions: impl Fn(&Operator) -> Vec<Expr>, expected: Expect) {
    let mut plans = Plans::default();
    let scan = plans.scan(columns, vec![]);
    let expressions = expressions(&scan);
    let root = plans.project(scan, expressions);
    expected.assert_eq(&first_code(&plan(root)));
}

fn check_filter(columns: Vec<Column>, predicate: impl Fn(&Operator) -> Expr, expected: Expect) {
    let mut plans = Plans::default();
    let scan = plans.scan(columns, vec![]);
    let predicate = predicate(&scan);
    let root = plans.filter(scan, predicate);
    expected.assert_eq(&first_code(&plan(root)));
}

/// `price * (1 - discount) * (1 + tax)` as the planner types it.
fn charge(scan: &Operator) -> Expr {
    let one = || decimal(1, 20, 0);
    let factor = |op, index| arithmetic(op, one(), column(scan, index), DataType::Decimal128(23, 2));
    let discounted = arithmetic(
        ArithmeticOp::Multiply,
        column(scan, 0),
        factor(ArithmeticOp::Subtract, 1),
        DataType::Decimal128(38, 4),
    );
    arithmetic(ArithmeticOp::Multiply, discounted, factor(ArithmeticOp::Add, 2), DataType::Decimal128(38, 6))
}

#[test]
fn statistics_make_decimals_narrow_and_unchecked() {
    let columns = vec![money("price", 90_000, 10_494_950), money("discount", 0, 10), money("tax", 0, 8)];
    check_project(
        columns,
        |scan| vec![charge(scan)],
        expect![[r#"
        constants 1.00
        inputs Decimal64(15, 2), Decimal64(15, 2), Decimal64(15, 2)
        parameters Decimal64(18, 2)
        %0 = input 0 : Decimal64(15, 2)
        %1 = input 1 : Decimal64(15, 2)
        %2 = parameter 0 : Decimal64(18, 2)
        %3 = subtract %2, %1 : Decimal64(18, 2)
        %4 = multiply %0, %3 : Decimal64(18, 4)
        %5 = input 2 : Decimal64(15, 2)
        %6 = add %2, %5 : Decimal64(18, 2)
        %7 = multiply %4, %6 : Decimal64(18, 6)
        %8 = cast %7 : Decimal128(38, 6)
        output %8
    "#]],
    );
}

#[test]
fn without_statistics_decimals_are_wide_and_checked() {
    let column = |name| Column(name, DataType::Decimal128(15, 2), true, None);
    check_project(
        vec![column("price"), column("discount"), column("tax")],
        |scan| vec![charge(scan)],
        expect![[r#"
            constants 1.00
            inputs Decimal64(15, 2)?, Decimal64(15, 2)?, Decimal64(15, 2)?
            parameters Decimal64(18, 2)
            %0 = input 0 : Decimal64(15, 2)?
            %1 = input 1 : Decimal64(15, 2)?
            %2 = parameter 0 : Decimal64(18, 2)
            %3 = subtract %2, %1 : Decimal64(18, 2)?
            %4 = cast %0 : Decimal128(15, 2)?
            %5 = cast %3 : Decimal128(18, 2)?
            %6 = multiply %4, %5 : Decimal128(38, 4)?
            %7 = input 2 : Decimal64(15, 2)?
            %8 = add %2, %7 : Decimal64(18, 2)?
            %9 = cast %8 : Decimal128(18, 2)?
            %10 = multiply.checked %6, %9 : Decimal128(38, 6)?
            output %10
        "#]],
    );
}

#[test]
fn integers_are_checked_unless_their_ranges_fit() {
    let columns = vec![int("a"), Column("b", DataType::Int64, false, Some((0, 100)))];
    check_project(
        columns,
        |scan| {
            vec![
                add(column(scan, 0), number(1)),
                add(column(scan, 1), number(1)),
                divide(column(scan, 0), column(scan, 1)),
                divide(column(scan, 1), number(2)),
            ]
        },
        expect![[r#"
            constants 1, 2
            inputs Int64, Int64
            parameters Int64, Int64
            %0 = input 0 : Int64
            %1 = parameter 0 : Int64
            %2 = add.checked %0, %1 : Int64
            %3 = input 1 : Int64
            %4 = add %3, %1 : Int64
            %5 = divide.checked %0, %3 : Int64
            %6 = parameter 1 : Int64
            %7 = divide %3, %6 : Int64
            output %2, %4, %5, %7
        "#]],
    );
}

#[test]
fn a_widening_cast_of_a_decimal_costs_nothing_in_a_comparison() {
    check_filter(
        vec![money("a", 0, 5_000)],
        |scan| {
            less(cast(column(scan, 0), DataType::Decimal128(30, 15)), decimal(24 * 10i128.pow(15), 30, 15))
        },
        expect![[r#"
            constants 24.00
            inputs Decimal64(15, 2)
            parameters Decimal64(15, 2)
            %0 = input 0 : Decimal64(15, 2)
            %1 = parameter 0 : Decimal64(15, 2)
            %2 = less %0, %1 : Boolean
            filter %2
            %3 = cast %0 : Decimal128(15, 2)
            output %3
        "#]],
    );
}

#[test]
fn decimals_of_two_scales_meet_at_the_larger() {
    check_filter(
        vec![money("a", 0, 5_000), Column("b", DataType::Decimal128(20, 4), false, None)],
        |scan| less(column(scan, 0), column(scan, 1)),
        expect![[r#"
            inputs Decimal64(15, 2), Decimal128(20, 4)
            %0 = input 0 : Decimal64(15, 2)
            %1 = input 1 : Decimal128(20, 4)
            %2 = cast %0 : Decimal128(20, 4)
            %3 = less %2, %1 : Boolean
            filter %3
            %4 = cast %0 : Decimal128(15, 2)
            output %4
        "#]],
    );
}

#[test]
fn a_side_that_may_fail_is_guarded() {
    check_filter(
        vec![int("a"), int_or_null("b")],
        |scan| {
            let quotient = divide(column(scan, 0), column(scan, 1));
            or(less(column(scan, 1), number(1)), less(quotient, number(3)))
        },
        expect![[r#"
            constants 1, 3
            inputs Int64?, Int64
            parameters Int64, Int64
            %0 = input 0 : Int64?
            %1 = parameter 0 : Int64
            %2 = input 1 : Int64
            %3 = parameter 1 : Int64
            %4 = less %0, %1 : Boolean?
            %8 = if %4 {
              yield %4
            } else {
              %5 = divide.checked %2, %0 : Int64?
              %6 = less %5, %3 : Boolean?
              %7 = or %4, %6 : Boolean?
              yield %7
            } : Boolean?
            filter %8
        "#]],
    );
}

#[test]
fn cheap_filters_come_first_and_guards_stay_before_what_fails() {
    check_filter(
        vec![int("a"), int("b"), text("c")],
        |scan| {
            let like = Expr::Like {
                input: Box::new(column(scan, 2)),
                pattern: Box::new(string("%x%")),
                escape: None,
                negated: false,
                case_insensitive: false,
            };
            let quotient = less(divide(column(scan, 0), column(scan, 1)), number(3));
            let guard = compare(CompareOp::NotEqual, column(scan, 1), number(0));
            and(and(like, quotient), guard)
        },
        expect![[r#"
            constants 0, '%x%', 3
            inputs Int64, Utf8View, Int64
            parameters Int64, Utf8View, Int64
            %0 = input 0 : Int64
            %1 = parameter 0 : Int64
            %2 = not_equal %0, %1 : Boolean
            %3 = input 1 : Utf8View
            %4 = parameter 1 : Utf8View
            filter %2
            %5 = like %3, %4 : Boolean
            filter %5
            %6 = input 2 : Int64
            %7 = parameter 2 : Int64
            %8 = divide.checked %6, %0 : Int64
            %9 = less %8, %7 : Boolean
            filter %9
        "#]],
    );
}

#[test]
fn case_branches_get_one_type_and_share_what_is_outside() {
    check_project(
        vec![money("a", 0, 5_000), int_or_null("b")],
        |scan| {
            let case = Expr::Case {
                branches: vec![
                    (less(column(scan, 1), number(1)), column(scan, 0)),
                    (less(column(scan, 1), number(2)), cast(column(scan, 1), DataType::Decimal128(22, 2))),
                ],
                otherwise: Some(Box::new(decimal(0, 3, 2))),
                data_type: DataType::Decimal128(22, 2),
            };
            vec![case.clone(), Expr::IsNull(Box::new(case))]
        },
        expect![[r#"
            constants 1, 2, 0.00
            inputs Int64?, Decimal64(15, 2)
            parameters Int64, Int64, Decimal128(22, 2)
            %0 = input 0 : Int64?
            %1 = parameter 0 : Int64
            %2 = less %0, %1 : Boolean?
            %3 = input 1 : Decimal64(15, 2)
            %4 = parameter 1 : Int64
            %5 = parameter 2 : Decimal128(22, 2)
            %10 = if %2 {
              %6 = cast %3 : Decimal128(22, 2)
              yield %6
            } else {
              %7 = less %0, %4 : Boolean?
              %9 = if %7 {
                %8 = cast %0 : Decimal128(22, 2)?
                yield %8
              } else {
                yield %5
              } : Decimal128(22, 2)?
              yield %9
            } : Decimal128(22, 2)?
            %11 = is_null %10 : Boolean
            output %10, %11
        "#]],
    );
}

#[test]
fn harmless_branches_become_selections_and_share_their_values() {
    let product = |scan: &Operator| {
        arithmetic(ArithmeticOp::Multiply, column(scan, 0), column(scan, 0), DataType::Decimal128(31, 4))
    };
    check_project(
        vec![money("a", 0, 5_000), text("b")],
        |scan| {
            let case = Expr::Case {
                branches: vec![(compare(CompareOp::Equal, column(scan, 1), string("x")), product(scan))],
                otherwise: None,
                data_type: DataType::Decimal128(31, 4),
            };
            vec![Expr::IsNull(Box::new(case)), Expr::IsNull(Box::new(less(product(scan), decimal(1, 5, 4))))]
        },
        expect![[r#"
            constants 'x', NULL, false
            inputs Utf8View, Decimal64(15, 2)
            parameters Utf8View, Decimal64(18, 4)?, Boolean
            %0 = input 0 : Utf8View
            %1 = parameter 0 : Utf8View
            %2 = equal %0, %1 : Boolean
            %3 = input 1 : Decimal64(15, 2)
            %4 = parameter 1 : Decimal64(18, 4)?
            %5 = multiply %3, %3 : Decimal64(18, 4)
            %6 = if %2 {
              yield %5
            } else {
              yield %4
            } : Decimal64(18, 4)?
            %7 = is_null %6 : Boolean
            %8 = parameter 2 : Boolean
            output %7, %8
        "#]],
    );
}

#[test]
fn cheap_parts_drop_rows_together() {
    check_filter(
        vec![int("a"), int("b")],
        |scan| and(less(column(scan, 0), number(1)), less(number(1), column(scan, 1))),
        expect![[r#"
            constants 1
            inputs Int64, Int64
            parameters Int64
            %0 = input 0 : Int64
            %1 = parameter 0 : Int64
            %2 = less %0, %1 : Boolean
            %3 = input 1 : Int64
            %4 = greater %3, %1 : Boolean
            %5 = and %2, %4 : Boolean
            filter %5
        "#]],
    );
}

#[test]
fn in_lists_are_sets_and_null_makes_no_unknown() {
    check_filter(
        vec![int("a"), text("b")],
        |scan| {
            let numbers = vec![Value::int64(1), Value::int64(2), Value::null(&DataType::Int64)];
            let not_in = Expr::InList { input: Box::new(column(scan, 0)), values: numbers, negated: true };
            let texts = vec![Value::utf8("x"), Value::utf8("y")];
            and(not_in, Expr::InList { input: Box::new(column(scan, 1)), values: texts, negated: false })
        },
        expect![[r#"
            constants NULL, {1, 2}, {'x', 'y'}
            inputs Int64, Utf8View
            parameters Boolean?, set of 2 Int64, set of 2 Utf8View
            %0 = input 0 : Int64
            %1 = parameter 0 : Boolean?
            %2 = in.not %0, parameter 1 : Boolean
            %3 = and %2, %1 : Boolean?
            filter %3
            %4 = input 1 : Utf8View
            %5 = in %4, parameter 2 : Boolean
            filter %5
        "#]],
    );
}

#[test]
fn volatile_columns_are_computed_once_between_their_filters() {
    let mut plans = Plans::default();
    let scan = plans.scan(vec![int("a")], vec![]);
    let predicate = less(column(&scan, 0), number(5));
    let below = plans.filter(scan, predicate);
    let project = plans.project(below, vec![random()]);
    let half = Expr::Literal(Value::float64(0.5));
    let predicate = less(column(&project, 0), half.clone());
    let above = plans.filter(project, predicate);
    let doubled = arithmetic(ArithmeticOp::Add, column(&above, 0), column(&above, 0), DataType::Float64);
    let both = vec![column(&above, 0), doubled];
    let root = plans.project(above, both);
    expect![[r#"
        constants 5, 0.5
        inputs Int64
        parameters Int64, Float64
        %0 = input 0 : Int64
        %1 = parameter 0 : Int64
        %2 = less %0, %1 : Boolean
        filter %2
        %3 = call.volatile "random"() : Float64
        %4 = parameter 1 : Float64
        %5 = less %3, %4 : Boolean
        filter %5
        %6 = add %3, %3 : Float64
        output %3, %6
    "#]]
    .assert_eq(&first_code(&plan(root)));
}

#[test]
fn constants_do_not_change_the_program() {
    let code = |value: i64| {
        let mut plans = Plans::default();
        let scan = plans.scan(vec![int("a")], vec![]);
        let predicate = less(column(&scan, 0), number(value));
        let root = plans.filter(scan, predicate);
        let plan = plan(root);
        match &plan.pipelines[0].steps[0] {
            Step::Compute { compute, .. } => compute.code.clone(),
            other => panic!("{other}"),
        }
    };
    assert_eq!(code(5).program, code(7).program);
    assert_ne!(code(5).parameters, code(7).parameters);
}
