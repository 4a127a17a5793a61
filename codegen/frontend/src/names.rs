//! What the columns of a query are called: as they were written, and no two the same.

use sqlparser::ast::{
    Distinct, ExcludeSelectItem, Expr, Ident, OrderByExpr, OrderByKind, OrderByOptions, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Value, WildcardAdditionalOptions,
};

use crate::normalize::{ident_of, name_of};

/// Characters of a name that is made of an expression's text.
const NAME_CHARS_MAX: usize = 64;

/// Gives a name to every column of `select` that has none of its own, and another to one that another has already.
pub(crate) fn name_columns(select: &mut Select) {
    let wildcards: Vec<Wildcard> = select.projection.iter().filter_map(Wildcard::of).collect();
    let clashes_matter = select.projection.len() <= CLASHES_SOUGHT_MAX;
    let mut taken: Vec<Name> = Vec::with_capacity(select.projection.len());
    for item in &mut select.projection {
        let Some(wanted) = Name::of(item) else { continue };
        let clashes = clashes_matter
            && (taken.iter().any(|other| other.clashes(&wanted))
                || wildcards.iter().any(|all| all.gives(&wanted)));
        let name = if clashes { free_name(&wanted.text, &taken) } else { wanted.text.clone() };
        if clashes || wanted.origin == Origin::Text {
            set_name(item, &name);
        }
        taken.push(if clashes { Name { text: name, origin: Origin::Alias } } else { wanted });
    }
}

/// What a column of the result is called, and why.
struct Name {
    text: String,
    origin: Origin,
}

#[derive(PartialEq, Eq)]
enum Origin {
    /// A column of a table, under the table's name if that was written.
    Column(Option<String>),
    Alias,
    /// The text of an expression.
    Text,
}

impl Name {
    fn of(item: &SelectItem) -> Option<Self> {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                Some(Self { text: ident_of(alias), origin: Origin::Alias })
            }
            SelectItem::UnnamedExpr(expr) => match expr {
                Expr::Identifier(ident) => Some(Self { text: ident_of(ident), origin: Origin::Column(None) }),
                Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                    [.., table, name] => {
                        Some(Self { text: ident_of(name), origin: Origin::Column(Some(ident_of(table))) })
                    }
                    _ => None,
                },
                expr if makes_rows(expr) => None,
                expr => Some(Self { text: text_name(expr), origin: Origin::Text }),
            },
            SelectItem::ExprWithAliases { .. }
            | SelectItem::QualifiedWildcard(..)
            | SelectItem::Wildcard(_) => None,
        }
    }

    /// Columns of two tables keep their names apart by the tables' names.
    fn clashes(&self, other: &Self) -> bool {
        let apart = match (&self.origin, &other.origin) {
            (Origin::Column(Some(one)), Origin::Column(Some(another))) => one != another,
            _ => false,
        };
        self.text == other.text && !apart
    }
}

/// Makes the keys of ORDER BY mean columns of the result where only those can be meant: after SELECT DISTINCT an
/// expression that is selected is called by its name, and ALL is every column by its number.
pub(crate) fn sort_by_columns(query: &mut Query) {
    let (SetExpr::Select(select), Some(order_by)) = (query.body.as_ref(), &mut query.order_by) else {
        return;
    };
    match &mut order_by.kind {
        OrderByKind::Expressions(keys) if select.distinct == Some(Distinct::Distinct) => {
            keys.iter_mut().for_each(|key| call_by_name(&mut key.expr, &select.projection));
        }
        OrderByKind::Expressions(_) => {}
        OrderByKind::All(options) => {
            // What a wildcard stands for is not known here: the planner does.
            let counted = |item: &SelectItem| {
                matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
            };
            if select.projection.iter().all(counted) {
                let numbers = 1..=select.projection.len();
                order_by.kind =
                    OrderByKind::Expressions(numbers.map(|n| column_number(n, *options)).collect());
            }
        }
    }
}

fn call_by_name(key: &mut Expr, projection: &[SelectItem]) {
    let alias = projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if expr == key => Some(alias),
        _ => None,
    });
    if let Some(alias) = alias {
        *key = Expr::Identifier(alias.clone());
    }
}

fn column_number(number: usize, options: OrderByOptions) -> OrderByExpr {
    let expr = Expr::value(Value::Number(number.to_string(), false));
    OrderByExpr { expr, options, with_fill: None }
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

fn free_name(wanted: &str, taken: &[Name]) -> String {
    let mut number = 1;
    loop {
        let name = format!("{wanted}_{number}");
        if !taken.iter().any(|other| other.text == name) {
            return name;
        }
        number += 1;
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

    /// Whether it gives the same column; one that is written without its table is taken to be of another table than
    /// a qualified wildcard's.
    fn gives(&self, name: &Name) -> bool {
        let Origin::Column(table) = &name.origin else { return false };
        let left_out = self.excluded.contains(&name.text);
        !left_out && (self.qualifier.is_none() || self.qualifier == *table)
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
