//! A mixed load of definitions and changes whose outcome is known: what the table of each writer holds after each of its
//! steps. Steps follow from a seed, the writer and their number, so that the process that runs them and the one that
//! checks what is left after a kill agree without talking.

use std::collections::BTreeMap;

use nyala_node::{Answer, Result, Session};

/// Rows beyond which a writer deletes its oldest.
const ROWS_MAX: usize = 400;
/// Steps of which a writer's oldest rows are from, at most.
const AGE_MAX: i64 = 200;

/// One step of one writer, as statements that are run in order in one session.
pub struct Step {
    pub statements: Vec<String>,
    kind: Kind,
}

enum Kind {
    Insert,
    InsertShared,
    Transfer(i64),
    Update(i64),
    Delete(i64),
    Forget,
    Copy,
    DropCopy,
    Append(i64),
    Optimize,
    Truncate,
    View,
}

/// What one writer's tables hold. Rows are key and value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Steps that are in it.
    pub steps: i64,
    main: Vec<(i64, i64)>,
    other: Vec<(i64, i64)>,
    /// A table that comes and goes.
    copy: Option<Vec<(i64, i64)>>,
    /// What the writer's view gives.
    view: Option<i64>,
    /// What the writer put into the table that all share.
    shared: Vec<i64>,
}

/// Statements that make the tables of `writers` writers, if they are not there.
pub fn preparation(writers: usize) -> Vec<String> {
    let mut statements = vec!["CREATE TABLE IF NOT EXISTS shared (writer BIGINT, step BIGINT)".to_owned()];
    for writer in 0..writers {
        statements.push(format!("CREATE TABLE IF NOT EXISTS main_{writer} (k BIGINT NOT NULL, v BIGINT)"));
        statements.push(format!("CREATE TABLE IF NOT EXISTS other_{writer} (k BIGINT NOT NULL, v BIGINT)"));
    }
    statements
}

impl Step {
    /// The step that comes after `state`.
    pub fn after(state: &State, seed: u64, writer: usize) -> Self {
        let mut chance = Chance(seed ^ (writer as u64) << 48 ^ state.steps as u64);
        let step = state.steps;
        let part = chance.below(7) as i64;
        let kind = match chance.below(24) {
            _ if state.main.len() > ROWS_MAX => Kind::Forget,
            0..6 => Kind::Insert,
            6..9 => Kind::InsertShared,
            9..13 => Kind::Transfer(step - 1 - chance.below(20) as i64),
            13..15 => Kind::Update(part),
            15 => Kind::Delete(part),
            16..18 => Kind::Copy,
            18 => Kind::DropCopy,
            19..21 => Kind::Append(part),
            21 => Kind::Optimize,
            22 => Kind::View,
            _ => Kind::Truncate,
        };
        let one = |sql: String| vec![sql];
        let (main, other, copy) =
            (format!("main_{writer}"), format!("other_{writer}"), format!("copy_{writer}"));
        let statements = match &kind {
            Kind::Insert => one(format!("INSERT INTO {main} VALUES ({step}, 100), ({step}, 200)")),
            Kind::InsertShared => one(format!("INSERT INTO shared VALUES ({writer}, {step})")),
            Kind::Transfer(k) => vec![
                "BEGIN".to_owned(),
                format!("UPDATE {main} SET v = v - 1 WHERE k = {k}"),
                format!("INSERT INTO {other} SELECT k, 1 FROM {main} WHERE k = {k}"),
                "COMMIT".to_owned(),
            ],
            Kind::Update(part) => one(format!("UPDATE {main} SET v = v + 1 WHERE k % 7 = {part}")),
            Kind::Delete(part) => one(format!("DELETE FROM {main} WHERE k % 7 = {part}")),
            Kind::Forget => one(format!("DELETE FROM {main} WHERE k < {}", step - AGE_MAX / 4)),
            Kind::Copy => one(format!("CREATE OR REPLACE TABLE {copy} AS SELECT k, v FROM {main}")),
            Kind::DropCopy => one(format!("DROP TABLE IF EXISTS {copy}")),
            Kind::Append(part) => {
                one(format!("INSERT INTO {other} SELECT k, v FROM {main} WHERE k % 7 = {part}"))
            }
            Kind::Optimize => one(format!("OPTIMIZE {main}")),
            Kind::Truncate => one(format!("TRUNCATE {other}")),
            Kind::View => one(format!("CREATE OR REPLACE VIEW view_{writer} AS SELECT {step} AS n")),
        };
        Self { statements, kind }
    }

    /// Runs all statements; when this returns, the step is acknowledged.
    ///
    /// # Errors
    /// Those of the statements.
    pub fn run(&self, session: &mut Session) -> Result<()> {
        self.statements.iter().try_for_each(|sql| drain(session, sql))
    }
}

/// Runs a statement to its end.
///
/// # Errors
/// Those of the statement.
pub fn drain(session: &mut Session, sql: &str) -> Result<()> {
    if let Answer::Rows(mut rows) = session.execute(sql)? {
        while rows.next_batch()?.is_some() {}
    }
    Ok(())
}

impl State {
    /// The state after one more step.
    #[must_use]
    pub fn next(&self, seed: u64, writer: usize) -> Self {
        let mut next = self.clone();
        let step = self.steps;
        match Step::after(self, seed, writer).kind {
            Kind::Insert => next.main.extend([(step, 100), (step, 200)]),
            Kind::InsertShared => next.shared.push(step),
            Kind::Transfer(key) => {
                let hit = next.main.iter_mut().filter(|(k, _)| *k == key);
                let hit = hit.map(|(k, v)| {
                    *v -= 1;
                    (*k, 1)
                });
                next.other.extend(hit);
            }
            Kind::Update(part) => {
                next.main.iter_mut().filter(|(k, _)| k % 7 == part).for_each(|(_, v)| *v += 1)
            }
            Kind::Delete(part) => next.main.retain(|(k, _)| k % 7 != part),
            Kind::Forget => next.main.retain(|(k, _)| *k >= step - AGE_MAX / 4),
            Kind::Copy => next.copy = Some(self.main.clone()),
            Kind::DropCopy => next.copy = None,
            Kind::Append(part) => next.other.extend(self.main.iter().filter(|(k, _)| k % 7 == part)),
            Kind::Optimize => {}
            Kind::Truncate => next.other.clear(),
            Kind::View => next.view = Some(step),
        }
        next.steps += 1;
        next
    }

    /// As [`read`] gives it: rows in order, steps not known.
    #[must_use]
    pub fn as_read(mut self) -> Self {
        self.steps = 0;
        self.main.sort_unstable();
        self.other.sort_unstable();
        self.copy.iter_mut().for_each(|rows| rows.sort_unstable());
        self.shared.sort_unstable();
        self
    }
}

/// What there is of a writer; `steps` is not known from that and 0.
///
/// # Errors
/// When a table cannot be read.
pub fn read(database: &mut crate::Database, writer: usize) -> Result<State> {
    let names = database.query("SHOW TABLES")?.rows;
    let names: BTreeMap<&str, ()> = names.iter().map(|row| (row[0].as_str(), ())).collect();
    let (copy, view) = (format!("copy_{writer}"), format!("view_{writer}"));
    let (has_copy, has_view) = (names.contains_key(copy.as_str()), names.contains_key(view.as_str()));
    let mut state = State {
        main: pairs(database, &format!("main_{writer}"))?,
        other: pairs(database, &format!("other_{writer}"))?,
        ..State::default()
    };
    if has_copy {
        state.copy = Some(pairs(database, &copy)?);
    }
    if has_view {
        state.view = numbers(database, &format!("SELECT n FROM {view}"))?.first().copied();
    }
    state.shared =
        numbers(database, &format!("SELECT step FROM shared WHERE writer = {writer} ORDER BY step"))?;
    Ok(state)
}

fn pairs(database: &mut crate::Database, table: &str) -> Result<Vec<(i64, i64)>> {
    let rows = database.query(&format!("SELECT k, v FROM {table} ORDER BY k, v"))?.rows;
    Ok(rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect())
}

fn numbers(database: &mut crate::Database, sql: &str) -> Result<Vec<i64>> {
    Ok(database.query(sql)?.rows.iter().map(|row| number(&row[0])).collect())
}

fn number(text: &str) -> i64 {
    text.parse().expect("a BIGINT is shown as a number")
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }
}
