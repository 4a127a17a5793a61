//! Values to call functions with, as SQL expressions, by the SQL type that an argument has.

use super::database::literal;

/// Ordinary values are those that a check repeats many times; extremes and hostile text come one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    pub ordinary: Vec<String>,
    pub extreme: Vec<String>,
    pub hostile: Vec<String>,
}

/// Characters of a long text.
const LONG_CHARACTERS: usize = 300_000;

/// `None` for a type of which we can make none.
pub fn values(sql_type: &str) -> Option<Values> {
    let upper = sql_type.trim().to_uppercase();
    if let Some(item) = upper.strip_suffix("[]") {
        return lists(item.trim());
    }
    let name = upper.split(['(', ' ']).next().unwrap_or_default();
    let (ordinary, extreme): (&[&str], &[&str]) = match name {
        "BOOLEAN" | "BOOL" => (&["true", "false"], &[]),
        "TINYINT" | "INT1" => (&["0", "1", "-3", "7", "42"], &["-128", "127"]),
        "SMALLINT" | "INT2" => (&["0", "1", "-3", "7", "420"], &["-32768", "32767"]),
        "INT" | "INTEGER" | "INT4" => (&["0", "1", "-3", "7", "4200"], &["-2147483648", "2147483647"]),
        "BIGINT" | "INT8" => {
            (&["0", "1", "-3", "7", "420000"], &["-9223372036854775808", "9223372036854775807"])
        }
        "REAL" | "FLOAT4" | "DOUBLE" | "FLOAT" | "FLOAT8" => (
            &["0", "1", "-2.5", "3.25", "1000"],
            &["NaN", "Infinity", "-Infinity", "-0.0", "1e-40", "-1e-40", "3e38", "-3e38"],
        ),
        "DECIMAL" | "NUMERIC" => return Some(decimals(&upper)),
        "TEXT" | "VARCHAR" | "STRING" | "CHAR" => return Some(texts()),
        "BYTEA" | "BINARY" | "VARBINARY" | "BLOB" => return Some(of_bytes()),
        "DATE" => (&["2024-02-29", "1999-12-31", "1970-01-01"], &["0001-01-01", "9999-12-31", "1900-03-01"]),
        "TIME" => (&["12:34:56", "00:00:00"], &["23:59:59.999999"]),
        "TIMESTAMP" => (
            &["2024-02-29 12:00:00", "1999-12-31 23:59:59.5", "1970-01-01 00:00:00"],
            &["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"],
        ),
        "INTERVAL" => return Some(intervals()),
        _ => return None,
    };
    let cast = |text: &&str| format!("CAST('{text}' AS {sql_type})");
    Some(Values {
        ordinary: ordinary.iter().map(cast).collect(),
        extreme: extreme.iter().map(cast).collect(),
        hostile: vec![],
    })
}

fn texts() -> Values {
    let hostile = [
        literal(""),
        literal(" "),
        literal("\t\n\r"),
        literal("'; DROP TABLE t; --"),
        literal("ÄÖÜß éè 日本語 العربية"),
        literal("👩‍👩‍👧‍👦🇪🇺\u{10ffff}"),
        literal("e\u{301}\u{202e}\u{feff}"),
        literal("\u{1}\u{7f}\u{80}"),
        format!("repeat('x', {LONG_CHARACTERS})"),
        format!("repeat('ß', {LONG_CHARACTERS})"),
    ];
    Values {
        ordinary: ["Ada Lovelace", "a", "", "Grüße, Jürgen", "one two  three"].map(literal).to_vec(),
        extreme: vec![],
        hostile: hostile.iter().map(|text| format!("CAST({text} AS TEXT)")).collect(),
    }
}

fn of_bytes() -> Values {
    let cast = |text: &str| format!("CAST({} AS BYTEA)", literal(text));
    Values {
        ordinary: ["", "a", "some bytes"].map(cast).to_vec(),
        extreme: vec![],
        hostile: vec![cast("日本語"), format!("CAST(repeat('x', {LONG_CHARACTERS}) AS BYTEA)")],
    }
}

/// As many digits as the type has.
fn decimals(upper: &str) -> Values {
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<usize>().ok());
    let mut digits = upper.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')')).split(',');
    let precision = number(digits.next()).unwrap_or(18).clamp(1, 76);
    let scale = number(digits.next()).unwrap_or(0).min(precision);
    let (whole, part) = ("9".repeat(precision - scale), "9".repeat(scale));
    let greatest = match (whole.as_str(), part.as_str()) {
        (whole, "") => whole.to_owned(),
        ("", part) => format!("0.{part}"),
        (whole, part) => format!("{whole}.{part}"),
    };
    let least_part = if scale == 0 { "1".to_owned() } else { format!("0.{}1", "0".repeat(scale - 1)) };
    let cast = |text: &String| format!("CAST('{text}' AS {upper})");
    Values {
        ordinary: ["0".to_owned(), least_part.clone(), format!("-{least_part}")].iter().map(cast).collect(),
        extreme: [greatest.clone(), format!("-{greatest}")].iter().map(cast).collect(),
        hostile: vec![],
    }
}

fn intervals() -> Values {
    let all = |texts: &[&str]| texts.iter().map(|text| format!("INTERVAL {text}")).collect();
    Values {
        ordinary: all(&["'1' HOUR", "'30' MINUTE", "'1' DAY"]),
        extreme: all(&["'0' DAY", "'-1' MONTH", "'1000' YEAR"]),
        hostile: vec![],
    }
}

fn lists(item: &str) -> Option<Values> {
    let items = values(item)?;
    let list = |items: &[String]| format!("[{}]", items.join(", "));
    Some(Values {
        ordinary: vec![list(&items.ordinary), list(&items.ordinary[..1]), list(&items.ordinary[1..2])],
        extreme: items.extreme.iter().chain(&items.hostile).map(|value| format!("[{value}]")).collect(),
        hostile: vec![],
    })
}

/// Rows of arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows {
    pub ordinary: Vec<Vec<String>>,
    pub extreme: Vec<Vec<String>>,
    pub hostile: Vec<Vec<String>>,
}

/// Rows of ordinary values, every value of an argument in some; and for each extreme value a row of otherwise
/// ordinary ones, with a row of first extremes together.
///
/// # Errors
/// The type of which we have no values.
pub fn rows(types: &[String]) -> Result<Rows, String> {
    let all: Vec<Values> = types
        .iter()
        .map(|sql_type| values(sql_type).ok_or_else(|| sql_type.clone()))
        .collect::<Result<_, _>>()?;
    let count = all.iter().map(|values| values.ordinary.len()).max().unwrap_or(1);
    // Every argument goes through its values at a pace of its own.
    let ordinary_row = |row: usize| -> Vec<String> {
        let pick = |(place, values): (usize, &Values)| {
            values.ordinary[(row + place * (row / values.ordinary.len() + 1)) % values.ordinary.len()].clone()
        };
        all.iter().enumerate().map(pick).collect()
    };
    let with = |chosen: fn(&Values) -> &Vec<String>| -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for (place, values) in all.iter().enumerate() {
            for value in chosen(values) {
                let mut row = ordinary_row(1);
                row[place].clone_from(value);
                rows.push(row);
            }
        }
        if all.len() > 1 && all.iter().all(|values| !chosen(values).is_empty()) {
            rows.push(all.iter().map(|values| chosen(values)[0].clone()).collect());
        }
        rows
    };
    Ok(Rows {
        ordinary: (0..count).map(ordinary_row).collect(),
        extreme: with(|values| &values.extreme),
        hostile: with(|values| &values.hostile),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_the_digits_of_their_type() {
        let values = values("DECIMAL(5, 2)").unwrap();
        assert!(values.extreme.contains(&"CAST('-999.99' AS DECIMAL(5, 2))".to_owned()));
        assert!(values.ordinary.contains(&"CAST('0.01' AS DECIMAL(5, 2))".to_owned()));
    }

    #[test]
    fn rows_cover_the_values_of_every_argument() {
        let types = ["BIGINT".to_owned(), "TEXT".to_owned(), "DOUBLE[]".to_owned()];
        let rows = rows(&types).unwrap();
        for (place, sql_type) in types.iter().enumerate() {
            let values = values(sql_type).unwrap();
            let has = |rows: &[Vec<String>], value: &String| rows.iter().any(|row| row[place] == *value);
            assert!(values.ordinary.iter().all(|value| has(&rows.ordinary, value)), "{sql_type}");
            assert!(values.extreme.iter().all(|value| has(&rows.extreme, value)), "{sql_type}");
            assert!(values.hostile.iter().all(|value| has(&rows.hostile, value)), "{sql_type}");
        }
        assert_eq!(super::rows(&["STRUCT(a INT)".to_owned()]), Err("STRUCT(a INT)".to_owned()));
        assert_eq!(super::rows(&[]).unwrap().ordinary, [Vec::<String>::new()]);
    }

    /// What is no SQL of ours would fail every check of every function.
    #[test]
    fn every_value_is_sql() {
        use nyala_node::{Config, Engine};
        let mut database =
            super::super::database::Database::new(Engine::open(Config::default()).unwrap().session());
        for sql_type in [
            "BOOLEAN",
            "TINYINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "REAL",
            "DOUBLE",
            "DECIMAL(12, 2)",
            "DECIMAL(38, 10)",
            "TEXT",
            "VARCHAR",
            "BYTEA",
            "DATE",
            "TIME",
            "TIMESTAMP",
            "INTERVAL",
            "BIGINT[]",
            "TEXT[]",
        ] {
            let values = values(sql_type).unwrap();
            for value in values.ordinary.iter().chain(&values.extreme).chain(&values.hostile) {
                let rows = database.rows(&format!("SELECT {value}, CAST(NULL AS {sql_type})"));
                assert!(rows.is_ok(), "{sql_type}: {value}: {:?}", rows.err());
            }
        }
    }
}
