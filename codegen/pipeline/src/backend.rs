//! How programs are run: the trait that interpreter, native and WASM backends share.

use std::sync::Arc;

use arrow::array::ArrayRef;
use nyala_schema::Result;

use crate::program::{Parameter, Program};

/// Makes programs runnable. Shared by all queries of a process.
pub trait Backend: Send + Sync {
    /// `interpreter`, `native`, `wasm`: as people see it.
    fn name(&self) -> &'static str;

    /// May take milliseconds (native, wasm): call it off the threads that execute. Results are cached by the
    /// program's normalised form.
    ///
    /// # Errors
    /// `Unsupported` when this backend gains nothing on the program: run it with the interpreter instead.
    fn compile(&self, program: &Arc<Program>) -> Result<Arc<dyn Executable>>;

    /// The code when it has been compiled before; never compiles.
    fn cached(&self, program: &Arc<Program>) -> Option<Arc<dyn Executable>> {
        let _ = program;
        None
    }
}

/// A program ready to run, from any thread, on many at once.
pub trait Executable: Send + Sync {
    /// # Errors
    /// NumericOverflow, DivisionByZero, InvalidText and so on, as the operations say.
    fn run(&self, call: Call<'_>) -> Result<Outcome>;

    /// For people: CLIF and machine code, or whatever the backend has; empty when there is nothing to show.
    fn listing(&self) -> String {
        String::new()
    }
}

/// One run over the rows of a batch.
pub struct Call<'a> {
    /// Rows of every input.
    pub rows: usize,
    /// In the order of `Program::inputs`, each `rows` long.
    pub inputs: &'a [ArrayRef],
    pub parameters: &'a [Parameter],
    /// Only these rows, ascending; `None` means all.
    pub selection: Option<&'a [u32]>,
    /// For programs with updates.
    pub states: Option<States<'a>>,
}

/// The aggregate states that a program updates.
pub struct States<'a> {
    /// Group of each row: one per selected row when there is a selection, one per row otherwise. `None`: all
    /// rows belong to group 0. A program that filters has no groups.
    pub groups: Option<&'a [u32]>,
    /// Records of `stride` bytes, one a group, aligned to 16 bytes.
    pub records: &'a mut [u8],
    pub stride: usize,
}

/// What a run gave.
pub struct Outcome {
    /// In the order of `Program::outputs`, dense over the surviving rows. Text may be dictionary-encoded.
    pub columns: Vec<ArrayRef>,
    /// The surviving row numbers, ascending; `None` when the program has no filter (every selected row survived).
    pub selection: Option<Vec<u32>>,
}
