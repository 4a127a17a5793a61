//! A program compiled: its stages, each loop in as many variants as were called for.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::DataType;
use nyala_pipeline::program::Program;
use nyala_pipeline::{Backend, Call, Executable, Outcome, Type};
use nyala_schema::Result;

use crate::code::{Compiler, Loop};
use crate::emit::Part;
use crate::facts::Facts;
use crate::flags::{Variant, nullable_values};
use crate::parameter::ParameterLayout;
use crate::plan::{FallbackStage, NativeStage, OutputSource, Plan, Stage};
use crate::reads::Reads;
use crate::run::Run;
use crate::subprogram::subprogram;

pub(crate) struct NativeExecutable {
    pub program: Arc<Program>,
    pub compiler: Arc<Compiler>,
    pub layout: ParameterLayout,
    pub stages: Vec<ExecutableStage>,
    pub outputs: Vec<OutputSource>,
    /// Columns that fallback stages hand on.
    pub carried: Vec<Type>,
    pub filters: bool,
    fallback: Arc<dyn Backend>,
    /// The whole program interpreted, for error messages; made when it is first needed.
    whole: OnceLock<Result<Arc<dyn Executable>>>,
}

pub(crate) enum ExecutableStage {
    Native(Box<NativeLoops>),
    Fallback { stage: FallbackStage, program: Arc<Program>, executable: Arc<dyn Executable> },
}

/// A native stage with its loops.
pub(crate) struct NativeLoops {
    pub stage: NativeStage,
    pub reads: Reads,
    pub outputs: Vec<LoopOutput>,
    variants: [OnceLock<Result<Loop>>; Variant::COUNT],
}

/// An output column of a loop.
pub(crate) struct LoopOutput {
    pub data_type: DataType,
    /// Whether the loop writes validity bytes: by `Variant::nulls`.
    pub nullable: [bool; 2],
}

impl NativeExecutable {
    /// # Errors
    /// Unsupported when native code gains nothing; errors of the fallback for the parts that are its.
    pub(crate) fn new(
        program: Arc<Program>,
        compiler: Arc<Compiler>,
        fallback: Arc<dyn Backend>,
    ) -> Result<Self> {
        let facts = Facts::of(&program)?;
        let plan = Plan::of(&facts)?;
        let mut stages = Vec::new();
        for stage in plan.stages {
            stages.push(match stage {
                Stage::Native(stage) => ExecutableStage::Native(Box::new(NativeLoops::new(&facts, stage)?)),
                Stage::Fallback(stage) => {
                    let program = Arc::new(subprogram(&facts, &stage)?);
                    let executable = fallback.compile(&program)?;
                    ExecutableStage::Fallback { stage, program, executable }
                }
            });
        }
        let layout = ParameterLayout::of(&program);
        let executable = Self {
            program: Arc::clone(&program),
            compiler,
            layout,
            stages,
            outputs: plan.outputs,
            carried: plan.carried,
            filters: plan.filters,
            fallback,
            whole: OnceLock::new(),
        };
        executable.compile_first(&facts)?;
        Ok(executable)
    }

    /// Compiles what the first batch will most likely call for: all rows at first, selected ones after a
    /// filter, no NULLs. The rest is compiled when a batch calls for it.
    fn compile_first(&self, facts: &Facts<'_>) -> Result<()> {
        let mut selected = false;
        for stage in &self.stages {
            match stage {
                ExecutableStage::Native(loops) => {
                    let variant = Variant { selected, grouped: false, nulls: false };
                    let ready = loops.variants[variant.index()]
                        .get_or_init(|| self.compiler.compile(self.part(facts, loops, variant)));
                    if let Err(error) = ready {
                        return Err(error.clone());
                    }
                    selected |= loops.stage.filters();
                }
                ExecutableStage::Fallback { stage, .. } => selected |= !stage.filters.is_empty(),
            }
        }
        Ok(())
    }

    fn part<'e, 'p>(
        &'e self,
        facts: &'e Facts<'p>,
        loops: &'e NativeLoops,
        variant: Variant,
    ) -> Part<'e, 'p> {
        Part { facts, stage: &loops.stage, reads: &loops.reads, layout: &self.layout, variant }
    }

    /// The loop for a variant, compiled now if it is not there yet.
    ///
    /// # Errors
    /// Internal: it cannot be compiled.
    pub(crate) fn variant<'e>(&'e self, loops: &'e NativeLoops, variant: Variant) -> Result<&'e Loop> {
        let slot = &loops.variants[variant.index()];
        let ready = slot.get_or_init(|| {
            let facts = Facts::of(&self.program)?;
            self.compiler.compile(self.part(&facts, loops, variant))
        });
        ready.as_ref().map_err(Clone::clone)
    }

    /// The whole program, interpreted.
    ///
    /// # Errors
    /// Those of the fallback's `compile`.
    pub(crate) fn whole(&self) -> Result<&Arc<dyn Executable>> {
        self.whole.get_or_init(|| self.fallback.compile(&self.program)).as_ref().map_err(Clone::clone)
    }

    /// See `NativeBackend::clif`.
    ///
    /// # Errors
    /// Internal: the loop cannot be emitted.
    pub(crate) fn clif(&self) -> Result<String> {
        self.describe(|part| self.compiler.clif(part))
    }

    fn describe(&self, text: impl Fn(Part<'_, '_>) -> Result<String>) -> Result<String> {
        let facts = Facts::of(&self.program)?;
        let (mut lines, mut selected) = (String::new(), false);
        for (number, stage) in self.stages.iter().enumerate() {
            match stage {
                ExecutableStage::Native(loops) => {
                    let variant = Variant { selected, grouped: false, nulls: false };
                    lines += &format!("; stage {number}: native\n");
                    lines += &text(self.part(&facts, loops, variant))?;
                    selected |= loops.stage.filters();
                }
                ExecutableStage::Fallback { stage, program, .. } => {
                    lines += &format!(
                        "; stage {number}: {} runs {} statements, {} of them filters\n",
                        self.fallback.name(),
                        program.body.statements.len(),
                        stage.filters.len()
                    );
                    selected |= !stage.filters.is_empty();
                }
            }
        }
        Ok(lines)
    }
}

impl NativeLoops {
    fn new(facts: &Facts<'_>, stage: NativeStage) -> Result<Self> {
        let reads = Reads::of(facts, &stage)?;
        let nullable = [false, true]
            .map(|nulls| nullable_values(facts, &stage, Variant { selected: false, grouped: false, nulls }));
        let mut outputs = Vec::new();
        for id in &stage.outputs {
            let data_type = facts.get(*id)?.ty.data_type.clone();
            let nullable = nullable.each_ref().map(|flags| flags[id.0 as usize]);
            outputs.push(LoopOutput { data_type, nullable });
        }
        Ok(Self { stage, reads, outputs, variants: Default::default() })
    }
}

impl Executable for NativeExecutable {
    fn run(&self, call: Call<'_>) -> Result<Outcome> {
        Run::new(self, call)?.run()
    }

    fn listing(&self) -> String {
        let text = self.describe(|part| {
            let (clif, assembly) = (self.compiler.clif(part)?, self.compiler.assembly(part)?);
            Ok(format!("{clif}\n; machine code\n{assembly}\n"))
        });
        text.unwrap_or_else(|error| format!("; {error}\n"))
    }
}
