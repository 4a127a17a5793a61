//! What the columns of a query are called: as they were written, and no two the same.

use sqlparser::ast::{Expr, Ident, SelectItem, SelectItemQualifiedWildcardKind};
use sqlparser::ast::{ExcludeSelectItem, Select, WildcardAdditionalOptions};

use crate::normalize::{ident_of, name_of};

/// Characters of a name that is made of an expression's text.
const NAME_CHARS_MAX: usize = 64;

/// Gives a name to every column of `select` that has none of its own, and another to one that another has already.
pub(crate) fn name_columns(select: &mut Select) {
    let mut taken: Vec<String> = Vec::with_capacity(select.projection.len());
    let wildcards: Vec<Wildcard> = select.projection.iter().filter_map(Wildcard::of).collect();
    let is_small = select.projection.len() <= CLASHES_SOUGHT_MAX;
    for item in &mut select.projection {
        let (wanted, renamed) = match item {
            SelectItem::UnnamedExpr(expr) => match column_name(expr) {
                Some((qualifier, name)) => {
                    let clashes = wildcards.iter().any(|all| all.gives(qualifier.as_deref(), &name));
                    (name, clashes)
                }
                None if makes_rows(expr) => continue,
                None => {
                    let name = text_name(expr);
                    (name, true)
                }
            },
            SelectItem::ExprWithAlias { alias, .. } => (ident_of(alias), false),
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
                continue;
            }
        };
        let is_column = matches!(item, SelectItem::UnnamedExpr(expr) if column_name(expr).is_some());
        let clashes = is_small && (taken.contains(&wanted) || (is_column && renamed));
        let name = if clashes { free_name(&wanted, &taken) } else { wanted };
        if clashes || renamed {
            set_name(item, &name);
        }
        taken.push(name);
    }
}

/// Selections with more columns than this are made by programs, which name them.
const CLASHES_SOUGHT_MAX: usize = 300;

fn set_name(item: &mut SelectItem, name: &str) {
    let alias_ident = Ident::with_quote('"', name);
    match item {
        SelectItem::UnnamedExpr(expr) => {
            let expr = std::mem::replace(expr, Expr::Identifier(Ident::new("")));
            *item = SelectItem::ExprWithAlias { expr, alias: alias_ident };
        }
        SelectItem::ExprWithAlias { alias, .. } => *alias = alias_ident,
        SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {}
    }
}

fn free_name(wanted: &str, taken: &[String]) -> String {
    let mut number = 1;
    loop {
        let name = format!("{wanted}_{number}");
        if !taken.contains(&name) {
            return name;
        }
        number += 1;
    }
}

/// The qualifier and name of a plain column.
fn column_name(expr: &Expr) -> Option<(Option<String>, String)> {
    match expr {
        Expr::Identifier(ident) => Some((None, ident_of(ident))),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [.., qualifier, name] => Some((Some(ident_of(qualifier)), ident_of(name))),
            _ => None,
        },
        _ => None,
    }
}

/// `unnest(…)` gives several columns when it is given a struct: they keep their names.
fn makes_rows(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function)
        if name_of(&function.name).is_some_and(|name| name.starts_with("unnest")))
}

fn text_name(expr: &Expr) -> String {
    let text = expr.to_string();
    if text.chars().count() <= NAME_CHARS_MAX {
        return text;
    }
    text.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
}

/// A `*` among the columns.
struct Wildcard {
    /// `None` for all tables.
    qualifier: Option<String>,
    /// Columns that it leaves out.
    excluded: Vec<String>,
}

impl Wildcard {
    fn of(item: &SelectItem) -> Option<Self> {
        match item {
            SelectItem::Wildcard(options) => Some(Self { qualifier: None, excluded: excluded(options) }),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let name = name_of(name)?;
                let table = name.rsplit('.').next().unwrap_or(&name).to_owned();
                Some(Self { qualifier: Some(table), excluded: excluded(options) })
            }
            _ => None,
        }
    }

    /// Whether it gives a column of that name; an unqualified name is taken to be of another table than a qualified
    /// wildcard's.
    fn gives(&self, qualifier: Option<&str>, name: &str) -> bool {
        if self.excluded.iter().any(|excluded| excluded == name) {
            return false;
        }
        self.qualifier.is_none() || self.qualifier.as_deref() == qualifier
    }
}

fn excluded(options: &WildcardAdditionalOptions) -> Vec<String> {
    let mut names = Vec::new();
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => names.extend(name_of(name)),
        Some(ExcludeSelectItem::Multiple(list)) => names.extend(list.iter().filter_map(name_of)),
        None => {}
    }
    if let Some(except) = &options.opt_except {
        names.push(ident_of(&except.first_element));
        names.extend(except.additional_elements.iter().map(ident_of));
    }
    names
}
