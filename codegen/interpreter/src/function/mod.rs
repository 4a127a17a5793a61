//! `Op::Call`: functions by name. Most are DataFusion's; operators without a statement of their own and a few hot
//! functions are here.

mod bitwise;
mod date;
mod guest;
mod text;
mod udf;

use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::is_not_null;
use datafusion_common::config::ConfigOptions;
use nyala_pipeline::program::Type;
use nyala_schema::{Error, ErrorCode, Result};

use crate::kernel::cast::cast;
use crate::kernel::select::select;
use crate::register::Register;

pub(crate) use guest::{GuestScalar, find_guests};
use udf::LibraryCall;
pub(crate) use udf::library_type;

/// A function found by its name.
#[derive(Debug)]
pub(crate) enum Callee {
    Bitwise(bitwise::BitOp),
    /// `||` of texts: NULL when either is.
    Concatenation,
    /// The first argument that is not NULL.
    Coalesce {
        result: Type,
    },
    /// Own code where the arguments are of the common kind, else the library's function.
    Substring(LibraryCall),
    DatePart(LibraryCall),
    Library(LibraryCall),
}

impl Callee {
    /// # Errors
    /// UndefinedFunction; DatatypeMismatch when the function does not take such arguments.
    pub fn find(name: &str, arguments: &[Type], result: &Type, config: &Arc<ConfigOptions>) -> Result<Self> {
        if let Some(op) = bitwise::BitOp::find(name) {
            return Ok(Self::Bitwise(op));
        }
        let library = || LibraryCall::new(name, arguments, result, config);
        Ok(match name {
            "string_concat" | "||" => Self::Concatenation,
            "coalesce" | "nvl" | "ifnull" => Self::Coalesce { result: result.clone() },
            "substr" | "substring" => Self::Substring(library()?),
            "date_part" | "datepart" => Self::DatePart(library()?),
            _ => Self::Library(library()?),
        })
    }

    /// NULL whenever an argument is.
    pub fn is_strict(&self) -> bool {
        match self {
            Self::Bitwise(_) | Self::Concatenation | Self::Substring(_) | Self::DatePart(_) => true,
            Self::Coalesce { .. } | Self::Library(_) => false,
        }
    }

    /// # Errors
    /// Those of the function.
    pub fn call(&self, arguments: &[Register], rows: usize) -> Result<Register> {
        match self {
            Self::Bitwise(op) => match arguments {
                [left, right] => bitwise::bitwise(*op, left, right),
                _ => Err(wrong_count("a bit operator", arguments.len())),
            },
            Self::Concatenation => match arguments {
                [left, right] => text::concatenate(left, right),
                _ => Err(wrong_count("||", arguments.len())),
            },
            Self::Coalesce { result } => coalesce(arguments, result),
            Self::Substring(library) => match text::substring(arguments) {
                Some(register) => Ok(register),
                None => library.call(arguments, rows),
            },
            Self::DatePart(library) => match date::date_part(arguments) {
                Some(register) => Ok(register),
                None => library.call(arguments, rows),
            },
            Self::Library(library) => library.call(arguments, rows),
        }
    }
}

fn wrong_count(function: &str, count: usize) -> Error {
    Error::new(ErrorCode::DatatypeMismatch, format!("{function} does not take {count} arguments"))
}

/// All arguments have been evaluated; the planner makes `If` of a coalesce whose arguments may fail.
fn coalesce(arguments: &[Register], result: &Type) -> Result<Register> {
    let mut chosen = Register::null(&result.data_type);
    for argument in arguments.iter().rev() {
        let argument = cast(argument, &result.data_type, false)?;
        chosen = match &argument {
            Register::Constant(array) if array.is_null(0) => chosen,
            Register::Constant(_) => argument,
            Register::Column(array) if array.null_count() == 0 => argument,
            Register::Column(array) => {
                let present = is_not_null(array.as_ref())?;
                select(&present, &argument, &chosen)?
            }
        };
    }
    Ok(chosen)
}
