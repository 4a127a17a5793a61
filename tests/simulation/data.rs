//! Tables, and questions whose answers one node alone has given before.

use std::sync::OnceLock;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use nyala_node::{Answer, Config, Engine, Result, Session};

/// A question, and whether the order of its answer counts.
pub struct Question {
    pub sql: &'static str,
    is_ordered: bool,
    answer: OnceLock<Vec<String>>,
}

const fn any_order(sql: &'static str) -> Question {
    Question { sql, is_ordered: false, answer: OnceLock::new() }
}

const fn in_order(sql: &'static str) -> Question {
    Question { sql, is_ordered: true, answer: OnceLock::new() }
}

pub static QUESTIONS: [Question; 14] = [
    any_order("SELECT k, v, s FROM t"),
    any_order("SELECT k, s FROM t WHERE v = 3 AND k > 1000"),
    any_order("SELECT v, count(*), sum(k), min(s), max(k) FROM t GROUP BY v"),
    in_order("SELECT s, count(*) AS n FROM t GROUP BY s ORDER BY n DESC, s"),
    any_order("SELECT t.k, u.w FROM t JOIN u ON t.k = u.k WHERE u.w < 50"),
    any_order("SELECT a.k, b.s FROM t a JOIN t b ON a.k = b.k + 5 WHERE a.v < 3"),
    any_order("SELECT DISTINCT v, s FROM t"),
    any_order("SELECT k FROM t WHERE v = 1 UNION ALL SELECT w FROM u"),
    any_order("SELECT k FROM t WHERE k < 300 UNION SELECT k FROM u"),
    in_order("SELECT k, v FROM t ORDER BY v, k DESC LIMIT 40"),
    any_order("SELECT u.w, count(*), sum(t.k) FROM t JOIN u ON t.v = u.k GROUP BY u.w"),
    any_order("SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k)"),
    any_order("SELECT s, k, row_number() OVER (PARTITION BY s ORDER BY k) FROM t WHERE v = 4"),
    any_order("SELECT count(DISTINCT s), sum(v) FROM t"),
];

/// What is there before anything happens. Some of it is in files, some in the catalog.
pub fn setup() -> Vec<String> {
    let tables = ["CREATE TABLE t (k BIGINT, v BIGINT, s VARCHAR)", "CREATE TABLE u (k BIGINT, w BIGINT)"];
    let mut all: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let mut first = 0;
    for rows in [300, 1100, 200, 300, 1100, 250] {
        let last = first + rows - 1;
        let values = "value, value % 7, 'x' || CAST(value % 13 AS VARCHAR)";
        all.push(format!("INSERT INTO t SELECT {values} FROM generate_series({first}, {last}) AS g(value)"));
        first += rows;
    }
    for (first, last) in [(0, 99), (100, 299), (300, 399)] {
        all.push(format!(
            "INSERT INTO u SELECT value, value * 3 % 101 FROM generate_series({first}, {last}) AS g(value)"
        ));
    }
    all
}

impl Question {
    pub fn is_answered_by(&self, rows: &[String]) -> bool {
        let mut rows = rows.to_vec();
        self.order(&mut rows);
        rows == *self.answer.get().expect("one node alone was asked")
    }

    fn order(&self, rows: &mut [String]) {
        if !self.is_ordered {
            rows.sort_unstable();
        }
    }
}

/// Has all questions answered, once.
pub fn answer_all() {
    static ANSWERED: OnceLock<()> = OnceLock::new();
    ANSWERED.get_or_init(|| {
        let engine = Engine::open(Config::default()).expect("an engine");
        let mut session = engine.session();
        for sql in setup() {
            run(&mut session, &sql, None).expect("it is set up");
        }
        for question in &QUESTIONS {
            let mut rows = run(&mut session, question.sql, None).expect("an answer");
            assert!(!rows.is_empty(), "{}", question.sql);
            question.order(&mut rows);
            let _ = question.answer.set(rows);
        }
    });
}

/// Runs a statement to its end, under a name if it has one. Gives its rows as text.
pub fn run(session: &mut Session, sql: &str, name: Option<u128>) -> Result<Vec<String>> {
    let answer = match name {
        Some(name) => session.execute_as(sql, nyala_schema::cluster::QueryId(name), 0)?,
        None => session.execute(sql)?,
    };
    let mut rows = Vec::new();
    match answer {
        Answer::Done(_) => {}
        Answer::Rows(mut stream) => {
            while let Some(batch) = stream.next_batch()? {
                add_rows(&batch, &mut rows)?;
            }
        }
    }
    Ok(rows)
}

fn add_rows(batch: &RecordBatch, rows: &mut Vec<String>) -> Result<()> {
    let options = FormatOptions::default();
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
        rows.push(values.join(" "));
    }
    Ok(())
}
