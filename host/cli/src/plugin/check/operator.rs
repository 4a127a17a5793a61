//! What must hold of every operator.

use super::database::quoted;
use super::declared::{Input, Operator};
use super::law::{Check, Law, ROWS, Run};
use super::samples;
use super::scalar::no_values;

/// Rows to work on: `p` to partition by, columns of several types to order by, and one that is sometimes NULL. Made
/// once in each check, so that what it prints runs by itself.
const TABLE: &str = "nyala_rows";

/// Columns that may serve as the first order key, by what operators mostly want.
const KEYS: [&str; 4] = ["ts", "n", "d", "v"];

const PARTITIONS: u64 = 50;

/// 2024-01-01 00:00, in seconds since 1970.
const FIRST_SECOND: u64 = 1_704_067_200;

pub fn checks(operator: &Operator) -> Vec<Check> {
    let subject = format!("{}{}", operator.name, operator.arguments);
    let new = |name, law| Check::new(&subject, &operator.name, name, law);
    let parameters = match parameters(operator) {
        Ok(parameters) => parameters,
        Err(sql_type) => return vec![new("all", no_values(&sql_type))],
    };
    let call = |from: &str, key: &str| call(operator, from, key, &parameters);
    let by_each_key = |from: &str| KEYS.iter().map(|key| call(from, key)).collect::<Vec<String>>();
    let check = |name, law| Check { setup: setup(ROWS), ..new(name, law) };
    let everything = format!("TABLE {TABLE}");
    let one_partition = format!("TABLE (SELECT * FROM {TABLE} WHERE p = 3)");
    let mut checks = vec![
        check("a call", Law::Any(by_each_key(&everything))),
        check("no rows", Law::Any(by_each_key(&format!("TABLE (SELECT * FROM {TABLE} WHERE p < 0)")))),
        check("one row", Law::Any(by_each_key(&format!("TABLE (SELECT * FROM {TABLE} WHERE n = 1)")))),
        check(
            "NULL keys",
            Law::Any(by_each_key(&format!(
                "TABLE (SELECT p, CAST(NULL AS BIGINT) AS n, CAST(NULL AS TIMESTAMP) AS ts, CAST(NULL AS DATE) AS d, \
             CAST(NULL AS DOUBLE) AS v, s FROM {TABLE} WHERE n < 10)"
            ))),
        ),
    ];
    let same = |left: Vec<String>, right: Vec<String>| -> Vec<(Run, Run)> {
        left.iter().zip(&right).map(|(left, right)| (Run::alone(left), Run::together(right))).collect()
    };
    let all = by_each_key(&everything);
    checks.push(check("threads", Law::SameByAny(same(all.clone(), all))));
    if operator.inputs.first().is_some_and(|input| input.needs_partition) {
        let filtered = KEYS
            .iter()
            .map(|key| format!("SELECT count(*) FROM ({}) AS t WHERE t.p = 3", call(&everything, key)));
        let alone =
            KEYS.iter().map(|key| format!("SELECT count(*) FROM ({}) AS t", call(&one_partition, key)));
        checks
            .push(check("partitions stand alone", Law::SameByAny(same(filtered.collect(), alone.collect()))));
    }
    checks
}

/// Statements that make the table.
fn setup(rows: u64) -> Vec<String> {
    vec![
        format!("DROP TABLE IF EXISTS {TABLE}"),
        format!(
            "CREATE TABLE {TABLE} AS SELECT n % {PARTITIONS} AS p, n, CAST(to_timestamp_seconds({FIRST_SECOND} + n * 1200) \
             AS TIMESTAMP) AS ts, DATE '2024-01-01' + CAST(n / 100 AS INT) AS d, CAST(n AS DOUBLE) / 4 AS v, \
             CASE WHEN n % 11 = 0 THEN NULL ELSE 'row ' || n END AS s FROM generate_series(1, {rows}) AS g(n)"
        ),
    ]
}

fn parameters(operator: &Operator) -> Result<Vec<String>, String> {
    let value = |(name, sql_type): &(String, String)| {
        let values = samples::values(sql_type).ok_or_else(|| sql_type.clone())?;
        // The first of numbers is 0, which is a step or size for nothing.
        let value = values.ordinary.get(1).or(values.ordinary.first()).ok_or_else(|| sql_type.clone())?;
        Ok(format!("{name} => {value}"))
    };
    operator.parameters.iter().map(value).collect()
}

/// All inputs are the same table.
fn call(operator: &Operator, from: &str, key: &str, parameters: &[String]) -> String {
    let input = |input: &Input| {
        let mut text = from.to_owned();
        if input.needs_partition {
            text.push_str(" PARTITION BY p");
        }
        if input.needs_order {
            text.push_str(&format!(" ORDER BY {key}"));
        }
        text
    };
    let arguments: Vec<String> =
        operator.inputs.iter().map(input).chain(parameters.iter().cloned()).collect();
    format!("SELECT * FROM {}({})", quoted(&operator.name), arguments.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::check::declared::tests::operator;

    #[test]
    fn calls_give_what_is_declared() {
        let o =
            operator("(TABLE events PARTITION BY ORDER BY, gap INTERVAL, size BIGINT, label TEXT OPTIONAL)");
        let checks = checks(&o);
        let Law::Any(calls) = &checks[0].law else { panic!() };
        assert_eq!(
            calls[0],
            "SELECT * FROM \"o\"(TABLE nyala_rows PARTITION BY p ORDER BY ts, gap => INTERVAL '30' MINUTE, \
             size => CAST('1' AS BIGINT))"
        );
        assert!(checks.iter().any(|check| check.name == "partitions stand alone"));
    }

    #[test]
    fn the_table_can_be_made() {
        use crate::plugin::check::database::Database;
        use nyala_node::{Config, Engine};
        let mut database = Database::new(Engine::open(Config::default()).unwrap().session());
        for sql in setup(100) {
            database.rows(&sql).unwrap();
        }
        let rows = database
            .rows(&format!("SELECT count(*), count(DISTINCT p), count(s), max(ts) FROM {TABLE}"))
            .unwrap();
        let texts: Vec<&str> = rows[0].iter().flatten().map(String::as_str).collect();
        assert_eq!(texts, ["100", "50", "91", "2024-01-02 09:20:00"]);
    }
}
