//! The part of a module that some of its exports need, as a module of its own: what is nested in a kernel is compiled
//! with it, and of a large module most is needed by other functions.

use std::collections::BTreeSet;

use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};
use wasm_encoder::{
    CodeSection, Encode, ExportKind, ExportSection, FunctionSection, Instruction, Module, RawSection,
    SectionId,
};
use wasmparser::{FunctionBody, Operator};

use super::shape::ModuleShape;

/// No locals, `unreachable`, `end`.
const NEVER_CALLED: [u8; 3] = [0x00, 0x00, 0x0b];

/// A module without imports that exports just these functions of the row tier, by their names. Functions that are not
/// needed are left out; where they keep their numbers, they only trap.
///
/// # Errors
/// Internal: the module is not as its analysis, which came before, found it.
pub(super) fn extract<'f>(
    bytes: &[u8],
    functions: impl IntoIterator<Item = &'f GuestFunction>,
) -> Result<Vec<u8>> {
    let unreadable = |error| Error::internal(format!("a module that was read cannot be read again: {error}"));
    let shape = ModuleShape::of(bytes).map_err(unreadable)?;
    let names: BTreeSet<&str> = functions.into_iter().map(|function| function.code.export.as_str()).collect();
    let mut roots_by_name = Vec::new();
    for name in names {
        let index = shape.row_function(name);
        let index = index.ok_or_else(|| Error::internal(format!("export {name} of a module is gone")))?;
        roots_by_name.push((name, index));
    }
    let reached = shape.reach(roots_by_name.iter().map(|(_, index)| *index)).map_err(unreadable)?;
    // Tables, globals and the start of a module name functions by number, too.
    let numbers = if reached.uses_tables || shape.globals_refer || shape.start.is_some() {
        Numbers { kept: (0..shape.functions.len() as u32).collect() }
    } else {
        Numbers { kept: reached.functions.iter().copied().collect() }
    };
    let mut exports = ExportSection::new();
    for (name, index) in roots_by_name {
        exports.export(name, ExportKind::Func, numbers.of(index)?);
    }
    let (mut types, mut code) = (FunctionSection::new(), CodeSection::new());
    for index in &numbers.kept {
        types.function(shape.functions.get(*index as usize).copied().unwrap_or_default());
        match shape.body(*index).filter(|_| reached.functions.contains(index)) {
            Some(body) => code.raw(&numbers.renumbered(body).map_err(unreadable)??),
            None => code.raw(&NEVER_CALLED),
        };
    }
    let mut module = Module::new();
    let keep = |module: &mut Module, id: SectionId, is_used: bool| {
        if let Some(data) = shape.sections.get(&(id as u8)).filter(|_| is_used) {
            module.section(&RawSection { id: id as u8, data });
        }
    };
    keep(&mut module, SectionId::Type, true);
    module.section(&types);
    keep(&mut module, SectionId::Table, reached.uses_tables);
    keep(&mut module, SectionId::Memory, reached.uses_memory);
    keep(&mut module, SectionId::Global, true);
    module.section(&exports);
    keep(&mut module, SectionId::Start, true);
    keep(&mut module, SectionId::Element, reached.uses_tables);
    keep(&mut module, SectionId::DataCount, reached.uses_memory);
    module.section(&code);
    keep(&mut module, SectionId::Data, reached.uses_memory);
    Ok(module.finish())
}

/// New numbers of functions.
struct Numbers {
    /// By their old numbers, ascending.
    kept: Vec<u32>,
}

impl Numbers {
    fn of(&self, old: u32) -> Result<u32> {
        let found = self.kept.binary_search(&old);
        found
            .map(|new| new as u32)
            .map_err(|_| Error::internal(format!("function {old} of a module was left out")))
    }

    /// Code that calls functions by their new numbers, and is the same otherwise.
    fn renumbered(&self, body: &FunctionBody<'_>) -> wasmparser::Result<Result<Vec<u8>>> {
        let (bytes, start) = (body.as_bytes(), body.range().start);
        let mut code = Vec::with_capacity(bytes.len());
        // Up to here it is copied; behind a call, from where the next instruction begins.
        let (mut copied, mut after_call) = (0, false);
        for operator in body.get_operators_reader()?.into_iter_with_offsets() {
            let (operator, offset) = operator?;
            let offset = offset - start;
            if std::mem::take(&mut after_call) {
                copied = offset;
            }
            let instruction = match operator {
                Operator::Call { function_index } => self.of(function_index).map(Instruction::Call),
                Operator::RefFunc { function_index } => self.of(function_index).map(Instruction::RefFunc),
                _ => continue,
            };
            match instruction {
                Err(error) => return Ok(Err(error)),
                Ok(instruction) => {
                    code.extend_from_slice(bytes.get(copied..offset).unwrap_or_default());
                    instruction.encode(&mut code);
                    after_call = true;
                }
            }
        }
        code.extend_from_slice(bytes.get(copied..).unwrap_or_default());
        Ok(Ok(code))
    }
}
