//! TPC-H at scale 1 as a catalog sees it: schemas and statistics, no rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::lookup::{ResolvedTable, TableContent, TableLookup};
use nyala_schema::scan::{FileEntry, FileFormat, ScanSource};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::{Result, Value};

/// Days since 1970 of 1992-01-01 and 1998-08-02.
const ORDERED: (i32, i32) = (8035, 10440);

pub struct Tpch;

enum Kind {
    Key(i64, i64),
    Number(i32, i32),
    /// In hundredths.
    Money(i128, i128),
    Date(i32, i32),
    Text(&'static str, &'static str, f64),
}

use Kind::{Date, Key, Money, Number, Text};

type Column = (&'static str, Kind, f64);

impl TableLookup for Tpch {
    fn version(&self) -> u64 {
        7
    }

    fn table(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        Ok(contents(name).map(|(rows, columns)| Arc::new(table(name, rows, &columns))))
    }

    fn table_names(&self) -> Vec<String> {
        ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]
            .map(str::to_owned)
            .to_vec()
    }
}

fn contents(name: &str) -> Option<(f64, Vec<Column>)> {
    Some(match name {
        "region" => (5.0, region()),
        "nation" => (25.0, nation()),
        "supplier" => (10_000.0, supplier()),
        "customer" => (150_000.0, customer()),
        "part" => (200_000.0, part()),
        "partsupp" => (800_000.0, partsupp()),
        "orders" => (1_500_000.0, orders()),
        "lineitem" => (6_001_215.0, lineitem()),
        _ => return None,
    })
}

fn region() -> Vec<Column> {
    vec![
        ("r_regionkey", Key(0, 4), 5.0),
        ("r_name", Text("AFRICA", "MIDDLE EAST", 7.0), 5.0),
        ("r_comment", Text("ges", "uic", 66.0), 5.0),
    ]
}

fn nation() -> Vec<Column> {
    vec![
        ("n_nationkey", Key(0, 24), 25.0),
        ("n_name", Text("ALGERIA", "VIETNAM", 7.0), 25.0),
        ("n_regionkey", Key(0, 4), 5.0),
        ("n_comment", Text(" al", "y final", 74.0), 25.0),
    ]
}

fn supplier() -> Vec<Column> {
    vec![
        ("s_suppkey", Key(1, 10_000), 10_000.0),
        ("s_name", Text("Supplier#000000001", "Supplier#000010000", 18.0), 10_000.0),
        ("s_address", Text(" 9aW1", "zzf", 25.0), 10_000.0),
        ("s_nationkey", Key(0, 24), 25.0),
        ("s_phone", Text("10-102", "34-998", 15.0), 10_000.0),
        ("s_acctbal", Money(-99_822, 999_972), 9_955.0),
        ("s_comment", Text(" about", "zzle", 62.0), 10_000.0),
    ]
}

fn customer() -> Vec<Column> {
    vec![
        ("c_custkey", Key(1, 150_000), 150_000.0),
        ("c_name", Text("Customer#000000001", "Customer#000150000", 18.0), 150_000.0),
        ("c_address", Text("   2u", "zzz", 25.0), 150_000.0),
        ("c_nationkey", Key(0, 24), 25.0),
        ("c_phone", Text("10-100", "34-999", 15.0), 150_000.0),
        ("c_acctbal", Money(-99_999, 999_999), 140_000.0),
        ("c_mktsegment", Text("AUTOMOBILE", "MACHINERY", 9.0), 5.0),
        ("c_comment", Text(" Tir", "zzle", 72.0), 150_000.0),
    ]
}

fn part() -> Vec<Column> {
    vec![
        ("p_partkey", Key(1, 200_000), 200_000.0),
        ("p_name", Text("almond", "yellow", 33.0), 200_000.0),
        ("p_mfgr", Text("Manufacturer#1", "Manufacturer#5", 14.0), 5.0),
        ("p_brand", Text("Brand#11", "Brand#55", 8.0), 25.0),
        ("p_type", Text("ECONOMY ANODIZED BRASS", "STANDARD POLISHED TIN", 21.0), 150.0),
        ("p_size", Number(1, 50), 50.0),
        ("p_container", Text("JUMBO BAG", "WRAP PKG", 8.0), 40.0),
        ("p_retailprice", Money(90_100, 209_899), 20_899.0),
        ("p_comment", Text(" Tire", "zzle", 13.0), 130_000.0),
    ]
}

fn partsupp() -> Vec<Column> {
    vec![
        ("ps_partkey", Key(1, 200_000), 200_000.0),
        ("ps_suppkey", Key(1, 10_000), 10_000.0),
        ("ps_availqty", Number(1, 9_999), 9_999.0),
        ("ps_supplycost", Money(100, 100_000), 99_865.0),
        ("ps_comment", Text(" Tire", "zzle", 123.0), 800_000.0),
    ]
}

fn orders() -> Vec<Column> {
    vec![
        ("o_orderkey", Key(1, 6_000_000), 1_500_000.0),
        ("o_custkey", Key(1, 149_999), 99_996.0),
        ("o_orderstatus", Text("F", "P", 1.0), 3.0),
        ("o_totalprice", Money(85_771, 55_528_516), 1_464_556.0),
        ("o_orderdate", Date(ORDERED.0, ORDERED.1), 2_406.0),
        ("o_orderpriority", Text("1-URGENT", "5-LOW", 8.0), 5.0),
        ("o_clerk", Text("Clerk#000000001", "Clerk#000001000", 15.0), 1_000.0),
        ("o_shippriority", Number(0, 0), 1.0),
        ("o_comment", Text(" about", "zzle", 48.0), 1_480_000.0),
    ]
}

fn lineitem() -> Vec<Column> {
    vec![
        ("l_orderkey", Key(1, 6_000_000), 1_500_000.0),
        ("l_partkey", Key(1, 200_000), 200_000.0),
        ("l_suppkey", Key(1, 10_000), 10_000.0),
        ("l_linenumber", Number(1, 7), 7.0),
        ("l_quantity", Money(100, 5_000), 50.0),
        ("l_extendedprice", Money(90_100, 10_494_950), 933_900.0),
        ("l_discount", Money(0, 10), 11.0),
        ("l_tax", Money(0, 8), 9.0),
        ("l_returnflag", Text("A", "R", 1.0), 3.0),
        ("l_linestatus", Text("F", "O", 1.0), 2.0),
        ("l_shipdate", Date(ORDERED.0 + 1, ORDERED.1 + 121), 2_526.0),
        ("l_commitdate", Date(ORDERED.0 + 30, ORDERED.1 + 90), 2_466.0),
        ("l_receiptdate", Date(ORDERED.0 + 3, ORDERED.1 + 151), 2_555.0),
        ("l_shipinstruct", Text("COLLECT COD", "TAKE BACK RETURN", 12.0), 4.0),
        ("l_shipmode", Text("AIR", "TRUCK", 4.0), 7.0),
        ("l_comment", Text(" Tire", "zzle", 26.0), 4_500_000.0),
    ]
}

fn table(name: &str, rows: f64, columns: &[Column]) -> ResolvedTable {
    let fields: Vec<Field> =
        columns.iter().map(|(name, kind, _)| Field::new(*name, data_type(kind), false)).collect();
    let width: f64 =
        fields.iter().zip(columns.iter()).map(|(field, (_, kind, _))| stored_width(field, kind)).sum();
    let file = FileEntry {
        path: format!("{name}.parquet"),
        size: (rows * width) as u64,
        modified_ns: 0,
        partition_values: vec![],
    };
    let columns = columns.iter().map(|(_, kind, distinct)| statistics(kind, *distinct)).collect();
    let statistics = TableStatistics { rows: Some(rows), bytes: None, columns };
    ResolvedTable {
        name: name.to_owned(),
        schema: Arc::new(Schema::new(fields)),
        content: TableContent::Data {
            source: ScanSource::Files { format: FileFormat::Parquet, files: vec![file] },
            statistics: Arc::new(statistics),
        },
    }
}

/// Bytes of a value in a file, compressed to half of its size.
fn stored_width(field: &Field, kind: &Kind) -> f64 {
    let bytes = match kind {
        Text(_, _, width) => *width,
        Key(..) | Number(..) | Money(..) | Date(..) => {
            field.data_type().primitive_width().unwrap_or(8) as f64
        }
    };
    bytes / 2.0
}

fn data_type(kind: &Kind) -> DataType {
    match kind {
        Key(..) => DataType::Int64,
        Number(..) => DataType::Int32,
        Money(..) => DataType::Decimal128(15, 2),
        Date(..) => DataType::Date32,
        Text(..) => DataType::Utf8View,
    }
}

fn statistics(kind: &Kind, distinct: f64) -> ColumnStatistics {
    let both: ArrayRef = match kind {
        Key(min, max) => Arc::new(Int64Array::from(vec![*min, *max])),
        Number(min, max) => Arc::new(Int32Array::from(vec![*min, *max])),
        Money(min, max) => {
            Arc::new(Decimal128Array::from(vec![*min, *max]).with_data_type(DataType::Decimal128(15, 2)))
        }
        Date(min, max) => Arc::new(Date32Array::from(vec![*min, *max])),
        Text(min, max, _) => Arc::new(StringViewArray::from(vec![*min, *max])),
    };
    ColumnStatistics {
        min: Some(Value::from_row(&both, 0)),
        max: Some(Value::from_row(&both, 1)),
        nulls: Some(0.0),
        distinct: Some(distinct),
        width: if let Text(_, _, width) = kind { Some(*width) } else { None },
        histogram: None,
    }
}
