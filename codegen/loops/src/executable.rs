//! A program compiled: its stages, each loop in as many variants as were called for.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::datatypes::DataType;
use nyala_pipeline::program::Program;
use nyala_pipeline::{Backend, Call, Executable, Outcome, Type};
use nyala_schema::Result;

use crate::compiler::{CompiledLoop, Detail, LoopCompiler, Part};
use crate::facts::Facts;
use crate::flags::{Variant, nullable_values};
use crate::parameter::ParameterLayout;
use crate::plan::{FallbackStage, LoopStage, OutputSource, Plan, Stage};
use crate::reads::Reads;
use crate::run::Run;
use crate::stats::Counters;
use crate::subprogram::subprogram;

pub struct LoopExecutable {
    pub program: Arc<Program>,
    pub compiler: Arc<dyn LoopCompiler>,
    pub counters: Arc<Counters>,
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

pub enum ExecutableStage {
    Loop(Box<StageLoops>),
    Fallback { stage: FallbackStage, program: Arc<Program>, executable: Arc<dyn Executable> },
}

/// A loop stage with its loops.
pub struct StageLoops {
    pub stage: LoopStage,
    pub reads: Reads,
    pub outputs: Vec<LoopOutput>,
    variants: [OnceLock<Result<Arc<dyn CompiledLoop>>>; Variant::COUNT],
}

/// An output column of a loop.
pub struct LoopOutput {
    pub data_type: DataType,
    /// Whether the loop writes validity bytes: by `Variant::nulls`.
    pub nullable: [bool; 2],
}

impl LoopExecutable {
    /// # Errors
    /// Unsupported when compiled code gains nothing; errors of the fallback for the parts that are its.
    pub fn new(
        program: Arc<Program>,
        compiler: Arc<dyn LoopCompiler>,
        counters: Arc<Counters>,
        fallback: Arc<dyn Backend>,
    ) -> Result<Self> {
        let facts = Facts::of(&program, compiler.as_ref())?;
        let plan = Plan::of(&facts)?;
        let mut stages = Vec::new();
        for stage in plan.stages {
            stages.push(match stage {
                Stage::Loop(stage) => ExecutableStage::Loop(Box::new(StageLoops::new(&facts, stage)?)),
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
            compiler: Arc::clone(&compiler),
            counters,
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
                ExecutableStage::Loop(loops) => {
                    let variant = Variant { selected, grouped: false, nulls: false };
                    let ready = loops.variants[variant.index()]
                        .get_or_init(|| self.made(self.part(facts, loops, variant)));
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

    fn part<'e, 'p>(&'e self, facts: &'e Facts<'p>, loops: &'e StageLoops, variant: Variant) -> Part<'e, 'p> {
        Part { facts, stage: &loops.stage, reads: &loops.reads, layout: &self.layout, variant }
    }

    /// The loop for a variant, compiled now if it is not there yet.
    ///
    /// # Errors
    /// Internal: it cannot be compiled.
    pub fn variant<'e>(&'e self, loops: &'e StageLoops, variant: Variant) -> Result<&'e dyn CompiledLoop> {
        let slot = &loops.variants[variant.index()];
        let ready = slot.get_or_init(|| {
            let facts = Facts::of(&self.program, self.compiler.as_ref())?;
            self.made(self.part(&facts, loops, variant))
        });
        ready.as_ref().map(Arc::as_ref).map_err(Clone::clone)
    }

    fn made(&self, part: Part<'_, '_>) -> Result<Arc<dyn CompiledLoop>> {
        let started = Instant::now();
        let made = self.compiler.compile(part)?;
        self.counters.compiled(started.elapsed(), made.code_bytes);
        Ok(made.code)
    }

    /// The whole program, interpreted.
    ///
    /// # Errors
    /// Those of the fallback's `compile`.
    pub fn whole(&self) -> Result<&Arc<dyn Executable>> {
        self.whole.get_or_init(|| self.fallback.compile(&self.program)).as_ref().map_err(Clone::clone)
    }

    /// The loops in the compiler's own language, for batches without selection, groups or NULLs, and what the
    /// interpreter does between them.
    ///
    /// # Errors
    /// Internal: the loop cannot be emitted.
    pub fn describe(&self, detail: Detail) -> Result<String> {
        let facts = Facts::of(&self.program, self.compiler.as_ref())?;
        let (mut lines, mut selected) = (String::new(), false);
        for (number, stage) in self.stages.iter().enumerate() {
            match stage {
                ExecutableStage::Loop(loops) => {
                    let variant = Variant { selected, grouped: false, nulls: false };
                    lines += &format!("; stage {number}: {}\n", self.compiler.name());
                    lines += &self.compiler.listing(self.part(&facts, loops, variant), detail)?;
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

impl StageLoops {
    fn new(facts: &Facts<'_>, stage: LoopStage) -> Result<Self> {
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

impl Executable for LoopExecutable {
    fn run(&self, call: Call<'_>) -> Result<Outcome> {
        Run::new(self, call)?.run()
    }

    fn listing(&self) -> String {
        let text = self.describe(Detail::MachineCode);
        text.unwrap_or_else(|error| format!("; {error}\n"))
    }
}
