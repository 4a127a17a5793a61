//! What a row-tier function's code can do, found by reading it.

use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_wasm::Signature;

use super::shape::ModuleShape;

/// What an export's code, with all that it calls, may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Analysis {
    /// It has loops or calls: how long it takes is not bounded by its size.
    pub unbounded: bool,
    pub may_trap: bool,
    /// What it does may depend on earlier calls.
    pub stateful: bool,
    /// Of the function and all that it calls.
    pub code_bytes: usize,
}

impl Analysis {
    /// Reads the module of a function.
    ///
    /// # Errors
    /// `InvalidModule`: not a module, without such an export, or of another signature; or it may call the host.
    pub(crate) fn of(bytes: &[u8], function: &GuestFunction) -> Result<Analysis> {
        let unreadable = |error| {
            invalid(function, &format!("its module cannot be read: {error}"), "compile the source anew")
        };
        let module = ModuleShape::of(bytes).map_err(unreadable)?;
        let export = &function.code.export;
        let Some(index) = module.row_function(export) else {
            return Err(invalid(
                function,
                &format!("its module exports no function {export}"),
                "name one of the exports with EXPORT '…'",
            ));
        };
        let wanted = Signature::of(function);
        if wanted.is_none() || module.signature(index) != wanted {
            return Err(invalid(
                function,
                &format!(
                    "the export {export} has not the parameters and result that the declaration asks for"
                ),
                "compare the types: INT is i32, BIGINT is i64, REAL is f32, DOUBLE is f64",
            ));
        }
        let reached = module.reach([index]).map_err(unreadable)?;
        if let Some(import) = reached.functions.iter().find_map(|index| module.import(*index)) {
            return Err(invalid(
                function,
                &format!("it may call {import}, and functions of the row tier may call nothing of the host"),
                "export it for the batch tier, or write it without that call: the SDK makes it where code panics",
            ));
        }
        Ok(reached.analysis)
    }
}

fn invalid(function: &GuestFunction, what: &str, hint: &str) -> Error {
    Error::new(ErrorCode::InvalidModule, format!("function {function} cannot be called: {what}"))
        .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(body: &str) -> Analysis {
        let text = format!("(module (memory 1) (func (export \"f\") (param i64) (result i64) {body}))");
        let bytes = wat::parse_str(text).unwrap();
        let shape = ModuleShape::of(&bytes).unwrap();
        let found = shape.reach([shape.row_function("f").unwrap()]).unwrap().analysis;
        assert!(found.code_bytes > 0);
        Analysis { code_bytes: 0, ..found }
    }

    #[test]
    fn code_says_what_it_may_do() {
        let none = Analysis::default();
        assert_eq!(examined("(i64.add (local.get 0) (i64.const 1))"), none);
        let division = examined("(i64.div_s (i64.const 1) (local.get 0))");
        assert_eq!(division, Analysis { may_trap: true, ..none });
        let endless = examined("(loop (br 0)) (i64.const 1)");
        assert_eq!(endless, Analysis { may_trap: true, unbounded: true, ..none });
        let memory = examined("(i64.store (i32.const 0) (local.get 0)) (i64.load (i32.const 8))");
        assert_eq!(memory, Analysis { may_trap: true, unbounded: true, stateful: true, ..none });
    }
}
