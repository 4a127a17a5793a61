//! Calls of DataFusion's scalar functions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::ScalarValue;
use datafusion_common::config::ConfigOptions;
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use nyala_pipeline::program::Type;
use nyala_schema::{Error, ErrorCode, Result};

use crate::failure::from_datafusion;
use crate::kernel::cast::cast;
use crate::register::Register;

/// Every scalar function by its names. Built when the first call is compiled.
static FUNCTIONS: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let mut functions = HashMap::new();
    let all = datafusion_functions::all_default_functions()
        .into_iter()
        .chain(datafusion_functions_nested::all_default_nested_functions());
    for function in all {
        for alias in function.aliases() {
            functions.insert(alias.clone(), function.clone());
        }
        functions.insert(function.name().to_owned(), function);
    }
    functions
});

/// # Errors
/// UndefinedFunction.
pub(crate) fn find_function(name: &str) -> Result<Arc<ScalarUDF>> {
    FUNCTIONS.get(name).or_else(|| FUNCTIONS.get(&name.to_lowercase())).cloned().ok_or_else(|| {
        Error::new(ErrorCode::UndefinedFunction, format!("there is no function '{name}'"))
            .with_hint("SHOW FUNCTIONS lists them")
    })
}

/// A function with the types in which it takes its arguments.
#[derive(Debug)]
pub(crate) struct LibraryCall {
    function: Arc<ScalarUDF>,
    arguments: Vec<FieldRef>,
    result: Type,
    config: Arc<ConfigOptions>,
}

impl LibraryCall {
    /// # Errors
    /// UndefinedFunction; DatatypeMismatch when the function does not take such arguments.
    pub fn new(name: &str, arguments: &[Type], result: &Type, config: &Arc<ConfigOptions>) -> Result<Self> {
        let function = find_function(name)?;
        let fields: Vec<FieldRef> = arguments
            .iter()
            .enumerate()
            .map(|(index, ty)| {
                Arc::new(Field::new(format!("a{index}"), library_type(&ty.data_type), ty.nullable))
            })
            .collect();
        let arguments = fields_with_udf(&fields, function.as_ref()).map_err(from_datafusion)?;
        Ok(Self { function, arguments, result: result.clone(), config: config.clone() })
    }

    /// # Errors
    /// Those of the function.
    pub fn call(&self, arguments: &[Register], rows: usize) -> Result<Register> {
        let values = self.coerced(arguments)?;
        let return_field = self.return_field(&values)?;
        let given = ScalarFunctionArgs {
            args: values,
            arg_fields: self.arguments.clone(),
            number_rows: rows,
            return_field,
            config_options: self.config.clone(),
        };
        let register = match self.function.invoke_with_args(given).map_err(from_datafusion)? {
            ColumnarValue::Array(array) if array.len() != rows => {
                let message = format!("{} gave {} rows for {rows}", self.function.name(), array.len());
                return Err(Error::internal(message));
            }
            ColumnarValue::Array(array) => Register::Column(array),
            ColumnarValue::Scalar(value) => Register::Constant(value.to_array().map_err(from_datafusion)?),
        };
        cast(&register, &self.result.data_type, false)
    }

    fn coerced(&self, arguments: &[Register]) -> Result<Vec<ColumnarValue>> {
        arguments
            .iter()
            .zip(&self.arguments)
            .map(|(argument, field)| {
                Ok(match cast(argument, field.data_type(), false)? {
                    Register::Column(array) => ColumnarValue::Array(array),
                    Register::Constant(array) => ColumnarValue::Scalar(
                        ScalarValue::try_from_array(&array, 0).map_err(from_datafusion)?,
                    ),
                })
            })
            .collect()
    }

    /// May depend on constant arguments: the type in a cast by name, the field of a struct.
    fn return_field(&self, values: &[ColumnarValue]) -> Result<FieldRef> {
        let scalars: Vec<Option<&ScalarValue>> = values
            .iter()
            .map(|value| match value {
                ColumnarValue::Scalar(value) => Some(value),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let shape = ReturnFieldArgs { arg_fields: &self.arguments, scalar_arguments: &scalars };
        self.function.return_field_from_args(shape).map_err(from_datafusion)
    }
}

/// The type in which the library knows a physical type.
pub(crate) fn library_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        other => other.clone(),
    }
}
