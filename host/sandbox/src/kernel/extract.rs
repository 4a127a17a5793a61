//! The part of a module that some of its exports need, as a module of its own: what is nested in a kernel is compiled
//! with it, and of a large module most is needed by other functions.

use std::collections::BTreeSet;

use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};
use wasm_encoder::{CodeSection, ExportKind, ExportSection, FunctionSection, Module, RawSection, SectionId};

use super::shape::ModuleShape;

/// No locals, `unreachable`, `end`.
const NEVER_CALLED: [u8; 3] = [0x00, 0x00, 0x0b];

/// A module without imports that exports just these functions of the row tier, by their names. Everything keeps its number,
/// so that code is copied as it is: functions that are not needed and those that were imported only trap.
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
    let (mut exports, mut roots) = (ExportSection::new(), Vec::new());
    for name in names {
        let index = shape.row_function(name);
        let index = index.ok_or_else(|| Error::internal(format!("export {name} of a module is gone")))?;
        exports.export(name, ExportKind::Func, index);
        roots.push(index);
    }
    let reached = shape.reach(roots).map_err(unreadable)?;
    let (mut types, mut code) = (FunctionSection::new(), CodeSection::new());
    for (index, ty) in (0u32..).zip(&shape.functions) {
        types.function(*ty);
        let body = shape.body(index).filter(|_| reached.functions.contains(&index));
        code.raw(body.map_or(&NEVER_CALLED, |body| body.as_bytes()));
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
