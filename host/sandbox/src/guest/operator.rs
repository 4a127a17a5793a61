//! Operators: ordered rows of one partition after the other in, rows of their own out.

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, SchemaRef, UInt32Type};
use nyala_guest_abi as abi;
use nyala_pipeline::exact_type;
use nyala_pipeline::guest::{GuestRows, OperatorGuest};
use nyala_schema::expr::Expr;
use nyala_schema::guest::OperatorOutput;
use nyala_schema::operator::GuestCall;
use nyala_schema::{Error, Result};
use wasmtime::TypedFunc;

use super::{ROWS_MAX, Single, Source, exact};
use crate::instance::{Instance, RowOrigin};
use crate::marshal;

#[derive(Clone)]
struct Functions {
    push: TypedFunc<(u32, u32), u32>,
    finish: TypedFunc<u32, u32>,
    pull: TypedFunc<(), u32>,
    reset: TypedFunc<(), u32>,
}

#[derive(Clone)]
struct Names {
    open: String,
    push: String,
    finish: String,
    pull: String,
    reset: String,
}

/// What the columns of an input are.
#[derive(Clone)]
struct Input {
    layout: abi::OperatorInput,
    types: Vec<DataType>,
    /// The place of each partition key among the input's columns, or -1.
    partition_columns: Vec<i32>,
}

pub(crate) struct Operator {
    single: Single<Functions>,
    names: Names,
    inputs: Vec<Input>,
    parameters: Vec<ArrayRef>,
    /// Of what is pulled.
    types: Vec<DataType>,
    /// The first of them numbers the rows of the first input.
    has_sources: bool,
    /// Rows of the first input in this partition.
    pushed: u64,
}

impl Operator {
    /// Makes the instance at once: what it says of its parameters is an error of the statement.
    pub(crate) fn new(call: &GuestCall, schemas: &[SchemaRef], source: Source) -> Result<Self> {
        let operator = &call.operator;
        let name = |suffix: &str| format!("{}{}_{suffix}", abi::OPERATOR_PREFIX, operator.code.export);
        let names = Names {
            open: name("open"),
            push: name("push"),
            finish: name("finish"),
            pull: name("pull"),
            reset: name("reset"),
        };
        if schemas.len() != operator.inputs.len() || call.inputs.len() != operator.inputs.len() {
            return Err(Error::internal(format!(
                "operator {operator} has not as many inputs as it declares"
            )));
        }
        let inputs =
            (0..schemas.len()).map(|index| input(call, schemas, index)).collect::<Result<Vec<_>>>()?;
        let own = operator.output.own_columns().iter().map(|column| exact_type(column.data_type()));
        let (has_sources, types) = match &operator.output {
            OperatorOutput::Extends(_) => (true, std::iter::once(DataType::UInt32).chain(own).collect()),
            OperatorOutput::Columns(_) => (false, own.collect()),
            OperatorOutput::LikeInput(_) => {
                let first = schemas.first().map(|schema| schema.fields().clone()).unwrap_or_default();
                (false, first.iter().map(|field| exact_type(field.data_type())).chain(own).collect())
            }
        };
        let parameters: Vec<ArrayRef> = call.parameters.iter().map(|value| value.array().clone()).collect();
        let wanted: Vec<DataType> =
            operator.parameters.iter().map(|parameter| parameter.data_type.clone()).collect();
        let parameters = exact(&parameters, &wanted)?;
        let mut opened =
            Self { single: Single::new(source), names, inputs, parameters, types, has_sources, pushed: 0 };
        opened.call(0, |_, _, _| Ok(()))?;
        Ok(opened)
    }

    fn call<T>(
        &mut self,
        rows: usize,
        act: impl FnOnce(&mut Instance, &Functions, &Names) -> Result<T>,
    ) -> Result<T> {
        let (names, inputs, parameters) = (&self.names, &self.inputs, &self.parameters);
        let open = |instance: &mut Instance| open(instance, names, inputs, parameters);
        self.single.call(rows, open, |instance, functions| {
            instance.begin(RowOrigin::default());
            act(instance, functions, names)
        })
    }
}

fn open(
    instance: &mut Instance,
    names: &Names,
    inputs: &[Input],
    parameters: &[ArrayRef],
) -> Result<Functions> {
    let functions = Functions {
        push: instance.export(&names.push)?,
        finish: instance.export(&names.finish)?,
        pull: instance.export(&names.pull)?,
        reset: instance.export(&names.reset)?,
    };
    let open: TypedFunc<(u32, u32, u32), u32> = instance.export(&names.open)?;
    instance.begin(RowOrigin::default());
    instance.reset()?;
    let slack = 32;
    let described: usize =
        inputs.iter().map(|input| abi::OPERATOR_INPUT_BYTES as usize + input.types.len() * 8 + slack).sum();
    let size = marshal::size_bytes(parameters)? + described + slack;
    let (batch, table) = instance.fill(size, |writer| {
        let batch = writer.batch(parameters, 1)?;
        let mut words = Vec::with_capacity(inputs.len() * 6);
        for input in inputs {
            let kinds = input.types.iter().map(marshal::kind).collect::<Result<Vec<_>>>()?;
            let kinds = writer.words(kinds.into_iter().map(|kind| kind as u32))?;
            let places = input.partition_columns.iter().map(|place| place.cast_unsigned());
            let partition_columns = writer.words(places.collect::<Vec<_>>().into_iter())?;
            let layout = &input.layout;
            let key_column = layout.key_column.cast_unsigned();
            words.extend([layout.order_keys, layout.partition_keys, layout.columns, kinds]);
            words.extend([key_column, partition_columns]);
        }
        Ok((batch, writer.words(words.into_iter())?))
    })?;
    instance.call_status(&names.open, &open, (batch, table, inputs.len() as u32))?;
    Ok(functions)
}

/// Order keys, partition keys, then all columns if they are read.
fn input(call: &GuestCall, schemas: &[SchemaRef], index: usize) -> Result<Input> {
    let (given, schema) = (&call.inputs[index], &schemas[index]);
    let reads_all = call.operator.inputs[index].reads_all;
    let order = given.order_by.iter().map(|key| key.expr.data_type());
    let keys = order.chain(given.partition_by.iter().map(Expr::data_type));
    let mut types: Vec<DataType> = keys.map(|data_type| exact_type(&data_type)).collect();
    let columns = if reads_all { schema.fields().len() } else { 0 };
    if reads_all {
        types.extend(schema.fields().iter().map(|field| exact_type(field.data_type())));
    }
    let place = |key: &Expr| match key {
        Expr::Column { index, .. } if reads_all => i32::try_from(*index).unwrap_or(-1),
        _ => -1,
    };
    let key_column = given.order_by.first().map_or(-1, |key| place(&key.expr));
    let partition_columns = given.partition_by.iter().map(place).collect();
    let layout = abi::OperatorInput {
        order_keys: given.order_by.len() as u32,
        partition_keys: given.partition_by.len() as u32,
        columns: columns as u32,
        kinds: 0,
        key_column,
        partition_columns: 0,
    };
    for data_type in &types {
        marshal::kind(data_type)
            .map_err(|error| error.context(format!("operator {}", call.operator.code.name)))?;
    }
    Ok(Input { layout, types, partition_columns })
}

impl OperatorGuest for Operator {
    fn push(&mut self, input: usize, columns: &[ArrayRef], rows: usize) -> Result<()> {
        if rows > ROWS_MAX {
            return Err(Error::internal(format!("{rows} rows were pushed at once into an operator")));
        }
        let Some(types) = self.inputs.get(input).map(|input| input.types.clone()) else {
            return Err(Error::internal("rows were pushed into an input that an operator does not have"));
        };
        let columns = exact(columns, &types)?;
        let room = marshal::size_bytes(&columns)?;
        self.call(rows, |instance, functions, names| {
            instance.reset()?;
            let placed = instance.place(&columns, rows, &[], room)?;
            instance.call_status(&names.push, &functions.push, (input as u32, placed.batch))
        })?;
        if input == 0 {
            self.pushed += rows as u64;
        }
        Ok(())
    }

    fn finish(&mut self, input: usize) -> Result<()> {
        self.call(0, |instance, functions, names| {
            instance.call_status(&names.finish, &functions.finish, input as u32)
        })
    }

    fn pull(&mut self) -> Result<Option<GuestRows>> {
        let (types, has_sources, pushed) = (self.types.clone(), self.has_sources, self.pushed);
        self.call(0, |instance, functions, names| {
            let Some(pointer) = instance.call_optional(&names.pull, &functions.pull, ())? else {
                return Ok(None);
            };
            let read = instance.read(&names.pull, |reader| {
                let batch = reader.batch(pointer)?;
                let mut columns = reader.columns(&batch, &types)?;
                let sources = if has_sources { Some(sources(&columns.remove(0), pushed)?) } else { None };
                Ok(GuestRows { rows: batch.rows as usize, sources, columns })
            });
            read.map(Some)
        })
    }

    fn reset(&mut self) -> Result<()> {
        self.pushed = 0;
        self.call(0, |instance, functions, names| instance.call_status(&names.reset, &functions.reset, ()))
    }
}

fn sources(numbers: &ArrayRef, pushed: u64) -> Result<Vec<u32>, String> {
    let values = numbers.as_primitive::<UInt32Type>().values();
    if numbers.null_count() > 0 {
        return Err("the numbers of the rows have a NULL among them".to_owned());
    }
    match values.iter().find(|number| u64::from(**number) >= pushed) {
        Some(number) => Err(format!("row number {number}, with {pushed} rows in the partition")),
        None => Ok(values.to_vec()),
    }
}
