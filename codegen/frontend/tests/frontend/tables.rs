//! A catalog that is not one: the tables of TPC-H without rows, and views as tests want them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion_expr::LogicalPlan;
use nyala_frontend::{CodeSource, Frontend, Language, Statement, parse};
use nyala_schema::function::{
    FunctionBody, FunctionDeclaration, FunctionDefinition, FunctionVersion, OperatorDefinition,
};
use nyala_schema::guest::{GuestCode, GuestFunction, GuestOperator, ModuleHash, Tier};
use nyala_schema::lookup::{AsOf, FunctionLookup, ResolvedTable, TableContent, TableLookup};
use nyala_schema::managed::TableShape;
use nyala_schema::option::Options;
use nyala_schema::scan::{FileFormat, ScanSource};
use nyala_schema::{Error, ErrorCode, Result};

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

#[derive(Default)]
pub struct Tables {
    tables: HashMap<String, Arc<ResolvedTable>>,
    functions: Vec<Arc<FunctionDefinition>>,
    operators: Vec<Arc<OperatorDefinition>>,
}

impl Tables {
    pub fn tpch() -> Self {
        let mut tables = Self::default();
        for (name, columns) in TPCH {
            tables.add(name, columns);
        }
        tables
    }

    /// A managed table as statements that write see it: with the places of its rows.
    pub fn add_writable(&mut self, name: &str, shape: &TableShape) {
        let mut fields = shape.schema().fields().to_vec();
        let place = ["$file", "$row"].map(|name| Arc::new(Field::new(name, DataType::Int64, false)));
        fields.extend(place);
        let source = ScanSource::Files { format: FileFormat::Parquet, files: vec![] };
        let content = TableContent::Data { source, statistics: Arc::default() };
        self.insert(name, Arc::new(Schema::new(fields)), content);
    }

    pub fn add(&mut self, name: &str, columns: &str) {
        let source = ScanSource::Files { format: FileFormat::Parquet, files: vec![] };
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

/// Functions and operators, from the statements that create them.
impl Tables {
    pub fn create(&mut self, sql: &str) {
        let code = |name: String, export: Option<String>, limits| GuestCode {
            version: 1,
            module: ModuleHash([0; 32]),
            export: export.unwrap_or_else(|| name.clone()),
            name,
            limits,
        };
        match parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}")) {
            Statement::CreateFunction { declaration, code: source, language, .. } => {
                self.functions.push(Arc::new(definition(declaration, source, language)));
            }
            Statement::CreateOperator { declaration, .. } => {
                let operator = GuestOperator {
                    code: code(declaration.name.clone(), declaration.export, declaration.limits),
                    inputs: declaration.inputs,
                    parameters: declaration.parameters,
                    output: declaration.output,
                    rows_per_row: declaration.rows_per_row.unwrap_or(100),
                    cost: declaration.cost.unwrap_or(100),
                    keeps_order: declaration.keeps_order,
                };
                let name = declaration.name;
                self.operators.push(Arc::new(OperatorDefinition {
                    name,
                    operator: Arc::new(operator),
                    module: None,
                }));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn definition(
    declaration: FunctionDeclaration,
    source: CodeSource,
    language: Language,
) -> FunctionDefinition {
    let body = match (language, source) {
        (Language::Sql, CodeSource::Text(text)) => FunctionBody::Sql { text, uses: vec![] },
        _ => FunctionBody::Guest {
            module: ModuleHash([0; 32]),
            export: declaration.name.clone(),
            tier: Tier::Row,
            source: None,
        },
    };
    let version = FunctionVersion {
        number: 1,
        body,
        volatility: declaration.volatility,
        strict: declaration.strict.unwrap_or(language != Language::Sql),
        cost: declaration.cost.unwrap_or(100),
        rows_per_row: declaration.rows_per_row.unwrap_or(100),
        limits: declaration.limits,
    };
    FunctionDefinition {
        name: declaration.name,
        kind: declaration.kind,
        arguments: declaration.arguments,
        returns: declaration.returns,
        versions: vec![version],
        current: 1,
        module: None,
    }
}

impl FunctionLookup for Tables {
    fn functions(&self, name: &str) -> Vec<Arc<FunctionDefinition>> {
        self.functions.iter().filter(|function| function.name == name).cloned().collect()
    }

    fn operator(&self, name: &str) -> Option<Arc<OperatorDefinition>> {
        self.operators.iter().find(|operator| operator.name == name).cloned()
    }

    fn function_names(&self) -> Vec<String> {
        let functions = self.functions.iter().map(|function| function.name.clone());
        functions.chain(self.operators.iter().map(|operator| operator.name.clone())).collect()
    }

    /// `twice` doubles; everything else fails.
    fn evaluate(
        &self,
        function: &Arc<GuestFunction>,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef> {
        if function.code.name != "twice" {
            return Err(Error::new(ErrorCode::GuestFailed, "it was called"));
        }
        assert_eq!((arguments.len(), rows), (1, 1));
        let argument = arguments[0].as_primitive::<Int64Type>();
        Ok(Arc::new(Int64Array::from(vec![argument.value(0) * 2])))
    }
}

impl TableLookup for Tables {
    fn version(&self) -> u64 {
        1
    }

    fn table(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        let name = name.strip_prefix("main.").unwrap_or(name);
        if name.ends_with(".parquet") {
            let source = ScanSource::Files { format: FileFormat::Parquet, files: vec![] };
            let content = TableContent::Data { source, statistics: Arc::default() };
            let table = ResolvedTable { name: name.to_owned(), schema: schema_of("a:i b:s"), content };
            return Ok(Some(Arc::new(table)));
        }
        Ok(self.tables.get(name).cloned())
    }

    /// Tables have three versions, and only columns that begin with another letter than `z` in the first.
    fn table_at(&self, name: &str, at: &AsOf) -> Result<Option<Arc<ResolvedTable>>> {
        let Some(table) = self.tables.get(name) else { return Ok(None) };
        if matches!(at, AsOf::Version(4..)) {
            let message = format!("\"{name}\" has no version {at:?}");
            return Err(Error::new(ErrorCode::UndefinedVersion, message));
        }
        let mut table = table.as_ref().clone();
        if *at == AsOf::Version(1) {
            let fields = table.schema.fields().iter().filter(|field| !field.name().starts_with('z'));
            table.schema = Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()));
        }
        Ok(Some(Arc::new(table)))
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
