//! What makes loops runnable: implemented once for Cranelift's IR and once for WASM.

use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::guest::GuestFunction;

use crate::facts::Facts;
use crate::flags::Variant;
use crate::frame::Frame;
use crate::parameter::ParameterLayout;
use crate::plan::LoopStage;
use crate::reads::Reads;

/// Turns stages into code. Shared by all queries of a process.
pub trait LoopCompiler: Send + Sync {
    /// `native`, `wasm`: as people see it.
    fn name(&self) -> &'static str;

    /// What calling this function in a loop means; `None` leaves it to the interpreter.
    fn call(&self, function: &GuestFunction) -> Option<CallFacts>;

    /// # Errors
    /// Unsupported where this machine cannot; Internal where the plan promised what cannot be emitted; those of
    /// the modules of the users' functions that the stage calls.
    fn compile(&self, part: Part<'_, '_>) -> Result<Compiled>;

    /// A loop as text, for people.
    ///
    /// # Errors
    /// As `compile`.
    fn listing(&self, part: Part<'_, '_>, detail: Detail) -> Result<String>;
}

/// How much a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What is handed to the code generator.
    Intermediate,
    /// That, and what comes out of it where it can be seen.
    MachineCode,
}

/// A user's function as a loop sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallFacts {
    /// It may trap or not return: it must not be called for rows that the program does not call it for.
    pub fallible: bool,
}

/// One loop, compiled.
pub struct Compiled {
    pub code: Arc<dyn CompiledLoop>,
    pub code_bytes: usize,
}

/// A loop that can be run from any thread, on many at once.
pub trait CompiledLoop: Send + Sync {
    /// Runs the loop; the result is some of the `STATUS_…` of [`frame`](crate::frame), ORed.
    ///
    /// # Errors
    /// `GuestFailed` when a user's function trapped, `GuestLimit` and `Cancelled` when it was cut off.
    ///
    /// # Safety
    /// Every pointer of the frame that this loop uses leads to as much memory as the frame's documentation says,
    /// readable, or writable where the loop writes, by nobody else meanwhile.
    unsafe fn run(&self, frame: &mut Frame) -> Result<u64>;
}

/// What a loop is made of.
#[derive(Clone, Copy)]
pub struct Part<'e, 'p> {
    pub facts: &'e Facts<'p>,
    pub stage: &'e LoopStage,
    pub reads: &'e Reads,
    pub layout: &'e ParameterLayout,
    pub variant: Variant,
}
