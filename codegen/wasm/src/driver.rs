//! A driver: the core module of one loop.

use std::sync::Arc;

use nyala_loops::Part;
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Instruction, Module, TypeSection, ValType,
};

use crate::emit::{Body, emit};
use crate::intrinsic::Intrinsic;
use crate::signature::Signature;

/// The loop of a stage.
///
/// It imports every [`Intrinsic`] from [`Intrinsic::MODULE`], and from the module `n` the function named
/// [`Driver::FUNCTION`] for the n-th of `functions`. It exports [`Driver::ENTRY`], of the address of a
/// [`Frame`](nyala_loops::Frame) to the status.
#[derive(Debug, Clone)]
pub struct Driver {
    pub module: Vec<u8>,
    /// The users' functions that it calls, each once.
    pub functions: Vec<Arc<GuestFunction>>,
}

impl Driver {
    pub const ENTRY: &'static str = "run";
    pub const FUNCTION: &'static str = "f";

    /// # Errors
    /// Internal: the plan and this emitter disagree on what a driver does.
    pub fn of(part: Part<'_, '_>) -> Result<Driver> {
        let body = emit(part)?;
        let mut types = TypeSection::new();
        let mut imports = ImportSection::new();
        for intrinsic in Intrinsic::ALL {
            let index = types.len();
            match intrinsic.is_load() {
                true => types.ty().function([ValType::I64], [intrinsic.value()]),
                false => types.ty().function([ValType::I64, intrinsic.value()], []),
            }
            imports.import(Intrinsic::MODULE, intrinsic.name(), EntityType::Function(index));
        }
        for (number, function) in body.functions.iter().enumerate() {
            let signature = Signature::of(function);
            let signature =
                signature.ok_or_else(|| Error::internal(format!("{function} is not of the row tier")))?;
            let index = types.len();
            let parameters = signature.parameters.iter().map(|number| number.value_type());
            types.ty().function(parameters, [signature.result.value_type()]);
            imports.import(&number.to_string(), Driver::FUNCTION, EntityType::Function(index));
        }
        let entry_type = types.len();
        types.ty().function([ValType::I64], [ValType::I64]);
        let mut functions = FunctionSection::new();
        functions.function(entry_type);
        let mut exports = ExportSection::new();
        let entry = Intrinsic::ALL.len() + body.functions.len();
        exports.export(Driver::ENTRY, ExportKind::Func, entry as u32);
        let mut code = CodeSection::new();
        code.function(&function(&body));

        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
        Ok(Driver { module: module.finish(), functions: body.functions })
    }
}

impl Driver {
    /// The instructions of a loop, one a line, indented by their blocks.
    ///
    /// # Errors
    /// As `of`.
    pub fn listing(part: Part<'_, '_>) -> Result<String> {
        let body = emit(part)?;
        let mut text = format!("; {} locals\n", body.locals.len());
        for (number, function) in body.functions.iter().enumerate() {
            text += &format!("; function {} is {function}\n", Intrinsic::ALL.len() + number);
        }
        let mut depth = 0usize;
        for instruction in &body.instructions {
            let closes = matches!(instruction, Instruction::End | Instruction::Else);
            depth = depth.saturating_sub(usize::from(closes));
            text += &format!("{:1$}{instruction:?}\n", "", depth * 2);
            let opens = matches!(
                instruction,
                Instruction::Block(_) | Instruction::Loop(_) | Instruction::If(_) | Instruction::Else
            );
            depth += usize::from(opens);
        }
        Ok(text)
    }
}

fn function(body: &Body) -> Function {
    let mut function = Function::new_with_locals_types(body.locals.iter().copied());
    for instruction in &body.instructions {
        function.instruction(instruction);
    }
    function
}
