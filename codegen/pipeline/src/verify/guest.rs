//! The rules of what users uploaded: it is called with the columns and types that it declares.

use arrow::datatypes::DataType;
use nyala_schema::guest::OperatorOutput;
use nyala_schema::{Error, Result};

use super::program::require;
use crate::column::exact_type;
use crate::program::Type;
use crate::state::{GuestInputSpec, GuestSpec};

/// The columns of a table function are those of the struct that it returns.
pub(super) fn gives(returns: &DataType, types: &[Type]) -> Result<()> {
    let DataType::Struct(fields) = returns else {
        return Err(Error::internal("a table function returns no struct of columns"));
    };
    require(fields.len() == types.len(), "a table function gives other columns")?;
    let same =
        |(field, ty): (&arrow::datatypes::FieldRef, &Type)| exact_type(field.data_type()) == ty.data_type;
    require(fields.iter().zip(types).all(same), "a table function gives columns of other types")
}

pub(super) fn rules(guest: &GuestSpec) -> Result<()> {
    let call = &guest.call;
    require(!guest.inputs.is_empty(), "an operator without an input")?;
    require(guest.inputs.len() == call.inputs.len(), "an operator with other inputs than its call")?;
    require(call.parameters.len() == call.operator.parameters.len(), "parameters are missing")?;
    let first = &guest.inputs[0];
    require(guest.kept.iter().all(|&index| index < first.types.len()), "keeps what is no column")?;
    require(guest.columns.iter().all(|&index| index < guest.types.len()), "wants what is not given")?;
    let own = call.operator.output.own_columns().len();
    match call.operator.output {
        OperatorOutput::Extends(_) => require(guest.types.len() == own, "gives other columns of its own"),
        OperatorOutput::Columns(_) => {
            require(guest.types.len() == own && guest.kept.is_empty(), "gives other columns")
        }
        OperatorOutput::LikeInput(_) => {
            let all = own + first.schema.fields().len();
            require(guest.types.len() == all && guest.kept.is_empty(), "gives other columns than its input")
        }
    }?;
    let keyed: Vec<Vec<&DataType>> =
        guest.inputs.iter().map(crate::build::guest_key_types).filter(|types| !types.is_empty()).collect();
    require(keyed.windows(2).all(|pair| pair[0] == pair[1]), "partition keys differ in their types")?;
    guest.inputs.iter().enumerate().try_for_each(|(index, input)| {
        input_rules(guest, index, input).map_err(|error| error.context(format!("input {index}")))
    })
}

fn input_rules(guest: &GuestSpec, index: usize, input: &GuestInputSpec) -> Result<()> {
    let given = &guest.call.inputs[index];
    require(input.partition_by.len() == given.partition_by.len(), "partition keys are missing")?;
    require(input.order_by.len() == given.order_by.len(), "order keys are missing")?;
    let order = input.order_by.iter().map(|key| key.index);
    let mut all = input.partition_by.iter().copied().chain(order).chain(input.handed.iter().copied());
    require(all.all(|index| index < input.types.len()), "reads what is no column")?;
    let exact = |&index: &usize| {
        let data_type = &input.types[index].data_type;
        exact_type(data_type) == *data_type
    };
    require(input.handed.iter().all(exact), "an operator is handed a column of an inexact type")?;
    let keys = given.order_by.len() + given.partition_by.len();
    let reads_all = guest.call.operator.inputs.get(index).is_some_and(|input| input.reads_all);
    let wanted = if reads_all { keys + input.schema.fields().len() } else { keys };
    require(input.handed.len() == wanted, "an operator is handed other columns than it reads")
}
