//! A catalog that is not one: the tables of TPC-H without rows, and views as tests want them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::LogicalPlan;
use nyala_frontend::{Frontend, Statement, parse};
use nyala_schema::lookup::{ResolvedTable, TableContent, TableLookup};
use nyala_schema::option::Options;
use nyala_schema::scan::ScanSource;
use nyala_schema::{Error, Result};

const TPCH: &[(&str, &str)] = &[
    ("region", "r_regionkey:i r_name:s r_comment:s"),
    ("nation", "n_nationkey:i n_name:s n_regionkey:i n_comment:s"),
    ("supplier", "s_suppkey:i s_name:s s_address:s s_nationkey:i s_phone:s s_acctbal:n s_comment:s"),
    (
        "customer",
        "c_custkey:i c_name:s c_address:s c_nationkey:i c_phone:s c_acctbal:n c_mktsegment:s c_comment:s",
    ),
    (
        "part",
        "p_partkey:i p_name:s p_mfgr:s p_brand:s p_type:s p_size:i p_container:s p_retailprice:n p_comment:s",
    ),
    ("partsupp", "ps_partkey:i ps_suppkey:i ps_availqty:i ps_supplycost:n ps_comment:s"),
    (
        "orders",
        "o_orderkey:i o_custkey:i o_orderstatus:s o_totalprice:n o_orderdate:d o_orderpriority:s o_clerk:s \
         o_shippriority:i o_comment:s",
    ),
    (
        "lineitem",
        "l_orderkey:i l_partkey:i l_suppkey:i l_linenumber:i l_quantity:n l_extendedprice:n l_discount:n l_tax:n \
         l_returnflag:s l_linestatus:s l_shipdate:d l_commitdate:d l_receiptdate:d l_shipinstruct:s l_shipmode:s \
         l_comment:s",
    ),
];

fn schema_of(columns: &str) -> SchemaRef {
    let fields = columns.split_whitespace().map(|column| {
        let (name, kind) = column.split_once(':').unwrap_or((column, "i"));
        let data_type = match kind {
            "s" => DataType::Utf8View,
            "n" => DataType::Decimal128(15, 2),
            "d" => DataType::Date32,
            _ => DataType::Int64,
        };
        Field::new(name, data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub struct Tables {
    tables: HashMap<String, Arc<ResolvedTable>>,
}

impl Tables {
    pub fn tpch() -> Self {
        let mut tables = Self { tables: HashMap::new() };
        for (name, columns) in TPCH {
            tables.add(name, columns);
        }
        tables
    }

    pub fn add(&mut self, name: &str, columns: &str) {
        let source = ScanSource::Memory { table: name.to_owned(), version: 1 };
        let content = TableContent::Data { source, statistics: Arc::default() };
        self.insert(name, schema_of(columns), content);
    }

    /// `columns` may be empty: then the view takes what its query gives.
    pub fn add_view(&mut self, name: &str, columns: &str, sql: &str) {
        self.insert(name, schema_of(columns), TableContent::View { sql: sql.to_owned() });
    }

    fn insert(&mut self, name: &str, schema: SchemaRef, content: TableContent) {
        let table = ResolvedTable { name: name.to_owned(), schema, content };
        self.tables.insert(name.to_owned(), Arc::new(table));
    }
}

impl TableLookup for Tables {
    fn version(&self) -> u64 {
        1
    }

    fn table(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        if name.ends_with(".parquet") {
            let source = ScanSource::Memory { table: name.to_owned(), version: 1 };
            let content = TableContent::Data { source, statistics: Arc::default() };
            let table = ResolvedTable { name: name.to_owned(), schema: schema_of("a:i b:s"), content };
            return Ok(Some(Arc::new(table)));
        }
        Ok(self.tables.get(name).cloned())
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }
}

pub fn plan_with(tables: &Tables, sql: &str) -> Result<LogicalPlan> {
    match parse(sql)? {
        Statement::Query(query) => Frontend::new().plan_query(sql, &query, tables, &Options::default()),
        other => Err(Error::internal(format!("not a query: {other:?}"))),
    }
}

pub fn plan(sql: &str) -> Result<LogicalPlan> {
    plan_with(&Tables::tpch(), sql)
}
