//! Predicates on one relation that a disjunction over several implies.
//!
//! `(a.x = 1 AND b.y = 2) OR (a.x = 3 AND b.y = 4)` implies `a.x = 1 OR a.x = 3`.

use nyala_schema::Expr;

use crate::disjunction::either;

/// What `predicate` says of rows for which `is_local` holds of all columns read, when it says something.
pub fn implied(predicate: &Expr, is_local: &impl Fn(&Expr) -> bool) -> Option<Expr> {
    let mut parts = vec![];
    for case in disjuncts(predicate)? {
        let local = Expr::and_all(
            case.clone()
                .conjuncts()
                .into_iter()
                .filter_map(|part| if is_local(&part) { Some(part) } else { implied(&part, is_local) }),
        );
        let local = local?;
        if !parts.contains(&local) {
            parts.push(local);
        }
    }
    parts.into_iter().reduce(either)
}

/// The cases of a disjunction; `None` for anything else.
fn disjuncts(expr: &Expr) -> Option<Vec<&Expr>> {
    fn collect<'a>(expr: &'a Expr, cases: &mut Vec<&'a Expr>) {
        match expr {
            Expr::Or(left, right) => {
                collect(left, cases);
                collect(right, cases);
            }
            other => cases.push(other),
        }
    }
    if !matches!(expr, Expr::Or(..)) {
        return None;
    }
    let mut cases = vec![];
    collect(expr, &mut cases);
    Some(cases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;
    use nyala_schema::Value;
    use nyala_schema::expr::CompareOp;

    fn is(index: usize, value: i64) -> Expr {
        let column = Expr::Column { index, data_type: DataType::Int64, nullable: false };
        Expr::Compare {
            op: CompareOp::Equal,
            left: Box::new(column),
            right: Box::new(Expr::Literal(Value::int64(value))),
        }
    }

    fn and(left: Expr, right: Expr) -> Expr {
        Expr::And(Box::new(left), Box::new(right))
    }

    fn or(left: Expr, right: Expr) -> Expr {
        Expr::Or(Box::new(left), Box::new(right))
    }

    fn reads_only(index: usize) -> impl Fn(&Expr) -> bool {
        move |expr| {
            let mut only = true;
            expr.for_each_column(&mut |used| only &= used == index);
            only
        }
    }

    #[test]
    fn each_case_contributes_its_local_part() {
        let both = or(and(is(0, 1), is(1, 2)), and(is(0, 3), is(1, 4)));
        let text = |index: usize| implied(&both, &reads_only(index)).map(|expr| expr.to_string());
        assert_eq!(text(0).as_deref(), Some("(#0 IN (1, 3))"));
        assert_eq!(text(1).as_deref(), Some("(#1 IN (2, 4))"));
    }

    #[test]
    fn a_case_without_a_local_part_allows_everything() {
        assert_eq!(implied(&or(is(0, 1), is(1, 2)), &reads_only(0)), None);
        assert_eq!(implied(&is(0, 1), &reads_only(0)), None);
    }
}
