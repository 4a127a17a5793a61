//! The parts of a module, and which of them an export needs.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use nyala_guest_abi as abi;
use nyala_wasm::{Number, Signature};
use wasm_encoder::SectionId;
use wasmparser::{
    ConstExpr, ElementItems, ExternalKind, FunctionBody, Operator, Parser, Payload, SectionLimited, TypeRef,
    ValType,
};

use super::analysis::Analysis;
use super::operators::{is_of_tables, is_plain, traps_only};

/// A module, in parts.
#[derive(Default)]
pub(super) struct ModuleShape<'a> {
    types: Vec<Option<Signature>>,
    /// Types of the functions, imports first.
    pub functions: Vec<u32>,
    /// Imported functions.
    imports: Vec<String>,
    bodies: Vec<FunctionBody<'a>>,
    exports: HashMap<&'a str, u32>,
    /// Functions that an indirect call may reach.
    referenced: Vec<u32>,
    /// Some global begins as the reference of a function.
    pub globals_refer: bool,
    pub start: Option<u32>,
    /// Contents of sections, as they are.
    pub sections: HashMap<u8, &'a [u8]>,
}

/// What functions consist of, with all that they call.
#[derive(Debug, Default)]
pub(super) struct Reached {
    pub functions: BTreeSet<u32>,
    pub analysis: Analysis,
    pub uses_memory: bool,
    pub uses_tables: bool,
}

impl<'a> ModuleShape<'a> {
    /// # Errors
    /// Not a module, or it imports something other than functions.
    pub fn of(bytes: &'a [u8]) -> wasmparser::Result<Self> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((id, range)) = kept(&payload) {
                shape.sections.insert(id as u8, bytes.get(range).unwrap_or_default());
            }
            shape.payload(payload)?;
        }
        Ok(shape)
    }

    fn payload(&mut self, payload: Payload<'a>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match &ty.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(ty) => numbers(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let (TypeRef::Func(ty) | TypeRef::FuncExact(ty)) = import.ty else { continue };
                    self.functions.push(ty);
                    self.imports.push(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if matches!(export.kind, ExternalKind::Func) {
                        self.exports.insert(export.name, export.index);
                    }
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    self.constant(&global?.init_expr)?;
                }
                self.globals_refer = !self.referenced.is_empty();
            }
            Payload::ElementSection(section) => {
                for element in section {
                    self.element(element?.items)?;
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn element(&mut self, items: ElementItems<'_>) -> wasmparser::Result<()> {
        match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    self.referenced.push(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    self.constant(&expression?)?;
                }
            }
        }
        Ok(())
    }

    fn constant(&mut self, expression: &ConstExpr<'_>) -> wasmparser::Result<()> {
        for operator in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.referenced.push(function_index);
            }
        }
        Ok(())
    }

    /// The function that is of that name in the row tier.
    pub fn row_function(&self, name: &str) -> Option<u32> {
        let made_for_it = self.exports.get(format!("{}{name}", abi::ROW_PREFIX).as_str());
        made_for_it.or_else(|| self.exports.get(name)).copied()
    }

    pub fn signature(&self, function: u32) -> Option<Signature> {
        let ty = *self.functions.get(function as usize)?;
        self.types.get(ty as usize)?.clone()
    }

    /// What it is called, if the function is imported.
    pub fn import(&self, function: u32) -> Option<&str> {
        self.imports.get(function as usize).map(String::as_str)
    }

    /// The code of a function, if the module has it.
    pub fn body(&self, function: u32) -> Option<&FunctionBody<'a>> {
        self.bodies.get((function as usize).checked_sub(self.imports.len())?)
    }

    /// Follows all calls from these functions.
    ///
    /// # Errors
    /// The code cannot be read.
    pub fn reach(&self, functions: impl IntoIterator<Item = u32>) -> wasmparser::Result<Reached> {
        let mut reached = Reached::default();
        let mut open: Vec<u32> = functions.into_iter().collect();
        if let Some(start) = self.start {
            open.push(start);
            reached.analysis = Analysis { unbounded: true, may_trap: true, stateful: true, code_bytes: 0 };
        }
        while let Some(index) = open.pop() {
            if !reached.functions.insert(index) {
                continue;
            }
            let Some(body) = self.body(index) else { continue };
            reached.analysis.code_bytes += body.range().len();
            for operator in body.get_operators_reader()? {
                self.follow(&operator?, &mut reached, &mut open);
            }
        }
        Ok(reached)
    }

    fn follow(&self, operator: &Operator<'_>, reached: &mut Reached, open: &mut Vec<u32>) {
        let analysis = &mut reached.analysis;
        match operator {
            // It may take so long that it is cut off.
            Operator::Loop { .. } => {
                analysis.unbounded = true;
                analysis.may_trap = true;
            }
            // The stack may overflow.
            Operator::Call { function_index } => {
                analysis.unbounded = true;
                analysis.may_trap = true;
                open.push(*function_index);
            }
            operator if is_plain(operator) => {}
            operator if traps_only(operator) => {
                analysis.may_trap = true;
                reached.uses_memory = true;
            }
            operator => {
                (analysis.unbounded, analysis.may_trap, analysis.stateful) = (true, true, true);
                reached.uses_tables |= is_of_tables(operator);
                reached.uses_memory |= !is_of_tables(operator);
                match operator {
                    Operator::CallIndirect { .. } => open.extend(&self.referenced),
                    Operator::RefFunc { function_index } => open.push(*function_index),
                    _ => {}
                }
            }
        }
    }
}

/// Sections that are kept as they are, and where their contents lie.
fn kept(payload: &Payload<'_>) -> Option<(SectionId, Range<usize>)> {
    fn of<T>(id: SectionId, section: &SectionLimited<'_, T>) -> Option<(SectionId, Range<usize>)> {
        Some((id, section.range()))
    }
    match payload {
        Payload::TypeSection(section) => of(SectionId::Type, section),
        Payload::TableSection(section) => of(SectionId::Table, section),
        Payload::MemorySection(section) => of(SectionId::Memory, section),
        Payload::GlobalSection(section) => of(SectionId::Global, section),
        Payload::StartSection { range, .. } => Some((SectionId::Start, range.clone())),
        Payload::ElementSection(section) => of(SectionId::Element, section),
        Payload::DataCountSection { range, .. } => Some((SectionId::DataCount, range.clone())),
        Payload::DataSection(section) => of(SectionId::Data, section),
        _ => None,
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
