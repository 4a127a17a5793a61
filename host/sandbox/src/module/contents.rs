//! Sections of a module other than code, held against the limits.

use nyala_guest_abi as abi;
use nyala_schema::Result;
use wasmparser::{Encoding, ExternalKind, FuncType, Imports, Parser, Payload, TableType, TypeRef, ValType};

use super::{CoreType, Export, Import, Item, Signature, features, invalid, not_valid};
use crate::config::UploadLimits;

#[derive(Default)]
pub(super) struct Contents {
    pub exports: Vec<Export>,
    pub imports: Vec<Import>,
    pub manifest: Option<String>,
    pub memories: u32,
    types: Vec<FuncType>,
    /// Type of each function, imports first.
    functions: Vec<u32>,
    imported: usize,
    tables: u32,
    globals: u32,
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
        self.section(payload, limits).unwrap_or_else(|error| Err(not_valid(&error)))
    }

    /// The outer error is the parser's, the inner one ours.
    fn section(&mut self, payload: Payload<'_>, limits: &UploadLimits) -> wasmparser::Result<Result<()>> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Ok(Err(invalid("the module is a component; guests are core modules").with_hint(
                    "build for the target wasm32-unknown-unknown instead of wasip2, and leave out `wasm-tools component new`",
                )));
            }
            Payload::TypeSection(reader) => {
                for function_type in reader.into_iter_err_on_gc_types() {
                    self.types.push(function_type?);
                }
            }
            Payload::ImportSection(reader) => {
                for group in reader {
                    let Imports::Single(_, import) = group? else {
                        return Ok(Err(invalid("the module's imports are in a form that is not supported")));
                    };
                    if let Err(error) = self.import(&import) {
                        return Ok(Err(error));
                    }
                }
            }
            Payload::FunctionSection(reader) => {
                let count = reader.count();
                if count > limits.functions_max {
                    return Ok(Err(too_many("functions", count, limits.functions_max)));
                }
                for function in reader {
                    self.functions.push(function?);
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    if let Err(error) = self.table(&table?.ty, limits) {
                        return Ok(Err(error));
                    }
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    self.memories += 1;
                    let bytes = memory?.initial.saturating_mul(u64::from(wasm_page_bytes()));
                    if bytes > limits.memory_bytes_max {
                        return Ok(Err(too_many("bytes of initial memory", bytes, limits.memory_bytes_max)));
                    }
                }
                if self.memories > 1 {
                    return Ok(Err(too_many("memories", self.memories, 1_u32)));
                }
            }
            Payload::GlobalSection(reader) => {
                self.globals = reader.count();
                if self.globals > limits.globals_max {
                    return Ok(Err(too_many("globals", self.globals, limits.globals_max)));
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    let export = self.export(export.name, export.kind, export.index);
                    self.exports.push(match export {
                        Ok(export) => export,
                        Err(error) => return Ok(Err(error)),
                    });
                }
            }
            Payload::StartSection { .. } => return Ok(Err(start_function())),
            Payload::CodeSectionEntry(body) => {
                let size = body.range().len() as u64;
                if size > u64::from(limits.function_bytes_max) {
                    return Ok(Err(too_many("bytes in a function", size, limits.function_bytes_max)));
                }
            }
            Payload::CustomSection(section) if section.name() == abi::MANIFEST_SECTION => {
                self.manifest_bytes.extend_from_slice(section.data());
                let size = self.manifest_bytes.len() as u64;
                if size > u64::from(limits.manifest_bytes_max) {
                    return Ok(Err(too_many("bytes of manifest", size, limits.manifest_bytes_max)));
                }
            }
            // What else there is has no limit of its own beside the module's size; the validator knows what is allowed.
            _ => {}
        }
        Ok(Ok(()))
    }

    fn import(&mut self, import: &wasmparser::Import<'_>) -> Result<()> {
        let item = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.functions.push(index);
                self.imported += 1;
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
        if self.tables > limits.tables_max {
            return Err(too_many("tables", self.tables, limits.tables_max));
        }
        if table.initial > u64::from(limits.table_elements_max) {
            return Err(too_many("elements in a table", table.initial, limits.table_elements_max));
        }
        Ok(())
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

fn wasm_page_bytes() -> u32 {
    64 << 10
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

fn too_many(what: &str, found: impl Into<u64>, allowed: impl Into<u64>) -> nyala_schema::Error {
    invalid(format!("the module has {} {what}; {} are allowed", found.into(), allowed.into()))
        .with_hint("make it smaller: leave out what is not used, or divide it into several modules")
}

fn start_function() -> nyala_schema::Error {
    invalid("the module has a start function, which would run before any limit of a call holds")
        .with_hint("set up what is needed in the first call; with clang, link with `--no-entry`")
}
