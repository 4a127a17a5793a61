//! What a row-tier function's code can do, found by reading it.

use std::collections::{BTreeSet, HashMap};

use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_wasm::{Number, Signature};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef, ValType};

/// What an export's code, with all that it calls, may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Analysis {
    /// It has loops or calls: how long it takes is not bounded by its size.
    pub unbounded: bool,
    pub may_trap: bool,
    /// What it does may depend on earlier calls.
    pub stateful: bool,
}

impl Analysis {
    /// Reads the module of a function.
    ///
    /// # Errors
    /// `InvalidModule`: not a module, without such an export, or of another signature; or it imports something.
    pub(crate) fn of(bytes: &[u8], function: &GuestFunction) -> Result<Analysis> {
        let module = ModuleShape::of(bytes).map_err(|error| {
            invalid(function, &format!("its module cannot be read: {error}"), "compile the source anew")
        })?;
        if let Some(import) = &module.import {
            return Err(invalid(
                function,
                &format!("its module imports {import}, and functions of the row tier may import nothing"),
                "export it for the batch tier, or build the module without that import",
            ));
        }
        let export = &function.code.export;
        let Some(index) = module.exports.get(export.as_str()).copied() else {
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
        module.examine(index).map_err(|error| {
            invalid(function, &format!("its module cannot be read: {error}"), "compile the source anew")
        })
    }
}

fn invalid(function: &GuestFunction, what: &str, hint: &str) -> Error {
    Error::new(ErrorCode::InvalidModule, format!("function {function} cannot be called: {what}"))
        .with_hint(hint)
}

/// The parts of a module that say what an export is.
#[derive(Default)]
struct ModuleShape<'a> {
    types: Vec<Option<Signature>>,
    /// Types of the functions.
    functions: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    exports: HashMap<&'a str, u32>,
    /// The first import, for people.
    import: Option<String>,
    starts: bool,
}

impl<'a> ModuleShape<'a> {
    fn of(bytes: &'a [u8]) -> wasmparser::Result<Self> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            let signature = match &ty.composite_type.inner {
                                wasmparser::CompositeInnerType::Func(ty) => numbers(ty),
                                _ => None,
                            };
                            shape.types.push(signature);
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let what = match import.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => "the function",
                            TypeRef::Table(_) => "the table",
                            TypeRef::Memory(_) => "the memory",
                            TypeRef::Global(_) => "the global",
                            TypeRef::Tag(_) => "the tag",
                        };
                        shape.import.get_or_insert(format!("{what} {}.{}", import.module, import.name));
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        shape.functions.push(ty?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if matches!(export.kind, ExternalKind::Func) {
                            shape.exports.insert(export.name, export.index);
                        }
                    }
                }
                Payload::StartSection { .. } => shape.starts = true,
                Payload::CodeSectionEntry(body) => shape.bodies.push(body),
                _ => {}
            }
        }
        Ok(shape)
    }

    fn signature(&self, function: u32) -> Option<Signature> {
        let ty = *self.functions.get(function as usize)?;
        self.types.get(ty as usize)?.clone()
    }

    fn examine(&self, export: u32) -> wasmparser::Result<Analysis> {
        let mut analysis = Analysis { unbounded: self.starts, may_trap: self.starts, stateful: self.starts };
        let (mut open, mut seen) = (vec![export], BTreeSet::new());
        while let Some(index) = open.pop() {
            if !seen.insert(index) {
                continue;
            }
            let Some(body) = self.bodies.get(index as usize) else { continue };
            for operator in body.get_operators_reader()? {
                match operator? {
                    Operator::Loop { .. } => {
                        analysis.unbounded = true;
                        // It may take so long that it is cut off.
                        analysis.may_trap = true;
                    }
                    Operator::Call { function_index } => {
                        // The stack may overflow.
                        analysis.unbounded = true;
                        analysis.may_trap = true;
                        open.push(function_index);
                    }
                    operator if is_plain(&operator) => {}
                    operator if traps_only(&operator) => analysis.may_trap = true,
                    _ => analysis = Analysis { unbounded: true, may_trap: true, stateful: true },
                }
            }
        }
        Ok(analysis)
    }
}

/// Numbers in, one number out.
fn numbers(ty: &wasmparser::FuncType) -> Option<Signature> {
    let number = |ty: &ValType| match ty {
        ValType::I32 => Some(Number::I32),
        ValType::I64 => Some(Number::I64),
        ValType::F32 => Some(Number::F32),
        ValType::F64 => Some(Number::F64),
        ValType::V128 | ValType::Ref(_) => None,
    };
    let parameters = ty.params().iter().map(number).collect::<Option<_>>()?;
    let [result] = ty.results() else { return None };
    Some(Signature { parameters, result: number(result)? })
}

/// May trap, and does nothing else that lasts.
fn traps_only(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::Unreachable
            | O::I32DivS
            | O::I32DivU
            | O::I32RemS
            | O::I32RemU
            | O::I64DivS
            | O::I64DivU
            | O::I64RemS
            | O::I64RemU
            | O::I32TruncF32S
            | O::I32TruncF32U
            | O::I32TruncF64S
            | O::I32TruncF64U
            | O::I64TruncF32S
            | O::I64TruncF32U
            | O::I64TruncF64S
            | O::I64TruncF64U
            | O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8S { .. }
            | O::I64Load8U { .. }
            | O::I64Load16S { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. }
            | O::MemorySize { .. }
    )
}

/// Neither traps nor leaves anything behind, in bounded time.
fn is_plain(operator: &Operator<'_>) -> bool {
    is_structure(operator) || is_integer(operator) || is_float(operator) || is_conversion(operator)
}

fn is_structure(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::Nop
            | O::Block { .. }
            | O::If { .. }
            | O::Else
            | O::End
            | O::Br { .. }
            | O::BrIf { .. }
            | O::BrTable { .. }
            | O::Return
            | O::Drop
            | O::Select
            | O::TypedSelect { .. }
            | O::LocalGet { .. }
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::GlobalGet { .. }
            | O::I32Const { .. }
            | O::I64Const { .. }
            | O::F32Const { .. }
            | O::F64Const { .. }
    )
}

fn is_integer(operator: &Operator<'_>) -> bool {
    use Operator as O;
    #[rustfmt::skip]
    let plain = matches!(
        operator,
        O::I32Eqz | O::I32Eq | O::I32Ne | O::I32LtS | O::I32LtU | O::I32GtS | O::I32GtU | O::I32LeS | O::I32LeU
            | O::I32GeS | O::I32GeU | O::I64Eqz | O::I64Eq | O::I64Ne | O::I64LtS | O::I64LtU | O::I64GtS
            | O::I64GtU | O::I64LeS | O::I64LeU | O::I64GeS | O::I64GeU | O::I32Clz | O::I32Ctz | O::I32Popcnt
            | O::I32Add | O::I32Sub | O::I32Mul | O::I32And | O::I32Or | O::I32Xor | O::I32Shl | O::I32ShrS
            | O::I32ShrU | O::I32Rotl | O::I32Rotr | O::I64Clz | O::I64Ctz | O::I64Popcnt | O::I64Add | O::I64Sub
            | O::I64Mul | O::I64And | O::I64Or | O::I64Xor | O::I64Shl | O::I64ShrS | O::I64ShrU | O::I64Rotl
            | O::I64Rotr | O::I64Add128 | O::I64Sub128 | O::I64MulWideS | O::I64MulWideU
    );
    plain
}

fn is_float(operator: &Operator<'_>) -> bool {
    use Operator as O;
    #[rustfmt::skip]
    let plain = matches!(
        operator,
        O::F32Eq | O::F32Ne | O::F32Lt | O::F32Gt | O::F32Le | O::F32Ge | O::F64Eq | O::F64Ne | O::F64Lt | O::F64Gt
            | O::F64Le | O::F64Ge | O::F32Abs | O::F32Neg | O::F32Ceil | O::F32Floor | O::F32Trunc | O::F32Nearest
            | O::F32Sqrt | O::F32Add | O::F32Sub | O::F32Mul | O::F32Div | O::F32Min | O::F32Max | O::F32Copysign
            | O::F64Abs | O::F64Neg | O::F64Ceil | O::F64Floor | O::F64Trunc | O::F64Nearest | O::F64Sqrt
            | O::F64Add | O::F64Sub | O::F64Mul | O::F64Div | O::F64Min | O::F64Max | O::F64Copysign
    );
    plain
}

fn is_conversion(operator: &Operator<'_>) -> bool {
    use Operator as O;
    #[rustfmt::skip]
    let plain = matches!(
        operator,
        O::I32WrapI64 | O::I64ExtendI32S | O::I64ExtendI32U | O::F32ConvertI32S | O::F32ConvertI32U
            | O::F32ConvertI64S | O::F32ConvertI64U | O::F32DemoteF64 | O::F64ConvertI32S | O::F64ConvertI32U
            | O::F64ConvertI64S | O::F64ConvertI64U | O::F64PromoteF32 | O::I32ReinterpretF32
            | O::I64ReinterpretF64 | O::F32ReinterpretI32 | O::F64ReinterpretI64 | O::I32Extend8S | O::I32Extend16S
            | O::I64Extend8S | O::I64Extend16S | O::I64Extend32S | O::I32TruncSatF32S | O::I32TruncSatF32U
            | O::I32TruncSatF64S | O::I32TruncSatF64U | O::I64TruncSatF32S | O::I64TruncSatF32U
            | O::I64TruncSatF64S | O::I64TruncSatF64U
    );
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined(body: &str) -> Analysis {
        let text = format!("(module (memory 1) (func (export \"f\") (param i64) (result i64) {body}))");
        let bytes = wat::parse_str(text).unwrap();
        let shape = ModuleShape::of(&bytes).unwrap();
        shape.examine(shape.exports["f"]).unwrap()
    }

    #[test]
    fn code_says_what_it_may_do() {
        let none = Analysis::default();
        assert_eq!(examined("(i64.add (local.get 0) (i64.const 1))"), none);
        let division = examined("(i64.div_s (i64.const 1) (local.get 0))");
        assert_eq!(division, Analysis { may_trap: true, ..none });
        let endless = examined("(loop (br 0)) (i64.const 1)");
        assert_eq!(endless, Analysis { may_trap: true, unbounded: true, stateful: false });
        let memory = examined("(i64.store (i32.const 0) (local.get 0)) (i64.load (i32.const 8))");
        assert_eq!(memory, Analysis { may_trap: true, unbounded: true, stateful: true });
    }
}
