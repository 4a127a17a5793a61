//! Small things are small: a commit of one row is one write of a log.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::Bound;
use nyala_schema::command::{Command, Entry};
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::managed::{
    DataFile, FileColumn, FileContent, FileStatistics, InlineRows, Requirement, TableChange, TableOperation,
};
use nyala_schema::wire;

/// The columns of `lineitem`.
fn columns() -> Vec<(&'static str, ArrayRef, Bound)> {
    let key = |number: i64| (Arc::new(Int64Array::from(vec![number])) as ArrayRef, Bound::Int(number.into()));
    let money = |number: i128| {
        let array = Decimal128Array::from(vec![number]).with_precision_and_scale(15, 2).unwrap();
        (Arc::new(array) as ArrayRef, Bound::Int(number))
    };
    let text = |text: &str| {
        let array: ArrayRef = Arc::new(StringViewArray::from(vec![text]));
        (array, Bound::Text(text.into()))
    };
    let date = |day: i32| (Arc::new(Date32Array::from(vec![day])) as ArrayRef, Bound::Int(day.into()));
    let line = (Arc::new(Int32Array::from(vec![3])) as ArrayRef, Bound::Int(3));
    let columns = [
        ("l_orderkey", key(4_711_000)),
        ("l_partkey", key(155_190)),
        ("l_suppkey", key(7706)),
        ("l_linenumber", line),
        ("l_quantity", money(1700)),
        ("l_extendedprice", money(2_116_823)),
        ("l_discount", money(4)),
        ("l_tax", money(2)),
        ("l_returnflag", text("N")),
        ("l_linestatus", text("O")),
        ("l_shipdate", date(9568)),
        ("l_commitdate", date(9538)),
        ("l_receiptdate", date(9577)),
        ("l_shipinstruct", text("DELIVER IN PERSON")),
        ("l_shipmode", text("TRUCK")),
        ("l_comment", text("egular courts above the")),
    ];
    columns.into_iter().map(|(name, (array, bound))| (name, array, bound)).collect()
}

fn single_row_insert() -> Entry {
    let columns = columns();
    let field =
        |(name, array, _): &(&str, ArrayRef, Bound)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.iter().map(|(_, array, _)| Arc::clone(array)).collect();
    let ids: Vec<ColumnId> = (1..).map(ColumnId).take(columns.len()).collect();
    let statistics = columns.iter().zip(&ids).map(|((_, _, bound), id)| FileColumn {
        id: *id,
        min: Some(bound.clone()),
        max: Some(bound.clone()),
        nulls: 0,
    });
    let file = DataFile {
        id: FileId(0),
        added_in: 0,
        statistics: FileStatistics::of(&statistics.collect::<Vec<_>>()),
        content: FileContent::Rows(InlineRows {
            columns: ids.into(),
            batch: RecordBatch::try_new(Arc::new(schema), arrays).unwrap(),
        }),
        rows: 1,
        partition: Vec::new(),
        deletions: None,
    };
    let change = TableChange {
        table: "lineitem".into(),
        id: TableId(0x0199_1c2f_8a55_7000_8000_1234_5678_9abc),
        base: 17,
        operation: TableOperation::Insert,
        add: vec![file],
        remove: Vec::new(),
        delete: Vec::new(),
        requirement: Requirement::Nothing,
        sketches: Vec::new(),
    };
    Entry { at_ms: 1_790_000_000_000, command: Command::ChangeTable(change) }
}

#[test]
fn an_insert_of_one_row_of_16_columns_is_less_than_a_kibibyte() {
    let entry = single_row_insert();
    let bytes = wire::encode_entry(&entry).unwrap();
    assert_eq!(wire::decode_entry(&bytes).unwrap(), entry);
    assert!(bytes.len() < 1024, "{} bytes", bytes.len());
}

/// Rows that repeat are kept compressed.
#[test]
fn many_rows_are_compressed() {
    let mut entry = single_row_insert();
    let Command::ChangeTable(change) = &mut entry.command else { unreachable!() };
    let FileContent::Rows(rows) = &mut change.add[0].content else { unreachable!() };
    let copies = vec![rows.batch.clone(); 1000];
    rows.batch = arrow::compute::concat_batches(&rows.batch.schema(), &copies).unwrap();
    let bytes = wire::encode_entry(&entry).unwrap();
    assert_eq!(wire::decode_entry(&bytes).unwrap(), entry);
    assert!(bytes.len() < 10_000, "{} bytes", bytes.len());
}

/// What decides how fast a catalog of many tables opens.
#[test]
fn a_header_of_ten_columns_is_small() {
    use nyala_schema::managed::{ManagedTable, TableColumn, TableProperties, TableShape};
    use nyala_schema::table::TableDefinition;
    let column = |id: u32| TableColumn {
        id: ColumnId(id),
        name: format!("column_{id}"),
        data_type: DataType::Int64,
        nullable: true,
        default: None,
        initial: None,
    };
    let shape =
        TableShape { columns: (1..=10).map(column).collect(), next_column: 11, ..TableShape::default() };
    let table = ManagedTable::new(TableId(1), shape, TableProperties::default());
    let bytes = wire::encode_table(&TableDefinition::Managed(table)).unwrap();
    assert!(bytes.len() < 1024, "{} bytes", bytes.len());
}
