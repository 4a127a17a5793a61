//! User-defined functions as DataFusion's planner sees them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, not_impl_err};
use datafusion_expr::function::AccumulatorArgs;
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility as LogicalVolatility,
};
use nyala_schema::expr::Volatility;
use nyala_schema::function::{FunctionDefinition, FunctionKind};
use nyala_schema::guest::{GuestFunction, OnError, Tier};

use crate::overload::{Given, choose};

/// A call's function. While a query is read it is a name with overloads; [`Context`](crate::context::Context) then puts
/// the one that is meant in its place.
#[derive(Debug, Clone)]
struct Callable {
    name: String,
    kind: FunctionKind,
    overloads: Arc<[Arc<FunctionDefinition>]>,
    chosen: Option<Arc<GuestFunction>>,
    signature: Signature,
}

/// All overloads of a name are the same throughout a statement.
impl PartialEq for Callable {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.kind, &self.chosen) == (&other.name, other.kind, &other.chosen)
    }
}

impl Eq for Callable {}

impl Hash for Callable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.kind, &self.chosen).hash(state);
    }
}

impl Callable {
    fn named(name: &str, kind: FunctionKind, overloads: Arc<[Arc<FunctionDefinition>]>) -> Self {
        let of_kind = overloads.iter().filter(|overload| overload.kind == kind);
        let volatility = of_kind.map(|overload| overload.current_version().volatility);
        let volatility = volatility.max_by_key(|volatility| match volatility {
            Volatility::Immutable => 0,
            Volatility::Stable => 1,
            Volatility::Volatile => 2,
        });
        let signature = Signature::user_defined(logical(volatility.unwrap_or(Volatility::Volatile)));
        Self { name: name.to_owned(), kind, overloads, chosen: None, signature }
    }

    fn chosen(function: Arc<GuestFunction>, kind: FunctionKind) -> Self {
        let signature = Signature::user_defined(logical(function.volatility));
        let name = function.code.name.clone();
        Self { name, kind, overloads: Arc::new([]), chosen: Some(function), signature }
    }

    /// A guess by the types alone: a call that fits nothing is reported when its function is chosen.
    fn guess(&self, types: &[DataType]) -> Option<&FunctionDefinition> {
        let given: Vec<Given> =
            types.iter().map(|data_type| Given { data_type: data_type.clone(), constant: None }).collect();
        if let Ok(overload) = choose(&self.name, self.kind, &self.overloads, &given) {
            return Some(overload);
        }
        let of_kind = |overload: &&Arc<FunctionDefinition>| overload.kind == self.kind;
        let as_many = |overload: &&Arc<FunctionDefinition>| overload.arguments.len() == types.len();
        let mut candidates = self.overloads.iter().filter(of_kind);
        let found = candidates.clone().find(as_many).or_else(|| candidates.next());
        found.map(AsRef::as_ref)
    }

    fn return_type(&self, types: &[DataType]) -> DataType {
        match &self.chosen {
            Some(function) => function.returns.clone(),
            None => self.guess(types).map_or(DataType::Null, |overload| overload.returns.clone()),
        }
    }

    fn coerced(&self, types: &[DataType]) -> Vec<DataType> {
        match &self.chosen {
            Some(function) => function.arguments.clone(),
            None => types.to_vec(),
        }
    }
}

fn logical(volatility: Volatility) -> LogicalVolatility {
    match volatility {
        Volatility::Immutable => LogicalVolatility::Immutable,
        Volatility::Stable => LogicalVolatility::Stable,
        Volatility::Volatile => LogicalVolatility::Volatile,
    }
}

/// A user-defined scalar function in a logical plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestUdf(Callable);

impl GuestUdf {
    pub(crate) fn named(name: &str, overloads: Arc<[Arc<FunctionDefinition>]>) -> ScalarUDF {
        ScalarUDF::from(Self(Callable::named(name, FunctionKind::Scalar, overloads)))
    }

    pub(crate) fn chosen(function: Arc<GuestFunction>) -> ScalarUDF {
        ScalarUDF::from(Self(Callable::chosen(function, FunctionKind::Scalar)))
    }

    pub(crate) fn overloads(&self) -> &[Arc<FunctionDefinition>] {
        &self.0.overloads
    }

    /// The function that is called; there is one in every plan that [`Frontend`](crate::Frontend) gives.
    pub fn function(&self) -> Option<&Arc<GuestFunction>> {
        self.0.chosen.as_ref()
    }
}

impl ScalarUDFImpl for GuestUdf {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.0.return_type(types))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = match &self.0.chosen {
            Some(function) => {
                let never_null = function.tier == Tier::Row
                    && function.strict
                    && function.code.limits.on_error == OnError::Fail;
                !never_null || args.arg_fields.iter().any(|field| field.is_nullable())
            }
            None => true,
        };
        Ok(Arc::new(Field::new(self.name(), self.0.return_type(&types), nullable)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.0.coerced(types))
    }

    /// Calls are folded when their function is chosen; nothing is run after that.
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{} runs only in queries", self.name())
    }
}

/// A user-defined aggregate in a logical plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestUdaf(Callable);

impl GuestUdaf {
    pub(crate) fn named(name: &str, overloads: Arc<[Arc<FunctionDefinition>]>) -> AggregateUDF {
        AggregateUDF::from(Self(Callable::named(name, FunctionKind::Aggregate, overloads)))
    }

    pub(crate) fn chosen(function: Arc<GuestFunction>) -> AggregateUDF {
        AggregateUDF::from(Self(Callable::chosen(function, FunctionKind::Aggregate)))
    }

    pub(crate) fn overloads(&self) -> &[Arc<FunctionDefinition>] {
        &self.0.overloads
    }

    /// The function that is called; there is one in every plan that [`Frontend`](crate::Frontend) gives.
    pub fn function(&self) -> Option<&Arc<GuestFunction>> {
        self.0.chosen.as_ref()
    }
}

impl AggregateUDFImpl for GuestUdaf {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.0.return_type(types))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(self.0.coerced(types))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("{} runs only in queries", self.name())
    }
}
