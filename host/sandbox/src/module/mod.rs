//! What a module consists of, read and checked before anything of it is compiled.

use std::collections::BTreeSet;
use std::fmt;

use nyala_guest_abi as abi;
use nyala_schema::guest::ModuleHash;
use nyala_schema::{Error, ErrorCode, Result};
use wasmparser::{Validator, WasmFeatures};

use crate::config::UploadLimits;

mod body;
mod contents;
mod source;
mod tier;

pub use source::to_wasm;
pub use tier::tier_of;
pub(crate) use tier::{check_function, check_operator, kind_of};

pub use body::Body;

/// A type of core WebAssembly, as signatures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoreType {
    I32,
    I64,
    F32,
    F64,
    V128,
    Reference,
}

impl fmt::Display for CoreType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::V128 => "v128",
            Self::Reference => "reference",
        })
    }
}

/// Types of a function's parameters and results.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    pub parameters: Vec<CoreType>,
    pub results: Vec<CoreType>,
}

/// `(i32, i32) -> i64`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, types: &[CoreType]| {
            types.iter().enumerate().try_for_each(|(index, core_type)| {
                write!(f, "{}{core_type}", if index == 0 { "" } else { ", " })
            })
        };
        f.write_str("(")?;
        list(f, &self.parameters)?;
        f.write_str(")")?;
        if !self.results.is_empty() {
            f.write_str(" -> ")?;
            list(f, &self.results)?;
        }
        Ok(())
    }
}

/// What is imported or exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Function(Signature),
    Memory,
    Table,
    Global,
    Tag,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(signature) => write!(f, "function {signature}"),
            Self::Memory => f.write_str("memory"),
            Self::Table => f.write_str("table"),
            Self::Global => f.write_str("global"),
            Self::Tag => f.write_str("tag"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub module: String,
    pub name: String,
    pub item: Item,
}

/// `nyala.fail`.
impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub name: String,
    pub item: Item,
    /// The place among the module's functions, imports first; for functions only.
    function: Option<u32>,
}

/// A valid module that stays within the limits and asks for nothing but the host interface.
#[derive(Debug, Clone)]
pub struct ModuleInfo {
    pub hash: ModuleHash,
    pub size_bytes: u64,
    pub exports: Vec<Export>,
    pub imports: Vec<Import>,
    /// SQL of what the module declares.
    pub manifest: Option<String>,
    pub has_memory: bool,
    /// Functions that the module defines itself.
    pub functions: u32,
    bodies: Vec<Body>,
    /// Functions whose reference is taken somewhere: an indirect call may reach each of them.
    referenced: Vec<u32>,
}

impl ModuleInfo {
    /// The export of that name, if it is a function.
    pub fn function(&self, name: &str) -> Option<&Signature> {
        match &self.export(name)?.item {
            Item::Function(signature) => Some(signature),
            Item::Memory | Item::Table | Item::Global | Item::Tag => None,
        }
    }

    pub fn export(&self, name: &str) -> Option<&Export> {
        self.exports.iter().find(|export| export.name == name)
    }

    /// What the body of an exported function consists of; `None` for what is not a function of the module's own.
    pub fn body(&self, name: &str) -> Option<&Body> {
        let imported = self.imported_functions().count() as u32;
        self.bodies.get(self.export(name)?.function?.checked_sub(imported)? as usize)
    }

    fn imported_functions(&self) -> impl Iterator<Item = &Import> {
        self.imports.iter().filter(|import| matches!(import.item, Item::Function(_)))
    }

    /// What the functions of these names may call of the host, through whatever they call.
    pub fn imports_of<'a>(&self, exports: impl IntoIterator<Item = &'a str>) -> Vec<&Import> {
        let imports: Vec<&Import> = self.imported_functions().collect();
        let mut reached = BTreeSet::new();
        let mut open: Vec<u32> = exports
            .into_iter()
            .filter_map(|name| self.export(name).and_then(|export| export.function))
            .collect();
        let mut indirect = false;
        while let Some(function) = open.pop() {
            if !reached.insert(function) {
                continue;
            }
            let Some(body) =
                (function as usize).checked_sub(imports.len()).and_then(|own| self.bodies.get(own))
            else {
                continue;
            };
            open.extend_from_slice(&body.calls);
            if body.calls_indirectly && !indirect {
                indirect = true;
                open.extend_from_slice(&self.referenced);
            }
        }
        reached.into_iter().filter_map(|function| imports.get(function as usize).copied()).collect()
    }
}

/// What a guest may be made of. Nothing that is not the same on every node, no threads, one 32-bit memory.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::FLOATS
        | WasmFeatures::EXTENDED_CONST
}

/// Reads and checks an uploaded module.
///
/// # Errors
/// `InvalidModule`, with what is wrong and what to do.
pub fn inspect(bytes: &[u8], limits: &UploadLimits) -> Result<ModuleInfo> {
    if bytes.len() as u64 > limits.module_bytes_max {
        let message =
            format!("the module has {} bytes; {} are allowed", bytes.len(), limits.module_bytes_max);
        return Err(invalid(message).with_hint("build it for size, and strip debug information"));
    }
    let contents = contents::read(bytes, limits)?;
    Validator::new_with_features(features()).validate_all(bytes).map_err(|error| not_valid(&error))?;
    let bodies = body::read(bytes)?;
    let info = ModuleInfo {
        hash: ModuleHash(crate::artefact::sha256(&[bytes])),
        size_bytes: bytes.len() as u64,
        exports: contents.exports,
        imports: contents.imports,
        manifest: contents.manifest,
        has_memory: contents.memories > 0,
        functions: bodies.bodies.len() as u32,
        referenced: bodies.referenced,
        bodies: bodies.bodies,
    };
    refuse_imports(&info)?;
    Ok(info)
}

/// The host's functions, with their types; docs/reference/guest-abi.md.
pub(crate) const HOST_FUNCTIONS: [(&str, &[CoreType], &[CoreType]); 6] = {
    use CoreType::{I32, I64};
    [
        ("fail", &[I32, I32, I32], &[]),
        ("log", &[I32, I32, I32], &[]),
        ("now", &[], &[I64]),
        ("random", &[], &[I64]),
        ("scratch_write", &[I64, I32, I32], &[I32]),
        ("scratch_read", &[I64, I32, I32], &[I32]),
    ]
};

fn refuse_imports(info: &ModuleInfo) -> Result<()> {
    let refused: Vec<String> = info.imports.iter().filter(|import| !is_offered(import)).map(asked).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let offered: Vec<String> = HOST_FUNCTIONS
        .iter()
        .map(|(name, parameters, results)| {
            let signature = Signature { parameters: parameters.to_vec(), results: results.to_vec() };
            format!("{}.{name} {signature}", abi::IMPORT_MODULE)
        })
        .collect();
    Err(invalid(format!("the module asks for what no guest gets: {}", refused.join(", "))).with_hint(
        format!(
            "build it for the target wasm32-unknown-unknown, without WASI; all that there is to import: {}",
            offered.join(", ")
        ),
    ))
}

fn asked(import: &Import) -> String {
    format!("{import} ({})", import.item)
}

fn is_offered(import: &Import) -> bool {
    let Item::Function(signature) = &import.item else { return false };
    import.module == abi::IMPORT_MODULE
        && HOST_FUNCTIONS.iter().any(|(name, parameters, results)| {
            *name == import.name && signature.parameters == *parameters && signature.results == *results
        })
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidModule, message)
}

fn not_valid(error: &wasmparser::Error) -> Error {
    invalid(format!("not a valid WebAssembly module: {error}")).with_hint(
        "a guest is a core module for wasm32 without threads, exceptions, tail calls, garbage collection, several memories or 64-bit memory",
    )
}
