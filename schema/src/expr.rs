//! Typed scalar expressions over the columns of one input.

use std::fmt;

use arrow::datatypes::DataType;

use crate::guest::Callee;
use crate::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// NULLs are equal to each other; never NULL itself.
    Distinct,
    NotDistinct,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// Every node knows its type; arguments have been coerced before (no implicit casts are left).
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// Column `index` of the input.
    Column {
        index: usize,
        data_type: DataType,
        nullable: bool,
    },
    Literal(Value),
    /// Decimal operands may have different scales; `data_type` is the type of the result.
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Expr>,
        right: Box<Expr>,
        data_type: DataType,
    },
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Kleene logic; `right` is not evaluated for rows that `left` decides.
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    IsNull(Box<Expr>),
    /// Searched CASE: branches are tried in order, and evaluated only for the rows that reach them.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        data_type: DataType,
    },
    /// `safe`: what cannot be converted becomes NULL (TRY_CAST) instead of an error.
    Cast {
        input: Box<Expr>,
        data_type: DataType,
        safe: bool,
    },
    Like {
        input: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
        negated: bool,
        case_insensitive: bool,
    },
    /// All values have the type of `input`; NULL among them has SQL's meaning.
    InList {
        input: Box<Expr>,
        values: Vec<Value>,
        negated: bool,
    },
    /// A function of the library, or of a user.
    Call {
        function: Callee,
        arguments: Vec<Expr>,
        data_type: DataType,
        nullable: bool,
        volatility: Volatility,
    },
}

impl Expr {
    pub fn column(index: usize, field: &arrow::datatypes::Field) -> Self {
        Expr::Column { index, data_type: field.data_type().clone(), nullable: field.is_nullable() }
    }

    pub fn data_type(&self) -> DataType {
        match self {
            Expr::Column { data_type, .. }
            | Expr::Arithmetic { data_type, .. }
            | Expr::Case { data_type, .. }
            | Expr::Cast { data_type, .. }
            | Expr::Call { data_type, .. } => data_type.clone(),
            Expr::Literal(value) => value.data_type().clone(),
            Expr::Negate(input) => input.data_type(),
            Expr::Compare { .. }
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::Like { .. }
            | Expr::InList { .. } => DataType::Boolean,
        }
    }

    pub fn nullable(&self) -> bool {
        match self {
            Expr::Column { nullable, .. } | Expr::Call { nullable, .. } => *nullable,
            Expr::Literal(value) => value.is_null(),
            Expr::IsNull(_) => false,
            Expr::Compare { op: CompareOp::Distinct | CompareOp::NotDistinct, .. } => false,
            Expr::Cast { input, safe, .. } => *safe || input.nullable(),
            Expr::InList { input, values, .. } => input.nullable() || values.iter().any(Value::is_null),
            Expr::Case { branches, otherwise, .. } => {
                branches.iter().any(|(_, value)| value.nullable())
                    || otherwise.as_ref().is_none_or(|value| value.nullable())
            }
            _ => self.children().iter().any(|child| child.nullable()),
        }
    }

    /// The direct parts, in the order in which they are written.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal(_) => vec![],
            Expr::Arithmetic { left, right, .. }
            | Expr::Compare { left, right, .. }
            | Expr::And(left, right)
            | Expr::Or(left, right) => vec![left, right],
            Expr::Not(input) | Expr::Negate(input) | Expr::IsNull(input) => vec![input],
            Expr::Cast { input, .. } | Expr::InList { input, .. } => vec![input],
            Expr::Like { input, pattern, .. } => vec![input, pattern],
            Expr::Case { branches, otherwise, .. } => branches
                .iter()
                .flat_map(|(condition, value)| [condition, value])
                .chain(otherwise.as_deref())
                .collect(),
            Expr::Call { arguments, .. } => arguments.iter().collect(),
        }
    }

    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Expr::Column { .. } | Expr::Literal(_) => vec![],
            Expr::Arithmetic { left, right, .. }
            | Expr::Compare { left, right, .. }
            | Expr::And(left, right)
            | Expr::Or(left, right) => vec![left, right],
            Expr::Not(input) | Expr::Negate(input) | Expr::IsNull(input) => vec![input],
            Expr::Cast { input, .. } | Expr::InList { input, .. } => vec![input],
            Expr::Like { input, pattern, .. } => vec![input, pattern],
            Expr::Case { branches, otherwise, .. } => branches
                .iter_mut()
                .flat_map(|(condition, value)| [condition, value])
                .chain(otherwise.as_deref_mut())
                .collect(),
            Expr::Call { arguments, .. } => arguments.iter_mut().collect(),
        }
    }

    /// Calls `visit` with the index of every column that is read.
    pub fn for_each_column(&self, visit: &mut impl FnMut(usize)) {
        if let Expr::Column { index, .. } = self {
            visit(*index);
        }
        self.children().into_iter().for_each(|child| child.for_each_column(visit));
    }

    /// Replaces every column index by `map` of it.
    pub fn map_columns(&mut self, map: &impl Fn(usize) -> usize) {
        if let Expr::Column { index, .. } = self {
            *index = map(*index);
        }
        self.children_mut().into_iter().for_each(|child| child.map_columns(map));
    }

    /// The parts of a conjunction, left to right.
    pub fn conjuncts(self) -> Vec<Expr> {
        match self {
            Expr::And(left, right) => {
                let mut parts = left.conjuncts();
                parts.extend(right.conjuncts());
                parts
            }
            other => vec![other],
        }
    }

    /// The conjunction of `parts`; `None` when there are none.
    pub fn and_all(parts: impl IntoIterator<Item = Expr>) -> Option<Expr> {
        parts.into_iter().reduce(|left, right| Expr::And(Box::new(left), Box::new(right)))
    }
}

impl ArithmeticOp {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl CompareOp {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }

    /// The operator that gives the same result with the operands exchanged.
    pub fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            other => other,
        }
    }
}

/// SQL-like text with `#n` for column n.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Column { index, .. } => write!(f, "#{index}"),
            Expr::Literal(value) => write!(f, "{value}"),
            Expr::Arithmetic { op, left, right, .. } => write!(f, "({left} {} {right})", op.symbol()),
            Expr::Compare { op, left, right } => write!(f, "({left} {} {right})", op.symbol()),
            Expr::And(left, right) => write!(f, "({left} AND {right})"),
            Expr::Or(left, right) => write!(f, "({left} OR {right})"),
            Expr::Not(input) => write!(f, "(NOT {input})"),
            Expr::Negate(input) => write!(f, "(- {input})"),
            Expr::IsNull(input) => write!(f, "({input} IS NULL)"),
            Expr::Case { branches, otherwise, .. } => {
                f.write_str("CASE")?;
                for (condition, value) in branches {
                    write!(f, " WHEN {condition} THEN {value}")?;
                }
                if let Some(value) = otherwise {
                    write!(f, " ELSE {value}")?;
                }
                f.write_str(" END")
            }
            Expr::Cast { input, data_type, safe } => {
                write!(f, "{}({input} AS {data_type})", if *safe { "TRY_CAST" } else { "CAST" })
            }
            Expr::Like { input, pattern, negated, case_insensitive, .. } => {
                let not = if *negated { "NOT " } else { "" };
                let like = if *case_insensitive { "ILIKE" } else { "LIKE" };
                write!(f, "({input} {not}{like} {pattern})")
            }
            Expr::InList { input, values, negated } => {
                write!(f, "({input} {}IN (", if *negated { "NOT " } else { "" })?;
                write_list(f, values.iter().take(LIST_ITEMS_SHOWN))?;
                if values.len() > LIST_ITEMS_SHOWN {
                    write!(f, ", … {} values", values.len())?;
                }
                f.write_str("))")
            }
            Expr::Call { function, arguments, .. } => {
                write!(f, "{function}(")?;
                write_list(f, arguments)?;
                f.write_str(")")
            }
        }
    }
}

/// Longer lists are cut in a plan's text.
const LIST_ITEMS_SHOWN: usize = 8;

/// Items separated by commas.
pub(crate) fn write_list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
) -> fmt::Result {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
