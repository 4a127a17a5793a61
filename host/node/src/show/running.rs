//! SHOW QUERIES, NODES, CONNECTIONS and PROFILE; KILL QUERY.

use nyala_schema::cluster::QueryId;
use nyala_schema::option::format_bytes;
use nyala_schema::{Error, ErrorCode, Result};

use super::text_rows;
use crate::answer::Answer;
use crate::information;
use crate::query::{self, parsed};
use crate::session::Session;
use crate::statements::StatementRow;

/// Characters of a statement that a list shows.
const SQL_CHARACTERS: usize = 120;

/// Those that have not ended, on all nodes.
pub fn queries(session: &Session) -> Result<Answer> {
    let columns = ["id", "state", "user", "pool", "node", "elapsed", "progress", "memory", "sql"];
    let row = |(node, row): (String, StatementRow)| {
        vec![
            QueryId(row.id).to_string(),
            row.state.name().to_owned(),
            row.user,
            row.pool,
            node,
            format!("{:.1} s", row.elapsed_ms as f64 / 1e3),
            format!("{:.0}%", row.fraction * 100.0),
            format_bytes(row.memory_bytes),
            one_line(&row.sql),
        ]
    };
    let all = information::statements(&session.engine).into_iter();
    let rows: Vec<Vec<String>> = all.filter(|(_, row)| !row.state.is_over()).map(row).collect();
    text_rows(&columns, &rows)
}

fn one_line(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SQL_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

pub fn nodes(session: &Session) -> Result<Answer> {
    let columns = "name, address, state, roles, is_leader, cores, memory_bytes, catalog_version, version, id";
    let (sql, query) = parsed(format!("SELECT {columns} FROM system.nodes ORDER BY name"))?;
    query::run(session, &sql, &query)
}

pub fn connections(session: &Session) -> Result<Answer> {
    let (sql, query) = parsed("SELECT * FROM system.connections ORDER BY address, user_name")?;
    query::run(session, &sql, &query)
}

pub fn profile(session: &Session, id: QueryId) -> Result<Answer> {
    let engine = &session.engine;
    let elsewhere = || engine.network().and_then(|network| network.profile(id));
    let text = engine.statements.profile(id).or_else(elsewhere).ok_or_else(|| {
        Error::new(ErrorCode::UndefinedObject, format!("there is no profile of a query {id}")).with_hint(
            "profiles are kept of the last statements of each node; SELECT id, sql FROM system.queries lists them",
        )
    })?;
    let rows: Vec<Vec<String>> = text.lines().map(|line| vec![line.to_owned()]).collect();
    text_rows(&["profile"], &rows)
}

/// Ends a statement, whichever session or node it is of.
pub fn kill(session: &Session, id: QueryId) -> Result<Answer> {
    let engine = &session.engine;
    if engine.statements.kill(id) || engine.network().is_some_and(|network| network.kill(id)) {
        return Ok(Answer::Done("KILL".into()));
    }
    Err(Error::new(ErrorCode::UndefinedObject, format!("no query {id} runs"))
        .with_hint("SHOW QUERIES lists those that run"))
}
