//! Sections of a module other than code, held against the limits.

use nyala_guest_abi as abi;
use nyala_schema::{Error, Result};
use wasmparser::{Encoding, ExternalKind, FuncType, Imports, Parser, Payload, TableType, TypeRef, ValType};

use super::{CoreType, Export, Import, Item, Signature, features, invalid, not_valid};
use crate::config::UploadLimits;

const PAGE_BYTES: u64 = 64 << 10;

#[derive(Default)]
pub(super) struct Contents {
    pub exports: Vec<Export>,
    pub imports: Vec<Import>,
    pub manifest: Option<String>,
    pub memories: u32,
    types: Vec<FuncType>,
    /// Type of each function, imports first.
    functions: Vec<u32>,
    tables: u32,
    manifest_bytes: Vec<u8>,
}

/// Reads the sections. The module need not be valid beyond them.
pub(super) fn read(bytes: &[u8], limits: &UploadLimits) -> Result<Contents> {
    let mut parser = Parser::new(0);
    parser.set_features(features());
    let mut contents = Contents::default();
    for payload in parser.parse_all(bytes) {
        contents.payload(payload.map_err(|error| not_valid(&error))?, limits)?;
    }
    if !contents.manifest_bytes.is_empty() {
        let text = String::from_utf8(std::mem::take(&mut contents.manifest_bytes))
            .map_err(|_| invalid(format!("section {} of the module is not UTF-8", abi::MANIFEST_SECTION)))?;
        contents.manifest = Some(text);
    }
    Ok(contents)
}

impl Contents {
    fn payload(&mut self, payload: Payload<'_>, limits: &UploadLimits) -> Result<()> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => Err(component()),
            Payload::TypeSection(reader) => each(reader.into_iter_err_on_gc_types(), |function_type| {
                self.types.push(function_type);
                Ok(())
            }),
            Payload::ImportSection(reader) => each(reader, |group| match group {
                Imports::Single(_, import) => self.import(&import),
                Imports::Compact1 { .. } | Imports::Compact2 { .. } => {
                    Err(invalid("the module's imports are in a form that is not supported"))
                }
            }),
            Payload::FunctionSection(reader) => {
                at_most("functions", reader.count(), limits.functions_max)?;
                each(reader, |function| {
                    self.functions.push(function);
                    Ok(())
                })
            }
            Payload::TableSection(reader) => each(reader, |table| self.table(&table.ty, limits)),
            Payload::MemorySection(reader) => each(reader, |memory| {
                self.memories += 1;
                at_most("memories", self.memories, 1_u32)?;
                let bytes = memory.initial.saturating_mul(PAGE_BYTES);
                at_most("bytes of initial memory", bytes, limits.memory_bytes_max)
            }),
            Payload::GlobalSection(reader) => at_most("globals", reader.count(), limits.globals_max),
            Payload::ExportSection(reader) => each(reader, |export| {
                let export = self.export(export.name, export.kind, export.index)?;
                self.exports.push(export);
                Ok(())
            }),
            Payload::StartSection { .. } => Err(start_function()),
            Payload::CodeSectionEntry(body) => {
                at_most("bytes in a function", body.range().len() as u64, limits.function_bytes_max)
            }
            Payload::CustomSection(section) if section.name() == abi::MANIFEST_SECTION => {
                self.manifest_bytes.extend_from_slice(section.data());
                at_most("bytes of manifest", self.manifest_bytes.len() as u64, limits.manifest_bytes_max)
            }
            // What else there is has no limit of its own beside the module's size; the validator knows what is allowed.
            _ => Ok(()),
        }
    }

    fn import(&mut self, import: &wasmparser::Import<'_>) -> Result<()> {
        let item = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.functions.push(index);
                Item::Function(self.signature(index)?)
            }
            TypeRef::Table(_) => Item::Table,
            TypeRef::Memory(_) => Item::Memory,
            TypeRef::Global(_) => Item::Global,
            TypeRef::Tag(_) => Item::Tag,
        };
        self.imports.push(Import { module: import.module.to_owned(), name: import.name.to_owned(), item });
        Ok(())
    }

    fn table(&mut self, table: &TableType, limits: &UploadLimits) -> Result<()> {
        self.tables += 1;
        at_most("tables", self.tables, limits.tables_max)?;
        at_most("elements in a table", table.initial, limits.table_elements_max)
    }

    fn export(&self, name: &str, kind: ExternalKind, index: u32) -> Result<Export> {
        let (item, function) = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                let function_type = self.functions.get(index as usize).ok_or_else(|| {
                    invalid(format!("export \"{name}\" is of a function that is not there"))
                })?;
                (Item::Function(self.signature(*function_type)?), Some(index))
            }
            ExternalKind::Table => (Item::Table, None),
            ExternalKind::Memory => (Item::Memory, None),
            ExternalKind::Global => (Item::Global, None),
            ExternalKind::Tag => (Item::Tag, None),
        };
        Ok(Export { name: name.to_owned(), item, function })
    }

    fn signature(&self, function_type: u32) -> Result<Signature> {
        let function_type = self
            .types
            .get(function_type as usize)
            .ok_or_else(|| invalid(format!("the module has no type {function_type}")))?;
        let core = |types: &[ValType]| types.iter().copied().map(core_type).collect();
        Ok(Signature { parameters: core(function_type.params()), results: core(function_type.results()) })
    }
}

fn each<T>(
    items: impl IntoIterator<Item = wasmparser::Result<T>>,
    mut act: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    items.into_iter().try_for_each(|item| act(item.map_err(|error| not_valid(&error))?))
}

fn core_type(value: ValType) -> CoreType {
    match value {
        ValType::I32 => CoreType::I32,
        ValType::I64 => CoreType::I64,
        ValType::F32 => CoreType::F32,
        ValType::F64 => CoreType::F64,
        ValType::V128 => CoreType::V128,
        ValType::Ref(_) => CoreType::Reference,
    }
}

fn at_most(what: &str, found: impl Into<u64>, allowed: impl Into<u64>) -> Result<()> {
    let (found, allowed) = (found.into(), allowed.into());
    if found <= allowed {
        return Ok(());
    }
    Err(invalid(format!("the module has {found} {what}; {allowed} are allowed"))
        .with_hint("make it smaller: leave out what is not used, or divide it into several modules"))
}

fn component() -> Error {
    invalid("the module is a component; guests are core modules").with_hint(
        "build for the target wasm32-unknown-unknown instead of wasip2, and leave out `wasm-tools component new`",
    )
}

fn start_function() -> Error {
    invalid("the module has a start function, which would run before any limit of a call holds")
        .with_hint("set up what is needed in the first call; with clang, link with `--no-entry`")
}
