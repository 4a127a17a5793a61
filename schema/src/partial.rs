//! Aggregation in two steps: the columns in which a `Partial` hands a call's state to a `Final`.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field};

use crate::expr::Expr;
use crate::operator::AggregateCall;

/// Integers and decimals are summed exactly in 128 bits.
fn exact_sum(scale: i8) -> DataType {
    DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale)
}

impl AggregateCall {
    /// The columns that a `Partial` gives for this call and a `Final` takes; `None` when only all rows of a group in one
    /// place give the result.
    ///
    /// `count` has an `Int64` that is never NULL. `sum` has the sum: of integers and of decimals of scale s a
    /// `Decimal128(38, s)`, of floats a `Float64`; NULL when there was no value. `min` and `max` have a value of their type, NULL
    /// likewise. `avg` has a sum, then a count. The mean of integers is that of exact sums, also where the call casts
    /// them to floats.
    pub fn partial_fields(&self) -> Option<Vec<Field>> {
        let function = self.function.library()?;
        let is_extreme = matches!(function, "min" | "max");
        if !self.order_by.is_empty() || (self.distinct && !is_extreme) {
            return None;
        }
        let count = || Field::new("count", DataType::Int64, false);
        let sum = |data_type| Field::new("sum", data_type, true);
        match (function, self.arguments.as_slice()) {
            ("count", [] | [_]) if self.data_type == DataType::Int64 => Some(vec![count()]),
            ("sum", [argument]) => Some(vec![sum(sum_type(&argument.data_type(), &self.data_type)?)]),
            ("avg", [argument]) => Some(vec![sum(average_type(argument, &self.data_type)?), count()]),
            ("min" | "max", [_]) => Some(vec![Field::new(function, self.data_type.clone(), true)]),
            _ => None,
        }
    }
}

fn sum_type(argument: &DataType, result: &DataType) -> Option<DataType> {
    match (decimal_scale(argument), decimal_scale(result)) {
        (Some(from), Some(to)) if from == to => Some(exact_sum(from)),
        (None, None) if argument.is_integer() && result.is_integer() => Some(exact_sum(0)),
        (None, None) if is_float(argument) && *result == DataType::Float64 => Some(DataType::Float64),
        _ => None,
    }
}

fn average_type(argument: &Expr, result: &DataType) -> Option<DataType> {
    let summed = match argument {
        Expr::Cast { input, data_type: DataType::Float64, safe: false } if input.data_type().is_integer() => {
            input.data_type()
        }
        _ => argument.data_type(),
    };
    match (decimal_scale(&summed), decimal_scale(result)) {
        (Some(from), Some(to)) if to >= from => Some(exact_sum(from)),
        (None, None) if summed.is_integer() && *result == DataType::Float64 => Some(exact_sum(0)),
        (None, None) if is_float(&summed) && *result == DataType::Float64 => Some(DataType::Float64),
        _ => None,
    }
}

fn decimal_scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            Some(*scale)
        }
        _ => None,
    }
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(function: &str, argument: Option<Expr>, data_type: DataType) -> AggregateCall {
        AggregateCall {
            function: function.into(),
            arguments: argument.into_iter().collect(),
            distinct: false,
            filter: None,
            order_by: vec![],
            ignore_nulls: false,
            data_type,
            nullable: true,
        }
    }

    fn column(data_type: DataType) -> Expr {
        Expr::Column { index: 0, data_type, nullable: true }
    }

    fn types(call: &AggregateCall) -> Option<Vec<DataType>> {
        let fields = call.partial_fields()?;
        Some(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    #[test]
    fn sums_are_exact_where_they_can_be() {
        let money = DataType::Decimal128(15, 2);
        let sum = call("sum", Some(column(money.clone())), DataType::Decimal128(25, 2));
        assert_eq!(types(&sum), Some(vec![DataType::Decimal128(38, 2)]));
        let mean = call("avg", Some(column(money)), DataType::Decimal128(19, 6));
        assert_eq!(types(&mean), Some(vec![DataType::Decimal128(38, 2), DataType::Int64]));
        let floats = call("sum", Some(column(DataType::Float32)), DataType::Float64);
        assert_eq!(types(&floats), Some(vec![DataType::Float64]));
        let cast = Expr::Cast {
            input: Box::new(column(DataType::Int32)),
            data_type: DataType::Float64,
            safe: false,
        };
        let mean = call("avg", Some(cast), DataType::Float64);
        assert_eq!(types(&mean), Some(vec![DataType::Decimal128(38, 0), DataType::Int64]));
    }

    #[test]
    fn what_needs_all_rows_has_no_states() {
        let number = || Some(column(DataType::Int64));
        let count = call("count", number(), DataType::Int64);
        assert_eq!(types(&count), Some(vec![DataType::Int64]));
        assert_eq!(types(&AggregateCall { distinct: true, ..count.clone() }), None);
        let greatest = call("max", number(), DataType::Int64);
        assert_eq!(types(&AggregateCall { distinct: true, ..greatest }), Some(vec![DataType::Int64]));
        assert_eq!(types(&call("median", number(), DataType::Int64)), None);
        let interval = DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano);
        assert_eq!(types(&call("sum", Some(column(interval.clone())), interval)), None);
    }

    /// States are not NULL where the count is: a `Final` adds it up without a look.
    #[test]
    fn counts_are_never_null() {
        let mean = call("avg", Some(column(DataType::Float64)), DataType::Float64);
        let nullable: Option<Vec<bool>> =
            mean.partial_fields().map(|fields| fields.iter().map(Field::is_nullable).collect());
        assert_eq!(nullable, Some(vec![true, false]));
    }
}
