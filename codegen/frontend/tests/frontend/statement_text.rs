//! Statements and what they are parsed to: each file in `statements/` has statements, on lines that begin with `>`, and
//! below each its parts, or the error. `UPDATE_EXPECT=1 cargo test -p nyala-frontend` writes the answers anew.

use expect_test::{ExpectFile, expect_file};
use nyala_frontend::{
    Insert, InsertSource, Merge, MergeAction, PartitionValue, PointInTime, Statement, TableAlter, parse,
    render,
};
use sqlparser::ast::Expr;

use crate::errors::statements;

fn value(value: &Option<Expr>) -> String {
    value.as_ref().map_or_else(|| "DEFAULT".to_owned(), ToString::to_string)
}

fn values(list: &[Option<Expr>]) -> String {
    list.iter().map(value).collect::<Vec<_>>().join(", ")
}

fn set(assignments: &[(String, Option<Expr>)]) -> String {
    assignments.iter().map(|(name, new)| format!("{name} := {}", value(new))).collect::<Vec<_>>().join(", ")
}

fn partition(partition: &[PartitionValue]) -> String {
    let part =
        |part: &PartitionValue| format!("{} = {}", part.term.transform.to_sql(&part.term.column), part.value);
    partition.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn point(point: &PointInTime) -> String {
    match point {
        PointInTime::Version(number) => format!("version {number}"),
        PointInTime::Time(expr) => format!("time {expr}"),
    }
}

fn merge(merge: &Merge) -> String {
    let mut text =
        format!("Merge {} as {:?} using {} on {}", merge.table, merge.alias, merge.source, merge.on);
    for clause in &merge.clauses {
        let action = match &clause.action {
            MergeAction::Update(assignments) => format!("Update {}", set(assignments)),
            MergeAction::Insert { columns, values: new } => {
                format!("Insert ({}) {}", columns.join(", "), values(new))
            }
            other => format!("{other:?}"),
        };
        let condition = clause.condition.as_ref().map(|condition| format!(" and {condition}"));
        text += &format!("\n  {:?}{}: {action}", clause.when, condition.unwrap_or_default());
    }
    text
}

fn insert(insert: &Insert) -> String {
    let Insert { table, columns, partition: said, overwrite, source } = insert;
    let source = match source {
        InsertSource::Query(query) => query.to_string(),
        InsertSource::Rows(rows) => {
            rows.iter().map(|row| format!("({})", values(row))).collect::<Vec<_>>().join(", ")
        }
        InsertSource::Defaults => "defaults".to_owned(),
    };
    format!("Insert {table} ({}) [{}] overwrite {overwrite}: {source}", columns.join(", "), partition(said))
}

/// Syntax trees as SQL, all else as Rust shows it.
fn text_of(statement: &Statement) -> String {
    match statement {
        Statement::Query(query) => format!("Query {query}"),
        Statement::Explain { format, analyze, statement } => {
            format!("Explain {format:?} analyze {analyze}: {}", text_of(statement))
        }
        Statement::CreateTableAs { name, definition, query, on_conflict } => {
            format!("CreateTableAs {name} {on_conflict:?} {definition:?}\n  {query}")
        }
        Statement::CreateTable { name, columns, definition, on_conflict } => {
            let mut text = format!("CreateTable {name} {on_conflict:?}");
            for column in columns {
                let default = column.default.as_deref().map(|default| format!(" default {default}"));
                let nullable = if column.nullable { "" } else { " not null" };
                text += &format!(
                    "\n  {} {}{nullable}{}",
                    column.name,
                    column.data_type,
                    default.unwrap_or_default()
                );
            }
            definition.checks.iter().for_each(|check| text += &format!("\n  {check:?}"));
            definition.partition_by.iter().for_each(|term| text += &format!("\n  {term:?}"));
            definition.sort_by.iter().for_each(|term| text += &format!("\n  {term:?}"));
            text + &format!("\n  {:?} {:?}", definition.properties, definition.comment)
        }
        Statement::Insert(statement) => insert(statement),
        Statement::Update(update) => format!(
            "Update {} as {:?} set {} from [{}] where {:?} with {:?}",
            update.table,
            update.alias,
            set(&update.assignments),
            list(&update.from),
            update.condition.as_ref().map(ToString::to_string),
            update.with.as_ref().map(ToString::to_string),
        ),
        Statement::Delete(delete) => format!(
            "Delete {} as {:?} using [{}] where {:?} with {:?}",
            delete.table,
            delete.alias,
            list(&delete.using),
            delete.condition.as_ref().map(ToString::to_string),
            delete.with.as_ref().map(ToString::to_string),
        ),
        Statement::Merge(statement) => merge(statement),
        Statement::Truncate { table, partition: said } => format!("Truncate {table} [{}]", partition(said)),
        Statement::Optimize { table, partition: said } => format!("Optimize {table} [{}]", partition(said)),
        Statement::RollbackTable { table, to } => format!("RollbackTable {table} to {}", point(to)),
        Statement::RollbackCatalog { to } => format!("RollbackCatalog to {}", point(to)),
        Statement::Restore { from, at } => format!("Restore {from:?} at {:?}", at.as_ref().map(point)),
        Statement::AlterTable {
            name,
            if_exists,
            change: TableAlter::DropPartition { partition: said, if_exists: there },
        } => {
            format!(
                "AlterTable {name} if exists {if_exists}: DropPartition [{}] if exists {there}",
                partition(said)
            )
        }
        other => format!("{other:?}"),
    }
}

fn check(expected: &ExpectFile) {
    let golden = expected.data();
    let mut text = String::new();
    for sql in statements(&golden) {
        let answer = match parse(&sql) {
            Ok(statement) => text_of(&statement),
            Err(error) => render(&error, &sql),
        };
        sql.split('\n').for_each(|line| text.push_str(&format!("> {line}\n")));
        answer.lines().for_each(|line| text.push_str(&format!("{}\n", line.trim_end())));
        text.push('\n');
    }
    expected.assert_eq(&text);
}

#[test]
fn definitions() {
    check(&expect_file!["statements/define.txt"]);
}

#[test]
fn writes() {
    check(&expect_file!["statements/write.txt"]);
}

#[test]
fn history_and_transactions() {
    check(&expect_file!["statements/history.txt"]);
}

#[test]
fn shows() {
    check(&expect_file!["statements/show.txt"]);
}
