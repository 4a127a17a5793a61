//! Machine code in memory: settings, making it, freeing it.

use std::sync::{Arc, Mutex};

use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CodegenError, Context};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module, ModuleError, default_libcall_names};
use nyala_loops::{CallFacts, Compiled, CompiledLoop, Detail, Frame, LoopCompiler, Part};
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};

use crate::emit::emit;

/// A loop in machine code.
type Entry = unsafe extern "C" fn(*mut Frame) -> u64;

/// Makes machine code for this machine.
pub(crate) struct Compiler {
    isa: OwnedTargetIsa,
}

/// Settings and why: `speed` with the backtracking allocator gives code twice as fast for twice the time of the
/// quick settings; the verifier takes 40% of compile time; nothing ever unwinds through a loop; large frames
/// must probe the stack because worker threads have guard pages.
const SETTINGS: &[(&str, &str)] = &[
    ("opt_level", "speed"),
    ("regalloc_algorithm", "backtracking"),
    ("is_pic", "false"),
    ("use_colocated_libcalls", "false"),
    ("unwind_info", "false"),
    ("enable_probestack", "true"),
    ("probestack_strategy", "inline"),
];

impl Compiler {
    /// `verify`: check the IR of every function, for tests.
    ///
    /// # Errors
    /// Unsupported on machines that Cranelift does not know.
    pub(crate) fn new(verify: bool) -> Result<Self> {
        let mut flags = settings::builder();
        let verifier = if verify { "true" } else { "false" };
        for (name, value) in SETTINGS.iter().chain(&[("enable_verifier", verifier)]) {
            let set = flags.set(name, value);
            set.map_err(|error| Error::internal(format!("Cranelift's setting {name}: {error}")))?;
        }
        let machine = cranelift_native::builder().map_err(Error::unsupported)?;
        let isa = machine.finish(settings::Flags::new(flags)).map_err(of_codegen)?;
        Ok(Self { isa })
    }

    fn function(&self, part: Part<'_, '_>) -> Result<Context> {
        let mut context = Context::new();
        context.func = Function::new();
        context.func.signature.call_conv = self.isa.default_call_conv();
        emit(&mut context.func, &mut FunctionBuilderContext::new(), self.isa(), part)?;
        Ok(context)
    }

    fn isa(&self) -> &dyn TargetIsa {
        &*self.isa
    }

    /// Cranelift's IR of a loop, as text.
    ///
    /// # Errors
    /// As `compile`.
    fn clif(&self, part: Part<'_, '_>) -> Result<String> {
        Ok(self.function(part)?.func.display().to_string())
    }

    /// The machine code of a loop, as text.
    ///
    /// # Errors
    /// As `compile`.
    fn assembly(&self, part: Part<'_, '_>) -> Result<String> {
        let mut context = self.function(part)?;
        context.set_disasm(true);
        let mut control = cranelift_codegen::control::ControlPlane::default();
        let compiled = context.compile(self.isa(), &mut control).map_err(|error| of_codegen(error.inner))?;
        Ok(compiled.vcode.clone().unwrap_or_default())
    }
}

impl LoopCompiler for Compiler {
    fn name(&self) -> &'static str {
        "native"
    }

    /// Users' functions are WASM.
    fn call(&self, _: &GuestFunction) -> Option<CallFacts> {
        None
    }

    fn compile(&self, part: Part<'_, '_>) -> Result<Compiled> {
        let mut context = self.function(part)?;
        let builder = JITBuilder::with_isa(Arc::clone(&self.isa), default_libcall_names());
        let mut code = Code(Mutex::new(Some(JITModule::new(builder))));
        let module = code.module()?;
        let id =
            module.declare_function("loop", Linkage::Export, &context.func.signature).map_err(of_module)?;
        module.define_function(id, &mut context).map_err(of_module)?;
        let code_bytes = context.compiled_code().map_or(0, |code| code.code_buffer().len());
        module.finalize_definitions().map_err(of_module)?;
        let address = module.get_finalized_function(id);
        // SAFETY: the address is that of a finished function with this signature (`emit` declares one pointer
        // in, one integer out, in the machine's C convention), and it stays mapped as long as `code`.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(address) };
        Ok(Compiled { code: Arc::new(Loop { entry, _code: code }), code_bytes })
    }

    fn listing(&self, part: Part<'_, '_>, detail: Detail) -> Result<String> {
        let clif = self.clif(part)?;
        Ok(match detail {
            Detail::Intermediate => clif,
            Detail::MachineCode => format!("{clif}\n; machine code\n{}\n", self.assembly(part)?),
        })
    }
}

/// A compiled loop; its memory goes when it is dropped.
struct Loop {
    entry: Entry,
    _code: Code,
}

impl CompiledLoop for Loop {
    unsafe fn run(&self, frame: &mut Frame) -> Result<u64> {
        // SAFETY: the caller answers for the frame; the code is alive as long as `self`.
        Ok(unsafe { (self.entry)(frame) })
    }
}

/// The pages of one loop. A module is not `Sync` because of its symbol table: nobody uses it any more, the lock
/// only says so to the compiler.
struct Code(Mutex<Option<JITModule>>);

impl Code {
    fn module(&mut self) -> Result<&mut JITModule> {
        let slot = self.0.get_mut().map_err(|_| Error::internal("a compilation panicked"))?;
        slot.as_mut().ok_or_else(|| Error::internal("code without a module"))
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        let slot = self.0.get_mut().map(Option::take).unwrap_or_default();
        if let Some(module) = slot {
            // SAFETY: the only function pointer into these pages is in the `Loop` that owns this value and is
            // being dropped: nobody runs it, since running borrows the loop, and nobody can call it later.
            unsafe { module.free_memory() };
        }
    }
}

/// What Cranelift cannot do on this machine the interpreter can.
fn of_codegen(error: CodegenError) -> Error {
    match error {
        CodegenError::Unsupported(what) => Error::unsupported(format!("Cranelift: {what}")),
        CodegenError::Verifier(errors) => {
            Error::internal(format!("generated code does not verify: {errors}"))
        }
        other => Error::internal(format!("Cranelift: {other}")),
    }
}

fn of_module(error: ModuleError) -> Error {
    match error {
        ModuleError::Compilation(error) => of_codegen(error),
        other => Error::internal(format!("Cranelift: {other}")),
    }
}
