//! Estimates over columns whose values are not spread evenly, without and with what ANALYZE found.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use expect_test::expect;
use nyala_frontend::{Frontend, Statement, parse};
use nyala_planner::distribute::ranges::Ranges;
use nyala_schema::function::{FunctionDefinition, OperatorDefinition};
use nyala_schema::guest::GuestFunction;
use nyala_schema::id::OperatorId;
use nyala_schema::lookup::{FunctionLookup, ResolvedTable, TableContent, TableLookup};
use nyala_schema::managed::Histogram;
use nyala_schema::operator::{OperatorKind, SortKey};
use nyala_schema::option::Options;
use nyala_schema::scan::{FileFormat, ScanSource, TableScan};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};
use nyala_schema::{Bound, Error, Expr, Operator, Result};

const ROWS: usize = 100_000;
const BUCKETS: usize = 100;

/// Half of the amounts are 0, the others crowd at small numbers.
fn amounts() -> Vec<i64> {
    (0..ROWS as i64).map(|row| if row % 2 == 0 { 0 } else { row.pow(3) / 1_000_000_000_000 + 1 }).collect()
}

/// Names that begin alike; nine of ten are of one place.
fn names() -> Vec<String> {
    let name = |row: usize| match row % 10 {
        0 => format!("customer/{:05}", row),
        _ => "customer/zurich".to_owned(),
    };
    (0..ROWS).map(name).collect()
}

/// As ANALYZE makes it of all rows.
fn histogram(mut bounds: Vec<Bound>) -> Histogram {
    bounds.sort_by(|left, right| left.partial_cmp(right).expect("bounds of one kind"));
    let place = |bucket: usize| bounds[bucket * (ROWS - 1) / BUCKETS].clone();
    Histogram { bounds: (0..=BUCKETS).map(place).collect() }
}

fn column(mut bounds: Vec<Bound>, data_type: &DataType, is_analyzed: bool) -> ColumnStatistics {
    let histogram = histogram(bounds.clone());
    bounds.sort_by(|left, right| left.partial_cmp(right).expect("bounds of one kind"));
    bounds.dedup();
    ColumnStatistics {
        min: histogram.bounds[0].to_value(data_type),
        max: histogram.bounds[BUCKETS].to_value(data_type),
        nulls: Some(0.0),
        distinct: Some(bounds.len() as f64),
        width: None,
        histogram: is_analyzed.then(|| Arc::new(histogram)),
    }
}

/// The tables `plain` and `analyzed`, of the same rows.
struct Skewed;

impl TableLookup for Skewed {
    fn version(&self) -> u64 {
        7
    }

    fn table(&self, name: &str) -> Result<Option<Arc<ResolvedTable>>> {
        let is_analyzed = match name {
            "plain" => false,
            "analyzed" => true,
            _ => return Ok(None),
        };
        let amounts = amounts().into_iter().map(|amount| Bound::Int(amount.into())).collect();
        let names = names().into_iter().map(|name| Bound::Text(name.into())).collect();
        let columns = vec![
            column(amounts, &DataType::Int64, is_analyzed),
            column(names, &DataType::Utf8View, is_analyzed),
        ];
        let fields =
            vec![Field::new("amount", DataType::Int64, false), Field::new("name", DataType::Utf8View, false)];
        let statistics = TableStatistics { rows: Some(ROWS as f64), bytes: None, columns };
        Ok(Some(Arc::new(ResolvedTable {
            name: name.to_owned(),
            schema: Arc::new(Schema::new(fields)),
            content: TableContent::Data {
                source: ScanSource::Files { format: FileFormat::Parquet, files: vec![] },
                statistics: Arc::new(statistics),
            },
        })))
    }

    fn table_names(&self) -> Vec<String> {
        vec!["plain".to_owned(), "analyzed".to_owned()]
    }
}

impl FunctionLookup for Skewed {
    fn functions(&self, _: &str) -> Vec<Arc<FunctionDefinition>> {
        vec![]
    }

    fn operator(&self, _: &str) -> Option<Arc<OperatorDefinition>> {
        None
    }

    fn function_names(&self) -> Vec<String> {
        vec![]
    }

    fn evaluate(&self, function: &Arc<GuestFunction>, _: &[ArrayRef], _: usize) -> Result<ArrayRef> {
        Err(Error::internal(format!("there is no function {}", function.code)))
    }
}

fn plan(table: &str, predicate: &str) -> Operator {
    let sql = format!("select * from {table} where {predicate}");
    let Ok(Statement::Query(query)) = parse(&sql) else { panic!("not a query: {sql}") };
    let options = Options::default();
    let logical = Frontend::new().plan_query(&sql, &query, &Skewed, &options).expect("a plan");
    nyala_planner::plan(&logical, 7, &options).expect("fragments").remove(0).root
}

fn truth(holds: impl Fn(i64, &str) -> bool) -> usize {
    amounts().into_iter().zip(names()).filter(|(amount, name)| holds(*amount, name)).count()
}

#[test]
fn rows_of_skewed_columns() {
    type Holds = fn(i64, &str) -> bool;
    let predicates: [(&str, Holds); 16] = [
        ("amount = 0", |amount, _| amount == 0),
        ("amount <> 0", |amount, _| amount != 0),
        ("amount = 1", |amount, _| amount == 1),
        ("amount = 700", |amount, _| amount == 700),
        ("amount < 0", |amount, _| amount < 0),
        ("amount <= 0", |amount, _| amount <= 0),
        ("amount < 10", |amount, _| amount < 10),
        ("amount >= 500", |amount, _| amount >= 500),
        ("amount between 100 and 200", |amount, _| (100..=200).contains(&amount)),
        ("amount in (0, 1)", |amount, _| (0..=1).contains(&amount)),
        ("amount * 2 + 1 > 1001", |amount, _| amount * 2 + 1 > 1001),
        ("name = 'customer/zurich'", |_, name| name == "customer/zurich"),
        ("name = 'customer/00500'", |_, name| name == "customer/00500"),
        ("name < 'customer/5'", |_, name| name < "customer/5"),
        ("name >= 'customer/a'", |_, name| name >= "customer/a"),
        ("name < 'customer/00100'", |_, name| name < "customer/00100"),
    ];
    let mut text = format!("{:30} {:>8} {:>8} {:>8}\n", "", "plain", "analyzed", "truth");
    for (predicate, holds) in predicates {
        let [plain, analyzed] = ["plain", "analyzed"].map(|table| plan(table, predicate).rows_estimated);
        let truth = truth(holds);
        writeln!(text, "{predicate:30} {plain:8.0} {analyzed:8.0} {truth:8}").expect("text");
        // A bucket and a half.
        let off = (analyzed - truth as f64).abs() / ROWS as f64;
        assert!(off <= 1.5 / BUCKETS as f64, "{predicate}: {analyzed} rows instead of {truth}");
    }
    expect![[r#"
                                          plain analyzed    truth
        amount = 0                          100    50495    50000
        amount <> 0                       99900    49505    50000
        amount = 1                          100     4950     5000
        amount = 700                        100       45       21
        amount < 0                            1        1        0
        amount <= 0                         100    50500    50000
        amount < 10                         999    60667    60400
        amount >= 500                     50050    10324    10341
        amount between 100 and 200        10090     6091     6110
        amount in (0, 1)                    200    55446    55000
        amount * 2 + 1 > 1001             49950    10280    10315
        name = 'customer/zurich'             10    89109    90000
        name = 'customer/00500'              10        1        1
        name < 'customer/5'               33333     5776     5000
        name >= 'customer/a'              33333    89390    90000
        name < 'customer/00100'           33333        1       10
    "#]]
    .assert_eq(&text);
}

/// Fragments equal what comes of their wire form, which has no histograms.
#[test]
fn histograms_end_with_planning() {
    let mut scans = 0;
    plan("analyzed", "amount > 3").for_each(&mut |operator| {
        if let OperatorKind::Scan(scan) = &operator.kind {
            scans += 1;
            assert_eq!(scan.statistics.len(), 2);
            assert!(scan.statistics.iter().all(|column| column.histogram.is_none()));
            assert!(scan.statistics.iter().all(|column| column.distinct.is_some()));
        }
    });
    assert_eq!(scans, 1);
}

/// Of a column with this histogram, for some nodes.
fn ranges(bounds: Vec<Bound>, data_type: &DataType, nodes: usize) -> Option<Vec<String>> {
    let OperatorKind::Scan(scan) = plan("plain", "name > 'a'").kind else { panic!("a scan") };
    let field = Field::new("c", data_type.clone(), true);
    let kind = TableScan { statistics: vec![column(bounds, data_type, true)], filters: vec![], ..scan };
    let (id, schema) = (OperatorId(1), Arc::new(Schema::new(vec![field.clone()])));
    let scan = Operator { id, kind: OperatorKind::Scan(kind), inputs: vec![], schema, rows_estimated: 1.0 };
    let key = SortKey { expr: Expr::column(0, &field), descending: true, nulls_first: true };
    let ranges = Ranges::of(&scan, &key, nodes)?;
    Some(ranges.bounds.iter().map(ToString::to_string).collect())
}

/// By ANALYZE's quantiles; what one value has most rows of is not cut.
#[test]
fn orders_are_cut_into_equal_parts() {
    let squares = (0..ROWS as i128).map(|row| Bound::Int(row * row)).collect();
    assert_eq!(ranges(squares, &DataType::Int64, 4).unwrap(), ["5624850001", "2499900001", "624950001"]);
    let texts = (0..ROWS).map(|row| Bound::Text(format!("{:04}", row / 100).into())).collect();
    assert_eq!(ranges(texts, &DataType::Utf8View, 2).unwrap(), ["'0499'"]);
    let skewed = amounts().into_iter().map(|amount| Bound::Int(amount.into())).collect();
    assert_eq!(ranges(skewed, &DataType::Int64, 2), None);
    let skewed = names().into_iter().map(|name| Bound::Text(name.into())).collect();
    assert_eq!(ranges(skewed, &DataType::Utf8View, 3), None);
}
