//! Measures writing a managed table: `write_table DIRECTORY [SCALE [PROPERTY=VALUE …]]` makes the rows of TPC-H's lineitem
//! in memory and writes them with the properties, in the order in which they come; `sort=COLUMN` and `partition=COLUMN`
//! (by month when it is a date) arrange them. With `source=FILE` the rows are read from a file while they are written.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use nyala_schema::id::{ColumnId, TableId};
use nyala_schema::managed::{
    DataFile, PartitionField, SortField, TableColumn, TableProperties, TableShape, Transform,
};
use nyala_schema::scan::{TableScan, physical_type};
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::{TableWriter, Warehouse, WriteOptions, distinct_of};
use nyala_storage::{ResolvedFiles, Storage};
use tpchgen::generators::LineItemGenerator;
use tpchgen_arrow::LineItemArrow;

const BATCH_ROWS: usize = 16_384;
const REPEATS: usize = 3;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(directory) = arguments.first() else {
        println!("write_table DIRECTORY [SCALE [PROPERTY=VALUE | sort=COLUMN | partition=COLUMN …]]");
        return Ok(());
    };
    let scale = arguments.get(1).and_then(|it| it.parse().ok()).unwrap_or(1.0);
    let source = arguments.iter().find_map(|argument| argument.strip_prefix("source="));
    let rows = match source {
        Some(path) => Rows::File(Storage::new().resolve(path, None, None, &[])?),
        None => Rows::Memory(lineitem(scale)?),
    };
    let mut shape = match &rows {
        Rows::File(files) => shape_of(&files.schema),
        Rows::Memory(batches) => shape_of(&batches[0].schema()),
    };
    let mut properties = TableProperties::default();
    for argument in arguments.iter().skip(2) {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        match name {
            "sort" => shape.sort_by.push(SortField {
                column: column(&shape, value)?.id,
                descending: false,
                nulls_first: false,
            }),
            "partition" => {
                let column = column(&shape, value)?;
                let is_date = column.data_type == DataType::Date32;
                let transform = if is_date { Transform::Month } else { Transform::Identity };
                let field = PartitionField { column: column.id, transform };
                shape.partition_by.push(field);
            }
            "source" => {}
            _ => properties.set(name, value)?,
        }
    }
    measure(directory, &rows, &Arc::new(shape), &properties)
}

/// What is written.
enum Rows {
    Memory(Vec<RecordBatch>),
    File(ResolvedFiles),
}

impl Rows {
    fn each(&self, mut write: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        let files = match self {
            Self::Memory(batches) => return batches.iter().try_for_each(write),
            Self::File(files) => files,
        };
        let scan = TableScan {
            table: "source".to_owned(),
            source: files.source.clone(),
            table_schema: files.schema.clone(),
            projection: (0..files.schema.fields().len()).collect(),
            filters: vec![],
            runtime_filters: vec![],
            limit: None,
            statistics: vec![],
        };
        let scanner = Storage::new().open(&scan)?;
        for morsel in scanner.morsels() {
            let mut reader = scanner.read(morsel)?;
            while reader.next_batch(BATCH_ROWS)? > 0 {
                let columns = files.schema.fields().iter().enumerate();
                let columns = columns.map(|(at, field)| Ok((field.name(), reader.column(at)?)));
                write(&RecordBatch::try_from_iter(columns.collect::<Result<Vec<_>>>()?)?)?;
            }
        }
        Ok(())
    }
}

fn measure(
    directory: &str,
    rows: &Rows,
    shape: &Arc<TableShape>,
    properties: &TableProperties,
) -> Result<()> {
    let warehouse = Warehouse::open(directory)?;
    let storage = Storage::with_warehouse(warehouse.clone());
    let table = TableId(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for repeat in 0..REPEATS {
        warehouse.remove_table(table)?;
        let options =
            WriteOptions { threads, memory_bytes: 256 << 20, inline_rows: 100, inline_bytes: 64 << 10 };
        let (started, processor) = (Instant::now(), processor_seconds());
        let mut writer = TableWriter::new(&storage, table, Arc::clone(shape), properties, options)?;
        rows.each(|batch| writer.write(batch))?;
        let written = writer.finish()?;
        let (wall, processor) = (started.elapsed(), processor_seconds() - processor);
        let bytes: u64 = written.files.iter().map(DataFile::bytes).sum();
        println!(
            "{:?} {} rows, {} files, {bytes} bytes, {:.3} s, {processor:.2} s of processors",
            properties.compression,
            written.rows,
            written.files.len(),
            wall.as_secs_f64(),
        );
        if repeat + 1 == REPEATS {
            for (column, sketch) in shape.columns.iter().zip(&written.sketches) {
                let distinct = distinct_of(&sketch.sketch)?;
                println!("{:20} {distinct:>12.0} distinct, width {:?}", column.name, sketch.width);
            }
        }
        written.keep();
    }
    Ok(())
}

/// Time that all threads of this process ran.
fn processor_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

/// In the types in which a query hands them out.
fn lineitem(scale: f64) -> Result<Vec<RecordBatch>> {
    let source = LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)).with_batch_size(BATCH_ROWS);
    source
        .map(|batch| {
            let batch = batch?;
            let columns =
                batch.columns().iter().map(|array| Ok(cast(array, &physical_type(array.data_type()))?));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let fields = batch.schema();
            let fields = fields.fields().iter().zip(&columns);
            let fields: Vec<_> = fields
                .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
                .collect();
            Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
        })
        .collect()
}

fn shape_of(schema: &Schema) -> TableShape {
    let columns = schema.fields().iter().enumerate().map(|(at, field)| TableColumn {
        id: ColumnId(at as u32 + 1),
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        nullable: true,
        default: None,
        initial: None,
    });
    TableShape { columns: columns.collect(), ..TableShape::default() }
}

fn column<'a>(shape: &'a TableShape, name: &str) -> Result<&'a TableColumn> {
    shape
        .column(name)
        .ok_or_else(|| Error::new(ErrorCode::UndefinedColumn, format!("there is no column {name}")))
}
