//! Which overload of a function is meant.

use std::sync::Arc;

use arrow::datatypes::DataType;
use nyala_schema::command::Overload;
use nyala_schema::function::FunctionDefinition;
use nyala_schema::type_name::{same_sql_type, sql_signature};
use nyala_schema::{Error, ErrorCode, Result};

use crate::near_miss::with_near_miss;
use crate::snapshot::Snapshot;

impl Snapshot {
    /// The one overload that is meant.
    ///
    /// # Errors
    /// `UndefinedFunction` with what was probably meant; `AmbiguousFunction` when only the types could tell.
    pub fn overload(&self, overload: &Overload) -> Result<&Arc<FunctionDefinition>> {
        existing(self, overload)
    }
}

/// The overload of these argument types.
pub(crate) fn find<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    types: &[DataType],
) -> Option<&'a Arc<FunctionDefinition>> {
    snapshot.functions.get(name)?.iter().find(|function| takes(function, types))
}

pub(crate) fn takes(function: &FunctionDefinition, types: &[DataType]) -> bool {
    function.arguments.len() == types.len()
        && function
            .arguments
            .iter()
            .zip(types)
            .all(|(argument, other)| same_sql_type(&argument.data_type, other))
}

pub(crate) fn signature(function: &FunctionDefinition) -> String {
    sql_signature(&function.name, function.arguments.iter().map(|argument| &argument.data_type))
}

/// The one overload that a command means.
pub(crate) fn existing<'a>(
    snapshot: &'a Snapshot,
    overload: &Overload,
) -> Result<&'a Arc<FunctionDefinition>> {
    let Some(overloads) = snapshot.functions.get(&overload.name) else {
        return Err(undefined(snapshot, overload));
    };
    let signatures = || overloads.iter().map(|f| signature(f)).collect::<Vec<_>>().join(", ");
    let Some(types) = &overload.arguments else {
        let [only] = overloads.as_slice() else {
            let message = format!("there are {} functions named \"{}\"", overloads.len(), overload.name);
            return Err(Error::new(ErrorCode::AmbiguousFunction, message)
                .with_hint(format!("say which of these: {}", signatures())));
        };
        return Ok(only);
    };
    overloads.iter().find(|function| takes(function, types)).ok_or_else(|| {
        let message = format!("there is no function {}", sql_signature(&overload.name, types));
        Error::new(ErrorCode::UndefinedFunction, message).with_hint(format!("there is {}", signatures()))
    })
}

fn undefined(snapshot: &Snapshot, overload: &Overload) -> Error {
    let name = &overload.name;
    let meant = match &overload.arguments {
        Some(types) => sql_signature(name, types),
        None => format!("\"{name}\""),
    };
    let error = Error::new(ErrorCode::UndefinedFunction, format!("there is no function {meant}"));
    if snapshot.operators.contains_key(name) {
        return error.with_hint(format!(
            "\"{name}\" is an operator: use DROP OPERATOR or CREATE OR REPLACE OPERATOR"
        ));
    }
    with_near_miss(error, name, snapshot.functions.keys())
}
