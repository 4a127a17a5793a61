//! What a module declares, read from the columns of SHOW FUNCTIONS and SHOW OPERATORS.

use nyala_node::{Error, Result};

use super::database::Shown;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Scalar,
    Aggregate,
    Table,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Table => "table",
        }
    }
}

/// An overload.
#[derive(Debug, Clone)]
pub struct Function {
    pub name: String,
    pub kind: Kind,
    /// As declared, in brackets.
    pub arguments: String,
    /// SQL's names of the arguments' types.
    pub types: Vec<String>,
    pub is_immutable: bool,
    pub is_volatile: bool,
    pub is_strict: bool,
}

#[derive(Debug, Clone)]
pub struct Operator {
    pub name: String,
    /// As declared, in brackets.
    pub arguments: String,
    pub inputs: Vec<Input>,
    /// Without those that may be left out.
    pub parameters: Vec<(String, String)>,
}

/// A table argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub needs_partition: bool,
    pub needs_order: bool,
}

impl Function {
    /// # Errors
    /// When a column is missing or says what we do not know.
    pub fn from_shown(row: &Shown) -> Result<Self> {
        let kind = match row.get("kind")? {
            "scalar" => Kind::Scalar,
            "aggregate" => Kind::Aggregate,
            "table" => Kind::Table,
            other => return Err(Error::internal(format!("SHOW FUNCTIONS gives the kind '{other}'"))),
        };
        let volatility = row.get("volatility")?.to_lowercase();
        let arguments = row.get("arguments")?.to_owned();
        Ok(Self {
            name: row.get("name")?.to_owned(),
            kind,
            types: parts(&arguments).iter().map(|part| name_and_type(part).1).collect(),
            arguments,
            is_immutable: volatility == "immutable",
            is_volatile: volatility == "volatile",
            is_strict: matches!(row.get("strict")?.to_lowercase().as_str(), "true" | "yes" | "strict"),
        })
    }

    /// `f(BIGINT, TEXT)`
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, self.types.join(", "))
    }
}

impl Operator {
    /// # Errors
    /// When a column is missing.
    pub fn from_shown(row: &Shown) -> Result<Self> {
        let arguments = row.get("arguments")?.to_owned();
        let (mut inputs, mut parameters) = (Vec::new(), Vec::new());
        for part in parts(&arguments) {
            let upper = part.to_uppercase();
            if upper.starts_with("TABLE ") {
                inputs.push(Input {
                    needs_partition: upper.contains(" PARTITION BY"),
                    needs_order: upper.contains(" ORDER BY"),
                });
            } else if !upper.ends_with(" OPTIONAL") {
                parameters.push(name_and_type(&part));
            }
        }
        Ok(Self { name: row.get("name")?.to_owned(), arguments, inputs, parameters })
    }
}

/// The parts of `(a BIGINT, b DECIMAL(12, 2))` between its commas.
fn parts(list: &str) -> Vec<String> {
    let inner = list.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(list);
    let (mut parts, mut part, mut depth, mut in_quotes) = (Vec::new(), String::new(), 0_i32, false);
    for c in inner.chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            '(' | '<' if !in_quotes => depth += 1,
            ')' | '>' if !in_quotes => depth -= 1,
            ',' if !in_quotes && depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part.trim().to_owned());
    }
    parts
}

/// `name TYPE`; a name in quotes may have blanks. A part of one word is a type.
fn name_and_type(part: &str) -> (String, String) {
    if let Some((name, rest)) = part.strip_prefix('"').and_then(|rest| rest.split_once("\" ")) {
        return (format!("\"{name}\""), rest.trim().to_owned());
    }
    match part.split_once(' ') {
        Some((name, rest)) => (name.to_owned(), rest.trim().to_owned()),
        None => (String::new(), part.to_owned()),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn shown(columns: &[(&str, &str)]) -> Shown {
        let columns = columns.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
        Shown { columns: columns.collect() }
    }

    pub fn function(kind: &str, arguments: &str, volatility: &str, strict: &str) -> Function {
        let columns = [
            ("name", "f"),
            ("kind", kind),
            ("arguments", arguments),
            ("volatility", volatility),
            ("strict", strict),
        ];
        Function::from_shown(&shown(&columns)).unwrap()
    }

    pub fn operator(arguments: &str) -> Operator {
        Operator::from_shown(&shown(&[("name", "o"), ("arguments", arguments)])).unwrap()
    }

    #[test]
    fn signatures_are_read() {
        let f = function("scalar", "(a BIGINT, \"b, c\" DECIMAL(12, 2), d TEXT[])", "IMMUTABLE", "true");
        assert_eq!(f.types, ["BIGINT", "DECIMAL(12, 2)", "TEXT[]"]);
        assert!(f.is_immutable && f.is_strict && !f.is_volatile);
        assert_eq!(f.signature(), "f(BIGINT, DECIMAL(12, 2), TEXT[])");
        assert!(function("aggregate", "()", "volatile", "false").types.is_empty());
        assert!(Function::from_shown(&shown(&[("name", "f"), ("kind", "window")])).is_err());
    }

    #[test]
    fn operators_are_read() {
        let o = operator(
            "(TABLE events PARTITION BY ORDER BY, TABLE other READS ALL, gap INTERVAL, label TEXT OPTIONAL)",
        );
        let input = |needs_partition, needs_order| Input { needs_partition, needs_order };
        assert_eq!(o.inputs, [input(true, true), input(false, false)]);
        assert_eq!(o.parameters, [("gap".to_owned(), "INTERVAL".to_owned())]);
    }
}
