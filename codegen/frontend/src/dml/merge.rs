//! MERGE.

use nyala_schema::managed::TableShape;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{
    Expr, Join, JoinConstraint, JoinOperator, Query, SelectItem, Spanned, TableFactor, TableWithJoins, Value,
    WildcardAdditionalOptions,
};

use super::insert::checked;
use super::target::Target;
use super::{
    ACTION_COLUMN, ACTION_DELETE, ACTION_INSERT, ACTION_UPDATE, FILE_COLUMN, ROW_COLUMN, SOURCE, tree,
};
use crate::expansion::check_expansion;
use crate::locate::position_of;
use crate::normalize::ident_of;
use crate::relation::name_in_query;
use crate::same_name::refuse_name_of_target;
use crate::statement::{Merge, MergeAction, MergeClause, MergeWhen};

/// `$file`, `$row` and `$action` of each row that something is done with, then all columns as they become (as they were, for
/// rows that are deleted), then `$check_i` for each CHECK. A row of the table that several rows of the source match comes
/// several times.
///
/// # Errors
/// Columns that are not there or set twice; too many or too few values; constants that are none of their column's type;
/// a source without a name.
pub fn merge_query(merge: &Merge, shape: &TableShape) -> Result<Box<Query>> {
    let target = Target { table: &merge.table, shape };
    let alias = merge.alias.as_deref();
    let source = source_name(&merge.source)?;
    let named = tree::from(tree::named_table(&source));
    refuse_name_of_target(alias.unwrap_or(tree::short_name(target.table)), [&named])?;
    let plan = MergePlan { target: &target, alias, source: &source, clauses: &merge.clauses };
    let whens = plan.whens();
    let mut columns =
        [FILE_COLUMN, ROW_COLUMN].map(|name| tree::aliased(target.old(alias, name), name)).to_vec();
    let actions = whens.iter().zip(&merge.clauses).map(|(when, clause)| (when.clone(), action_of(clause)));
    let action = tree::case(actions.collect(), tree::number(0));
    columns.push(tree::aliased(tree::cast(action, &arrow::datatypes::DataType::Int32), ACTION_COLUMN));
    let mut changes = Vec::with_capacity(merge.clauses.len());
    for clause in &merge.clauses {
        changes.push(plan.changes(clause)?);
    }
    for (position, column) in shape.columns.iter().enumerate() {
        let old = target.old(alias, &column.name);
        let mut branches: Vec<(Expr, Option<&Expr>)> = Vec::new();
        for (when, change) in whens.iter().zip(&changes) {
            branches.push((when.clone(), change[position].as_ref()));
        }
        // Later clauses that leave the column as it is need not be asked for.
        while branches.last().is_some_and(|(_, value)| value.is_none()) {
            branches.pop();
        }
        let branches = branches.into_iter().map(|(when, value)| (when, value.unwrap_or(&old).clone()));
        columns.push(tree::aliased(tree::case(branches.collect(), old.clone()), &column.name));
    }
    let rows = tree::select_query(tree::select(columns, vec![plan.tables(merge)?], None)?);
    let query = checked(&target, &[FILE_COLUMN, ROW_COLUMN, ACTION_COLUMN], rows, Some(&writes()))?;
    let query = if plan.acts_always() { query } else { only_acted(&target, query)? };
    check_expansion(&query)?;
    Ok(Box::new(query))
}

struct MergePlan<'a> {
    target: &'a Target<'a>,
    alias: Option<&'a str>,
    /// The name of the source in the query.
    source: &'a str,
    clauses: &'a [MergeClause],
}

impl MergePlan<'_> {
    fn asks(&self, when: MergeWhen) -> bool {
        self.clauses.iter().any(|clause| clause.when == when)
    }

    /// Whether something is done with every row that the join gives.
    fn acts_always(&self) -> bool {
        let all = [MergeWhen::Matched, MergeWhen::NotMatched, MergeWhen::NotMatchedBySource];
        let mut given = all.into_iter().filter(|when| *when == MergeWhen::Matched || self.asks(*when));
        let is_sure = |clause: &MergeClause| clause.condition.is_none();
        let idle = self.clauses.iter().any(|clause| clause.action == MergeAction::DoNothing);
        !idle && given.all(|when| self.clauses.iter().any(|clause| clause.when == when && is_sure(clause)))
    }

    /// For each clause whether a row is of its kind and meets its condition.
    fn whens(&self) -> Vec<Expr> {
        let row = || self.target.old(self.alias, ROW_COLUMN);
        let source = || Expr::CompoundIdentifier(vec![tree::ident(self.source), tree::ident(SOURCE)]);
        let when = |clause: &MergeClause| {
            let kind = match clause.when {
                MergeWhen::Matched => tree::and(tree::not_null(row()), tree::not_null(source())),
                MergeWhen::NotMatched => tree::is_null(row()),
                MergeWhen::NotMatchedBySource => tree::is_null(source()),
            };
            match &clause.condition {
                Some(condition) => tree::and(kind, Expr::Nested(Box::new(condition.clone()))),
                None => kind,
            }
        };
        self.clauses.iter().map(when).collect()
    }

    /// The new value of each column; `None` where it stays as it is.
    fn changes(&self, clause: &MergeClause) -> Result<Vec<Option<Expr>>> {
        let shape = self.target.shape;
        let mut changes = vec![None; shape.columns.len()];
        let of_source =
            |name: &str| Expr::CompoundIdentifier(vec![tree::ident(self.source), tree::ident(name)]);
        match &clause.action {
            MergeAction::Delete | MergeAction::DoNothing => {}
            MergeAction::UpdateAll | MergeAction::InsertAll => {
                for (change, column) in changes.iter_mut().zip(&shape.columns) {
                    *change = Some(tree::cast(of_source(&column.name), &column.data_type));
                }
            }
            MergeAction::Update(assignments) => {
                let set = self.target.columns(assignments.iter().map(|(name, _)| name))?;
                for (position, (_, value)) in set.into_iter().zip(assignments) {
                    changes[position] = Some(self.target.value(position, value.as_ref())?);
                }
            }
            MergeAction::Insert { columns, values } => {
                let given = if columns.is_empty() {
                    (0..shape.columns.len()).collect()
                } else {
                    self.target.columns(columns.iter())?
                };
                let place = values.iter().flatten().next().and_then(|value| position_of(value.span().start));
                super::insert::check_width(values.len(), given.len(), place)?;
                for (position, value) in given.into_iter().zip(values) {
                    changes[position] = Some(self.target.value(position, value.as_ref())?);
                }
                for (change, column) in changes.iter_mut().zip(&shape.columns) {
                    if change.is_none() {
                        *change = Some(self.target.default(column)?);
                    }
                }
            }
        }
        Ok(changes)
    }

    /// The table joined with its source, with the rows that match nothing where a clause asks for them.
    fn tables(&self, merge: &Merge) -> Result<TableWithJoins> {
        let there = tree::aliased(Expr::value(Value::Boolean(true)), SOURCE);
        let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
        let marked = tree::select(vec![all, there], vec![tree::from(merge.source.clone())], None)?;
        let marked = tree::derived(tree::select_query(marked), tree::alias(self.source, &[]));
        let on = JoinConstraint::On(merge.on.clone());
        let join_operator = match (self.asks(MergeWhen::NotMatched), self.asks(MergeWhen::NotMatchedBySource))
        {
            (false, false) => JoinOperator::Inner(on),
            (true, false) => JoinOperator::RightOuter(on),
            (false, true) => JoinOperator::LeftOuter(on),
            (true, true) => JoinOperator::FullOuter(on),
        };
        let mut tables = self.target.read(self.alias);
        tables.joins.push(Join { relation: marked, global: false, join_operator });
        Ok(tables)
    }
}

fn action_of(clause: &MergeClause) -> Expr {
    tree::number(i64::from(match clause.action {
        MergeAction::Update(_) | MergeAction::UpdateAll => ACTION_UPDATE,
        MergeAction::Delete => ACTION_DELETE,
        MergeAction::Insert { .. } | MergeAction::InsertAll => ACTION_INSERT,
        MergeAction::DoNothing => 0,
    }))
}

/// Whether a row is written: checks are of no other.
fn writes() -> Expr {
    let list = [ACTION_UPDATE, ACTION_INSERT].map(|action| tree::number(i64::from(action))).into();
    Expr::InList { expr: Box::new(tree::column(ACTION_COLUMN)), list, negated: false }
}

/// Without the rows that nothing is done with.
fn only_acted(target: &Target, rows: Query) -> Result<Query> {
    let acted = Expr::BinaryOp {
        left: Box::new(tree::column(ACTION_COLUMN)),
        op: sqlparser::ast::BinaryOperator::NotEq,
        right: Box::new(tree::number(0)),
    };
    let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    let rows = tree::derived(rows, tree::alias(tree::short_name(target.table), &[]));
    Ok(tree::select_query(tree::select(vec![all], vec![tree::from(rows)], Some(acted))?))
}

/// What the source is called in conditions and values.
fn source_name(source: &TableFactor) -> Result<String> {
    let alias = match source {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
        _ => None,
    };
    let name = match (alias, source) {
        (Some(alias), _) => Some(ident_of(&alias.name)),
        (None, TableFactor::Table { name, .. }) => name_in_query(name),
        _ => None,
    };
    name.ok_or_else(|| {
        let error = Error::new(ErrorCode::Syntax, "the source of MERGE has no name");
        let error = error.with_hint("write USING (…) AS s");
        crate::diagnose::at(error, position_of(source.span().start))
    })
}
