//! What statements that write come to: each file in `dml/` has statements, on lines that begin with `>`, and below each
//! the plan of its query, or the error. `UPDATE_EXPECT=1 cargo test -p nyala-frontend` writes the answers anew.

use std::collections::HashMap;

use expect_test::{ExpectFile, expect_file};
use nyala_frontend::{Frontend, Statement, dml, located, logical_text, parse, render};
use nyala_schema::id::ColumnId;
use nyala_schema::managed::{CheckConstraint, PartitionField, SortField, TableColumn, TableShape};
use nyala_schema::option::Options;
use nyala_schema::{Error, Result};

use crate::errors::statements;
use crate::tables::Tables;

/// The shape that a CREATE TABLE describes.
pub fn shape_of(sql: &str) -> (String, TableShape) {
    let Statement::CreateTable { name, columns, definition, .. } =
        parse(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    else {
        panic!("{sql} creates no table")
    };
    let id_of = |name: &str| {
        let at = columns.iter().position(|column| column.name == name);
        ColumnId(at.unwrap_or_else(|| panic!("no column {name}")) as u32)
    };
    let column = |(id, column): (usize, &nyala_frontend::ColumnDefinition)| TableColumn {
        id: ColumnId(id as u32),
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        default: column.default.clone(),
        initial: None,
    };
    let check = |(at, check): (usize, &nyala_frontend::CheckDefinition)| CheckConstraint {
        name: check.name.clone().unwrap_or_else(|| format!("{name}_check_{at}")),
        sql: check.sql.clone(),
    };
    let shape = TableShape {
        columns: columns.iter().enumerate().map(column).collect(),
        checks: definition.checks.iter().enumerate().map(check).collect(),
        partition_by: definition
            .partition_by
            .iter()
            .map(|term| PartitionField { column: id_of(&term.column), transform: term.transform })
            .collect(),
        sort_by: definition
            .sort_by
            .iter()
            .map(|term| SortField {
                column: id_of(&term.column),
                descending: term.descending,
                nulls_first: term.nulls_first,
            })
            .collect(),
        next_column: columns.len() as u32,
    };
    (name, shape)
}

struct World {
    tables: Tables,
    shapes: HashMap<String, TableShape>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { tables: Tables::tpch(), shapes: HashMap::new() };
        for sql in [
            "create table item (id bigint not null, name text default 'none', price decimal(10,2) check (price >= 0), \
             sold date default date '2000-01-01', at timestamp, constraint named check (name <> '' or item.id = 0)) \
             partitioned by (sold, year(at))",
            "create table stock.item (id bigint, amount int default 1 + 1)",
            "create table change (id bigint, name text, price decimal(10,2), gone boolean)",
        ] {
            let (name, shape) = shape_of(sql);
            world.tables.add_writable(&name, &shape);
            world.shapes.insert(name, shape);
        }
        world
    }

    fn shape(&self, table: &str) -> Result<&TableShape> {
        self.shapes.get(table).ok_or_else(|| Error::internal(format!("no table {table}")))
    }

    fn planned(&self, sql: &str) -> Result<String> {
        let query = match parse(sql)? {
            Statement::Query(query) => query,
            Statement::Insert(insert) => dml::insert_query(&insert, self.shape(&insert.table)?)?,
            Statement::Update(update) => dml::update_query(&update, self.shape(&update.table)?)?,
            Statement::Delete(delete) => dml::delete_query(&delete)?,
            Statement::Merge(merge) => dml::merge_query(&merge, self.shape(&merge.table)?)?,
            other => panic!("{other:?}"),
        };
        let plan = Frontend::new().plan_query(sql, &query, &self.tables, &Options::default())?;
        let columns = plan.schema().fields().iter();
        let columns: Vec<String> =
            columns.map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        Ok(format!("{}\n= {}", logical_text(&plan), columns.join(", ")))
    }
}

fn check(expected: &ExpectFile) {
    let golden = expected.data();
    let world = World::new();
    let mut text = String::new();
    for sql in statements(&golden) {
        let answer = world.planned(&sql).unwrap_or_else(|error| render(&located(error, &sql), &sql));
        sql.split('\n').for_each(|line| text.push_str(&format!("> {line}\n")));
        answer.lines().for_each(|line| text.push_str(&format!("{}\n", line.trim_end())));
        text.push('\n');
    }
    expected.assert_eq(&text);
}

#[test]
fn inserts() {
    check(&expect_file!["dml/insert.txt"]);
}

#[test]
fn updates_and_deletes() {
    check(&expect_file!["dml/update.txt"]);
}

#[test]
fn merges() {
    check(&expect_file!["dml/merge.txt"]);
}

#[test]
fn versions() {
    check(&expect_file!["dml/versions.txt"]);
}

#[test]
fn names() {
    check(&expect_file!["dml/names.txt"]);
}
