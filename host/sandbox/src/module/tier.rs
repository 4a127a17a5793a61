//! Whether a module has what a declaration says of it, and how it is called then.

use arrow::datatypes::DataType;
use nyala_guest_abi as abi;
use nyala_guest_abi::Kind;
use nyala_schema::expr::Volatility;
use nyala_schema::function::{FunctionDeclaration, FunctionKind};
use nyala_schema::guest::{GuestFunction, GuestOperator, OperatorOutput, Tier};
use nyala_schema::{Error, Result};

use super::{CoreType, ModuleInfo, Signature, invalid};
use crate::marshal;

const POINTER: CoreType = CoreType::I32;

/// What a call into a module may be, beside its name.
struct Wanted<'a> {
    kind: FunctionKind,
    export: &'a str,
    arguments: Vec<&'a DataType>,
    returns: &'a DataType,
    volatility: Volatility,
    strict: bool,
    /// Of a planned function; else the best that there is.
    tier: Option<Tier>,
}

/// How a declared function is called: the row tier where the module has an export made for it that may run there, else the batch
/// tier where it has the export for that, else the row tier with an export of the function's own name.
///
/// # Errors
/// `InvalidModule` when exports are missing or of another type, or it may call host functions that its volatility
/// rules out; Unsupported for types that no guest can be handed. All name the export, what was wanted and what was found.
pub fn tier_of(info: &ModuleInfo, declaration: &FunctionDeclaration) -> Result<Tier> {
    let wanted = Wanted {
        kind: declaration.kind,
        export: declaration.export.as_deref().unwrap_or(&declaration.name),
        arguments: declaration.arguments.iter().map(|argument| &argument.data_type).collect(),
        returns: &declaration.returns,
        volatility: declaration.volatility,
        strict: declaration.strict.unwrap_or(true),
        tier: None,
    };
    wanted.check(info, &declaration.name)
}

/// What kind of function it is by the module's exports.
pub(crate) fn kind_of(info: &ModuleInfo, function: &GuestFunction) -> FunctionKind {
    let export = &function.code.export;
    let has = |name: String| info.export(&name).is_some();
    let scalar = [abi::SCALAR_PREFIX, abi::ROW_PREFIX].map(|prefix| format!("{prefix}{export}"));
    if scalar.into_iter().any(has) || has(export.clone()) {
        FunctionKind::Scalar
    } else if has(format!("{}{export}_update", abi::AGGREGATE_PREFIX)) {
        FunctionKind::Aggregate
    } else if has(format!("{}{export}_push", abi::TABLE_PREFIX)) {
        FunctionKind::Table
    } else {
        FunctionKind::Scalar
    }
}

/// Whether a planned function is what its module has.
pub(crate) fn check_function(info: &ModuleInfo, function: &GuestFunction, kind: FunctionKind) -> Result<()> {
    let wanted = Wanted {
        kind,
        export: &function.code.export,
        arguments: function.arguments.iter().collect(),
        returns: &function.returns,
        volatility: function.volatility,
        strict: function.strict,
        tier: Some(function.tier),
    };
    let tier = wanted.check(info, &function.code.name)?;
    if tier != function.tier {
        return Err(Error::internal(format!(
            "function {function} is planned for another tier than its module has"
        )));
    }
    Ok(())
}

/// # Errors
/// As [`tier_of`].
pub(crate) fn check_operator(info: &ModuleInfo, operator: &GuestOperator) -> Result<()> {
    let name = &operator.code.name;
    let export = |suffix: &str| format!("{}{}_{suffix}", abi::OPERATOR_PREFIX, operator.code.export);
    require_memory(info, name)?;
    for (suffix, parameters) in [("open", 3), ("push", 2), ("finish", 1), ("pull", 0), ("reset", 0)] {
        require(info, name, &export(suffix), &pointers(parameters, 1))?;
    }
    let called = ["open", "push", "finish", "pull", "reset"].map(export);
    if info.imports_of(called.iter().map(String::as_str)).iter().any(|import| import.name == "random") {
        return Err(invalid(format!("operator {name} asks for nyala.random"))
            .with_hint("operators give the same rows for the same input: seed a generator by a parameter"));
    }
    for parameter in &operator.parameters {
        marshal::kind(&parameter.data_type)?;
    }
    match &operator.output {
        OperatorOutput::Extends(columns)
        | OperatorOutput::Columns(columns)
        | OperatorOutput::LikeInput(columns) => {
            for column in columns {
                marshal::kind(column.data_type())?;
            }
        }
    }
    Ok(())
}

impl Wanted<'_> {
    fn check(&self, info: &ModuleInfo, name: &str) -> Result<Tier> {
        let (tier, exports) = match self.kind {
            FunctionKind::Scalar => self.scalar(info, name)?,
            FunctionKind::Aggregate => {
                let export = |suffix: &str| format!("{}{}_{suffix}", abi::AGGREGATE_PREFIX, self.export);
                let shapes = [("update", 3), ("states", 1), ("merge", 3), ("finish", 1)];
                (
                    Tier::Batch,
                    self.batch(info, name, shapes.map(|(suffix, count)| (export(suffix), count)).to_vec())?,
                )
            }
            FunctionKind::Table => {
                let export = |suffix: &str| format!("{}{}_{suffix}", abi::TABLE_PREFIX, self.export);
                (Tier::Batch, self.batch(info, name, vec![(export("push"), 1), (export("pull"), 0)])?)
            }
        };
        self.refuse_host_functions(info, name, tier, exports)?;
        Ok(tier)
    }

    fn scalar(&self, info: &ModuleInfo, name: &str) -> Result<(Tier, Vec<String>)> {
        let batch = format!("{}{}", abi::SCALAR_PREFIX, self.export);
        let made_for_rows = format!("{}{}", abi::ROW_PREFIX, self.export);
        let is_made_for_rows = info.export(&made_for_rows).is_some();
        let row = if is_made_for_rows { &made_for_rows } else { self.export };
        if info.export(&batch).is_some() {
            let runs_by_row = is_made_for_rows
                && self.tier != Some(Tier::Batch)
                && self.row_signature().is_ok_and(|signature| info.function(row) == Some(&signature))
                && self.strict
                && info.imports_of([row]).is_empty();
            return Ok(if runs_by_row {
                (Tier::Row, vec![made_for_rows])
            } else {
                (Tier::Batch, self.batch(info, name, vec![(batch, 1)])?)
            });
        }
        if info.export(row).is_none() {
            return Err(missing(info, name, &format!("{batch} or {}", self.export)));
        }
        let signature = self.row_signature().map_err(|data_type| {
            invalid(format!(
                "function {name}: export {row} is called with numbers, which {data_type} is not; such functions need an export {batch}"
            ))
            .with_hint("build the module with the SDK, which makes that export")
        })?;
        require(info, name, row, &signature)?;
        if !self.strict {
            return Err(invalid(format!(
                "function {name}: export {row} is called with numbers and so cannot see NULL"
            ))
            .with_hint(
                "declare it STRICT, or build it with the SDK for an export that is called with columns",
            ));
        }
        Ok((Tier::Row, vec![row.to_owned()]))
    }

    /// What an export of the row tier takes and gives.
    ///
    /// # Errors
    /// The type that is not a number.
    fn row_signature(&self) -> std::result::Result<Signature, &DataType> {
        let core = |data_type| core_type(data_type).ok_or(data_type);
        Ok(Signature {
            parameters: self.arguments.iter().copied().map(core).collect::<std::result::Result<_, _>>()?,
            results: vec![core(self.returns)?],
        })
    }

    /// Exports that are called with columns, each with so many parameters.
    fn batch(&self, info: &ModuleInfo, name: &str, exports: Vec<(String, usize)>) -> Result<Vec<String>> {
        require_memory(info, name)?;
        for data_type in self.arguments.iter().copied().chain([self.returns]) {
            marshal::kind(data_type).map_err(|error| error.context(format!("function {name}")))?;
        }
        for (export, parameters) in &exports {
            require(info, name, export, &pointers(*parameters, 1))?;
        }
        Ok(exports.into_iter().map(|(export, _)| export).collect())
    }

    /// A function whose result the planner may fold, repeat or leave out must not see clock or chance.
    fn refuse_host_functions(
        &self,
        info: &ModuleInfo,
        name: &str,
        tier: Tier,
        mut exports: Vec<String>,
    ) -> Result<()> {
        let is_row = tier == Tier::Row;
        if !is_row {
            exports.extend([abi::EXPORT_ALLOC.to_owned(), abi::EXPORT_RESET.to_owned()]);
        }
        let allowed: &[&str] = match (self.kind, self.volatility) {
            _ if is_row => &[],
            (FunctionKind::Aggregate, _) => &["fail", "log", "scratch_write", "scratch_read"],
            (_, Volatility::Immutable) => &["fail", "log"],
            (_, Volatility::Stable) => &["fail", "log", "now"],
            (_, Volatility::Volatile) => &["fail", "log", "now", "random"],
        };
        let refused: Vec<String> = info
            .imports_of(exports.iter().map(String::as_str))
            .into_iter()
            .filter(|import| !allowed.contains(&import.name.as_str()))
            .map(ToString::to_string)
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let hint = if is_row {
            "functions that are called with numbers may call nothing of the host; the SDK makes ones that are called with columns"
        } else {
            "nyala.now is for STABLE and VOLATILE functions, nyala.random for VOLATILE ones, scratch files for aggregates and operators"
        };
        let message = format!("function {name} is {:?} and asks for {}", self.volatility, refused.join(", "));
        Err(invalid(message).with_hint(hint))
    }
}

/// How the row tier passes a value.
pub(crate) fn core_type(data_type: &DataType) -> Option<CoreType> {
    Some(match marshal::kind(data_type).ok()? {
        Kind::Boolean | Kind::Int8 | Kind::Int16 | Kind::Int32 => CoreType::I32,
        Kind::Int64 => CoreType::I64,
        Kind::Float32 => CoreType::F32,
        Kind::Float64 => CoreType::F64,
        Kind::UInt32
        | Kind::Int128
        | Kind::Text
        | Kind::Binary
        | Kind::List
        | Kind::Struct
        | Kind::Interval => {
            return None;
        }
    })
}

fn pointers(parameters: usize, results: usize) -> Signature {
    Signature { parameters: vec![POINTER; parameters], results: vec![POINTER; results] }
}

fn require_memory(info: &ModuleInfo, name: &str) -> Result<()> {
    if !matches!(info.export(abi::EXPORT_MEMORY), Some(export) if export.item == super::Item::Memory) {
        return Err(missing(info, name, abi::EXPORT_MEMORY));
    }
    require(info, name, abi::EXPORT_ALLOC, &pointers(2, 1))?;
    require(info, name, abi::EXPORT_RESET, &pointers(0, 0))
}

fn require(info: &ModuleInfo, name: &str, export: &str, wanted: &Signature) -> Result<()> {
    let Some(found) = info.export(export) else { return Err(missing(info, name, export)) };
    if matches!(&found.item, super::Item::Function(signature) if signature == wanted) {
        return Ok(());
    }
    Err(invalid(format!("function {name}: export {export} should be a function {wanted}, but is a {}", found.item))
        .with_hint("arguments and results of the declaration decide the export's type; docs/reference/guest-abi.md has the list"))
}

fn missing(info: &ModuleInfo, name: &str, export: &str) -> Error {
    const NAMES_MAX: usize = 20;
    let found: Vec<&str> = info.exports.iter().take(NAMES_MAX).map(|export| export.name.as_str()).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    invalid(format!("function {name}: the module does not export {export}; it exports {found}"))
        .with_hint("name one of them with EXPORT '…', or export the function from the module")
}
